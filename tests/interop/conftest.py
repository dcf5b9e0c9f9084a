"""Files as the command line and the window leave them, to be opened by others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_scfm.slides.samples import sample_path

if TYPE_CHECKING:
    from pathlib import Path

KEY = "pca_cluster"
TOLD = "markers_cell_type"
MARKERS = {"tumour": ["EPCAM", "KRT8", "KRT17"], "T cell": ["CD3E", "CD3D"]}


@pytest.fixture(scope="session")
def by_command(tmp_path_factory) -> Path:
    """The sample after ``cluster``, ``neighbours`` and ``annotate``, one file on."""
    from napari_scfm.cli.annotate import annotate
    from napari_scfm.cli.cluster import cluster
    from napari_scfm.cli.neighbours import neighbours

    folder = tmp_path_factory.mktemp("interop")
    pairs, markers = folder / "pairs.csv", folder / "markers.json"
    pairs.write_text("ligand,receptor\nCXCL12,CXCR4\nCCL21,CCR7\n")
    markers.write_text(json.dumps(MARKERS))
    one, two, three = (folder / f"{name}.h5ad" for name in ("one", "two", "three"))
    with pytest.MonkeyPatch.context() as patch:
        # UMAP is tested in its own room; it compiles for half a minute
        patch.setattr(
            "napari_scfm.analysis.embedding.umap",
            lambda points, *_, **__: points[:, :2].copy(),
        )
        cluster(
            sample_path("cosmx"),
            one,
            on="pca",
            markers=folder / "genes.csv",
            umap=True,
        )
    neighbours(
        one,
        two,
        key=KEY,
        what="enrichment,co-occurrence,moran,ligrec",
        pairs=pairs,
        permutations=20,
    )
    annotate(two, three, by="markers", markers=markers, threshold=0.2)
    return three


@pytest.fixture(scope="session")
def by_window(tmp_path_factory) -> Path:
    """The sample as the window saves it, with some cells in no class."""
    import numpy as np
    from napari.components import ViewerModel

    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.analysis.groups.history import GroupingHistory
    from napari_scfm.experiments.files import write_h5ad
    from napari_scfm.slides.read import read_slide
    from napari_scfm.viewer import grouping as groups
    from napari_scfm.viewer.open import open_slide

    session = open_slide(ViewerModel(), read_slide(sample_path("cosmx")), "F004")
    table = session.slide.table
    labels = np.arange(table.n_obs) % 3 - 1
    made = Grouping.of("hand", labels, ["tumour, dense", "B cell"], about="By hand.")
    vectors = table.X[:, :5].toarray()
    vectors[labels < 0] = np.nan  # as a model gives cells that it cannot read
    groups.show(
        session, groups.Groups(GroupingHistory(made), "mini", {}, vectors=vectors)
    )
    return write_h5ad(
        groups.table_with(session)(), tmp_path_factory.mktemp("window") / "saved.h5ad"
    )
