"""The window and the command it copies give the same numbers to the last digit."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QApplication

from napari_scfm.experiments.result import load_result
from napari_scfm.masks.parts import Disc, RandomEntries
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts
from napari_scfm.viewer.hiding import masking, picking

pytestmark = pytest.mark.gui
ONE_WINDOW = True


def by_hand(workbench, session) -> None:
    """Hide genes, cells, a disc and entries, and take some of it back."""
    workbench.mask.genes.checks.search.setText("KRT1*")
    workbench.mask.genes.hide_pattern()
    masking.hide_genes(session, ["EPCAM", "CD3E"])
    picking.pick_by(session, MaskSpec(every_nth=9))
    acts.run(workbench.context.viewer, "hide_selected")
    disc = Disc(x=60, y=60, radius=25, fov=session.fov.name)
    picking.pick_by(session, MaskSpec(discs=(disc,)))
    acts.run(workbench.context.viewer, "unhide_selected")
    acts.run(workbench.context.viewer, "undo")
    acts.run(workbench.context.viewer, "redo")
    drawn = RandomEntries(fraction=0.05, eligible="expressed")
    workbench.mask.hide(MaskSpec(entries=drawn, seed=4))
    acts.run(workbench.context.viewer, "clear")


def run_command(tmp_path, monkeypatch):
    """Run the line on the clipboard in a folder; return its result."""
    from napari_scfm.cli import main

    words = shlex.split(QApplication.clipboard().text())
    assert words[0] == "napari-scfm"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words)
    with suppress(SystemExit):
        main()
    return load_result(tmp_path / words[words.index("-o") + 1])


@pytest.fixture
def single_cells(slide, tmp_path):
    """Some genes of single cells in a file, with other counts than the slide's."""
    cells = slide.fov("F003").table[:, ::2]
    table = ad.AnnData(cells.X.copy(), var=cells.var[[]].copy())
    table.X.data += 1
    table.obs_names = [f"c{place}" for place in range(cells.n_obs)]
    table.write_h5ad(tmp_path / "my cells.h5ad")
    return tmp_path / "my cells.h5ad"


@pytest.mark.parametrize(
    ("everywhere", "single"),
    [(False, True), (True, False)],
    ids=["one FOV from single cells", "all FOVs"],
)
def test_the_copied_command_gives_the_same_numbers(
    workbench, session, finish, tmp_path, monkeypatch, everywhere, single, single_cells
):
    session.model = load_model("cellplm-mini")
    by_hand(workbench, session)
    compare = workbench.compare
    compare.baselines["knn-space"].setChecked(False)
    compare.who.reference.show_path("")
    if single:
        compare.who.reference.choose(single_cells)
        finish()
    compare.run_all() if everywhere else compare.run()
    finish()
    assert session.message.level == "info", session.message
    mine = session.comparison.result
    compare.keep.copy.click()
    assert session.message.text.startswith("Copied: napari-scfm experiment ")
    other = run_command(tmp_path, monkeypatch)
    pd.testing.assert_frame_equal(mine.summary, other.summary, check_exact=True)
    assert mine.genes == other.genes
    for name in ("rows", "columns", "truth_values"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))
    for one, two in zip(mine.predictions, other.predictions, strict=True):
        assert one.name == two.name
        np.testing.assert_array_equal(one.values, two.values)
    assert mine.spec.mask == other.spec.mask == session.recipe
    assert mine.spec.reference_file == (str(single_cells) if single else "")
    assert mine.spec == other.spec
    assert len(mine.spec.fovs) == (4 if everywhere else 1)


def test_an_unsaved_model_cannot_be_copied(workbench, session, slow_model):
    from napari_scfm.viewer.training.run import take

    take(session, slow_model())
    masking.hide_genes(session, ["EPCAM"])
    QApplication.clipboard().setText("before")
    workbench.compare.keep.copy_command()
    assert session.message.level == "error"
    assert "is not saved yet" in session.message.text
    assert QApplication.clipboard().text() == "before"
