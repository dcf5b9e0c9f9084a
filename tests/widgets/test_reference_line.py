"""What baselines learn from, chosen by clicking, and kept by sessions."""

from __future__ import annotations

import json
import shutil

import anndata as ad
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.baselines import registry
from napari_scfm.models.baselines.ridge import Ridge
from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session
from napari_scfm.widgets.steps.reference_line import ASK, FILE, FOVS, short

pytestmark = pytest.mark.gui


@pytest.fixture
def cells(slide, tmp_path):
    """Single cells of a few genes, in a file."""
    part = slide.fov("F003").table[:50, :30]
    table = ad.AnnData(part.X.copy(), var=part.var[[]].copy())
    table.obs_names = [f"c{place}" for place in range(50)]
    path = tmp_path / "cells.h5ad"
    table.write_h5ad(path)
    return path


@pytest.fixture
def line(workbench, session):
    workbench.compare.expand(animate=False)
    return workbench.compare.who.reference


def click(line, item, monkeypatch, answer=""):
    """Choose an item of the list; answer the dialog that it may open."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(answer), ""))
    place = line.choice.findData(item)
    line.choice.setCurrentIndex(place)
    line.choice.activated.emit(place)


def test_a_file_is_read_shown_and_taken_back(line, session, cells, finish, monkeypatch):
    assert line.choice.currentText() == "Other fields of view"
    assert not line.clear.isVisible()
    click(line, ASK, monkeypatch)
    assert (line.path, line.choice.currentData()) == ("", FOVS)
    click(line, ASK, monkeypatch, cells)
    finish()
    assert line.path == str(cells)
    assert line.choice.currentText() == "cells.h5ad"
    assert str(cells) in line.choice.toolTip()
    assert "50 single cells, in which 30 of" in session.message.text
    click(line, ASK, monkeypatch)
    assert line.choice.currentData() == FILE
    QTest.mouseClick(line.clear, Qt.MouseButton.LeftButton)
    assert (line.path, line.choice.currentData()) == ("", FOVS)
    line.show_path(str(cells))
    click(line, FOVS, monkeypatch)
    assert line.path == ""


def test_a_file_that_cannot_be_used_is_refused_at_once(
    line, session, cells, finish, monkeypatch
):
    line.show_path(str(cells))
    for name, words in (("lost.h5ad", "is not there"), ("bad.h5ad", "cannot be read")):
        path = cells.with_name(name)
        if name == "bad.h5ad":
            path.write_text("no table")
        click(line, ASK, monkeypatch, path)
        finish()
        assert session.message.level == "error"
        assert words in session.message.text
        assert line.path == str(cells)
        assert line.choice.currentText() == "cells.h5ad"


def test_predict_learns_from_the_file(workbench, line, session, cells, finish):
    masking.hide_genes(session, [str(session.fov.table.var_names[0])])
    session.model = Ridge()
    line.choose(cells)
    finish()
    workbench.compare.run()
    finish()
    assert session.message.level == "info", session.message
    spec = session.comparison.result.spec
    assert spec.reference_file == str(cells)
    assert spec.reference == ()


def test_a_session_keeps_it_and_finds_it_where_both_moved(
    line, session, viewer, workbench, cells, sample, tmp_path, make_napari_viewer
):
    masking.hide(session, MaskSpec(every_nth=9))
    line.show_path(str(cells))
    home = tmp_path / "home"
    home.mkdir()
    saved = save_session(viewer, home / "s.scfm.json")
    kept = json.loads(saved.read_text())["desk"]["reference"]
    assert kept["relative"] == "../cells.h5ad"
    moved = tmp_path / "moved"
    (moved / "home").mkdir(parents=True)
    cells.rename(moved / "cells.h5ad")
    shutil.copytree(home, moved / "home", dirs_exist_ok=True)
    other = make_napari_viewer(show=True)
    bench = show_workbench(other)
    open_session(other, moved / "home" / "s.scfm.json")
    assert bench.compare.who.reference.path == str(moved / "cells.h5ad")
    line.show_path("")
    open_session(other, save_session(viewer, home / "s.scfm.json"))
    assert bench.compare.who.reference.path == ""


def test_optional_baselines_are_listed_where_they_are_installed(
    make_napari_viewer, monkeypatch
):
    one = registry.Optional(Ridge, "numpy", "numpy", "magic")
    lost = registry.Optional(Ridge, "nowhere", "nowhere-to-be-found", "scvi")
    monkeypatch.setattr(registry, "OPTIONAL", {"magic": one, "gimvi": lost})
    who = show_workbench(make_napari_viewer(show=False)).compare.who
    assert who.baselines["magic"].toolTip().startswith(Ridge.info.description)
    assert not who.baselines["magic"].isChecked()
    assert "gimvi" not in who.baselines
    assert who.not_there.text() == "Not installed: gimvi"
    assert "napari-scfm[scvi]" in who.not_there.toolTip()
    monkeypatch.setattr(registry, "OPTIONAL", {"magic": one})
    full = show_workbench(make_napari_viewer(show=False)).compare.who
    assert full.not_there is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.h5ad", "a.h5ad"),
        ("hypothalamus.h5ad", "hypothalamus"),
        ("ref_scrna_hypothalamus.h5ad", "ref_scr…alamus"),
    ],
)
def test_long_names_are_shortened_in_the_middle(name, shown):
    assert short(name) == shown
