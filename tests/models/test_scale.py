"""What scale values are on is seen from the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.models.scale import (
    COUNTS,
    LOG,
    LOG2,
    NORMALISED,
    UNKNOWN,
    scale_note,
    scale_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def counts(cells: int = 60, genes: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    mean = rng.gamma(0.5, 2.0, (cells, genes))
    return rng.poisson(mean).astype(np.float32)


def normalised(x: np.ndarray) -> np.ndarray:
    return (x / x.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)


CASES = {
    "raw": (counts(), COUNTS),
    "normalised": (normalised(counts()), NORMALISED),
    "log-normalised": (np.log1p(normalised(counts())), LOG),
    "log": (np.log1p(counts()), LOG),
    "log2-normalised": (np.log2(1 + normalised(counts())), LOG2),
    "intensities": (counts() + np.float32(0.3) * counts()[::-1] ** 1.5, UNKNOWN),
    "nothing": (np.zeros((5, 4), np.float32), COUNTS),
    "no cell": (np.zeros((0, 4), np.float32), COUNTS),
}


@pytest.mark.parametrize("name", CASES)
def test_scales(name: str) -> None:
    values, want = CASES[name]
    assert scale_of(values) == want
    assert scale_of(sparse.csr_matrix(values)) == want
    genes = [f"g{i}" for i in range(values.shape[1])]
    assert (scale_note(values, genes) == "") == (want == COUNTS)


def test_part_of_a_log_normalised_panel_is_still_seen() -> None:
    part = np.log1p(normalised(counts(genes=120)))[:, ::3]
    assert scale_of(part) == LOG
    note = scale_note(part, [f"g{i}" for i in range(40)])
    assert "logarithm would be taken twice" in note


def test_genes_that_were_not_counted_are_named() -> None:
    values = counts()
    values[:, 7] *= np.float32(0.37)
    values[:, 11] += np.float32(0.5)
    note = scale_note(values, [f"g{i}" for i in range(40)])
    assert "2 of 40 genes are not whole numbers: g7, g11" in note


def test_real_slides_and_what_becomes_of_them(real_data: Path) -> None:
    import scanpy as sc

    breast = real_data / "cosmx_breast_dbkero_fov16" / "cosmx_breast_dbkero_fov16.h5ad"
    table = anndata.read_h5ad(breast)
    assert scale_of(table.X) == COUNTS
    table = table[np.asarray(table.X.sum(axis=1)).ravel() > 0].copy()
    table.X = sparse.csr_matrix(table.X, dtype=np.float32)
    sc.pp.normalize_total(table)
    assert scale_of(table.X) == NORMALISED
    sc.pp.log1p(table)
    assert scale_of(table.X) == LOG
    folder = real_data / "merfish_moffitt_hypothalamus"
    moffitt = anndata.read_h5ad(folder / "merfish_moffitt_a1_5sections_155g.h5ad")
    note = scale_note(moffitt.X, list(moffitt.var_names))
    assert "20 of 155 genes are not whole numbers" in note


def test_a_model_says_when_it_reads_logarithms() -> None:
    model = scfm.load_model("cellplm-mini", device="cpu")
    genes = list(model.info.genes[:40])
    table = anndata.AnnData(np.log1p(normalised(counts())))
    table.var_names = genes
    before = list(model.notes)
    model.embed(table)
    new = [note for note in model.notes if note not in before]
    assert any("look like log1p of counts" in note for note in new)
