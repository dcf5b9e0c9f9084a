"""A small slide made in memory, and viewers without a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from scipy import sparse

from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.slide import FieldOfView, Slide

if TYPE_CHECKING:
    from collections.abc import Callable

PIXEL = 0.5
SIDE = 40


def make_fov(name: str, n: int, *, typed: bool = True, labelled: bool = True):
    """Return a FOV with n square cells of 8 x 8 pixels, four in a row."""
    place = np.arange(n)
    top, left = 10 * (place // 4) + 1, 10 * (place % 4) + 1
    labels = np.zeros((max(SIDE, 10 * -(-n // 4)), SIDE), dtype=np.uint16)
    for number, (y, x) in enumerate(zip(top, left, strict=True), start=1):
        labels[y : y + 8, x : x + 8] = number
    genes = ["EPCAM", "CD3E", "KRT8", "KRT18", "COL1A1"]
    counts = np.arange(n * len(genes)).reshape(n, len(genes)) % 7
    obs = pd.DataFrame(
        {"fov": name, "cell_id": [f"cell_{i}" for i in place], "label": place + 1},
        index=[f"{name}_{i}" for i in place],
    )
    if typed:
        obs["cell_type"] = pd.Categorical(np.where(place % 2, "T cell", "tumour"))
    xy = np.stack([left + 4, top + 4], axis=1) * PIXEL
    table = ad.AnnData(
        sparse.csr_matrix(counts, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=genes),
        obsm={"spatial": xy.astype(float).reshape(-1, 2)},
    )
    return FieldOfView(
        name,
        pixel_size=PIXEL,
        shape=labels.shape,
        read_table=lambda: table,
        read_labels=lambda: labels if labelled else None,
        images={"DAPI": labels * 100, "membrane": labels * 50},
    )


@pytest.fixture
def make_slide() -> Callable[..., Slide]:
    """Return a function that makes a slide of FOVs with so many cells."""

    def make(*cells: int, **options: bool) -> Slide:
        names = [f"F{number:03d}" for number in range(1, len(cells) + 1)]
        made = dict(zip(names, cells, strict=True))
        return Slide(
            Path("somewhere/slide"),
            format="cosmx",
            fov_cells=made,
            report=ReadReport(),
            read_table=lambda: ad.concat(
                [make_fov(n, c, **options).table for n, c in made.items()]
            ),
            read_fov=lambda name: make_fov(name, made[name], **options),
        )

    return make


@pytest.fixture
def viewer() -> ViewerModel:
    """Return a viewer without a window."""
    return ViewerModel()
