"""Every AnnData key that this project reads or writes, in one place.

The names follow scverse habits, so that scanpy, squidpy and napari-spatialdata
open our tables as if they were theirs.
"""

from __future__ import annotations

from typing import Final

FOV: Final = "fov"
"""``obs``: name of the field of view, a string; the bag of cells a model reads."""

CELL_ID: Final = "cell_id"
"""``obs``: the vendor's name of the cell."""

LABEL: Final = "label"
"""``obs``: 1..n, the cell's value in the label image of its FOV; 0 = no label."""

CELL_TYPE: Final = "cell_type"
"""``obs``: published or annotated cell type, where known."""

NO_LABEL: Final = (
    "",
    "nan",
    "none",
    "unknown",
    "unlabelled",
    "unlabeled",
    "unassigned",
)
"""Texts in a column of labels that say that a cell has none, in small letters."""

SPATIAL: Final = "spatial"
"""``obsm``: (x, y) in um, y down."""

CONTROLS: Final = "control_probes"
"""``obsm``: counts of negative probes, system controls and blanks (data frame)."""

UMAP: Final = "X_umap"
"""``obsm``: UMAP coordinates."""

TISSUE: Final = "X_tissue"
"""``obsm``: places on the tissue as a layout, y up, fields of view apart.

CELLxGENE draws only what begins with ``X_``, and refuses a table without any.
"""

UNS: Final = "napari_scfm"
"""``uns``: model, sha256, versions, seed and mask of what was written."""

GROUPINGS: Final = "groupings"
"""In ``uns["napari_scfm"]``: column -> how its groups were made."""

ENSEMBL: Final = "ensembl_id"
"""``var``: Ensembl gene id, where known."""

SYMBOL: Final = "symbol"
"""``var``: gene symbol, where the variable names are Ensembl ids."""


def slug(model: str) -> str:
    """Return a model's name as keys hold it: ``cellplm-mini`` -> ``cellplm_mini``."""
    return "".join(c if c.isalnum() else "_" for c in model).strip("_")


def embedding(model: str) -> str:
    """``obsm``: the model's embedding, ``X_<model>``."""
    return f"X_{slug(model)}"


def cluster(model: str) -> str:
    """``obs``: clusters of the model's embedding, ``<model>_cluster``."""
    return f"{slug(model)}_cluster"


def domain(model: str) -> str:
    """``obs``: spatial domains of the model's embedding, ``<model>_domain``."""
    return f"{slug(model)}_domain"


def colours(column: str) -> str:
    """``uns``: "#rrggbb" of each category of an ``obs`` column."""
    return f"{column}_colors"


def confidence(column: str) -> str:
    """``obs``: how sure each cell's class in a column is, 0..1; NaN = not known."""
    return f"{column}_confidence"


def names(key: str) -> str:
    """``uns``: the columns of an array in ``obsm`` that was a frame."""
    return f"{key}_names"


def told(source: str) -> str:
    """``obs``: the cell type that a model, reference or marker list tells.

    How sure that is stands in ``<key>_confidence``; the scores of all types stand in
    ``obsm["<key>_scores"]``, their names in ``uns["<key>_classes"]``.
    """
    return f"{slug(source)}_cell_type"


def imputed(model: str) -> str:
    """``layers`` (measured genes) and ``obsm`` (genes not measured)."""
    return f"{slug(model)}_imputed"


def perturbed(model: str) -> str:
    """``layers``: change of the prediction; ``obs``: which cells were perturbed."""
    return f"{slug(model)}_perturbed"


def attention(model: str) -> str:
    """``obsp``: the strongest attention weights, sparse, ``A[i, j]`` = i from j."""
    return f"{slug(model)}_attention"


def flow(model: str, direction: str = "received") -> str:
    """``obsm``: residual attention vectors in um, (x, y); received or sent."""
    sent = "" if direction == "received" else f"_{direction}"
    return f"{slug(model)}_flow{sent}"


def kind(model: str) -> str:
    """``obs``: cell type or cluster that the null of the attention keeps fixed."""
    return f"{slug(model)}_kind"
