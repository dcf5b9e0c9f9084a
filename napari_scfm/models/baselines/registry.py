"""The baselines by name; each module is imported when its baseline is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.models.base import CellModel


def _gene_mean() -> CellModel:
    from napari_scfm.models.baselines.gene_mean import GeneMean

    return GeneMean()


def _knn_space() -> CellModel:
    from napari_scfm.models.baselines.knn_space import KnnSpace

    return KnnSpace()


def _knn_expression() -> CellModel:
    from napari_scfm.models.baselines.knn_expression import KnnExpression

    return KnnExpression()


def _ridge() -> CellModel:
    from napari_scfm.models.baselines.ridge import Ridge

    return Ridge()


BASELINES: dict[str, Callable[[], CellModel]] = {
    "gene-mean": _gene_mean,
    "knn-space": _knn_space,
    "knn-expression": _knn_expression,
    "ridge": _ridge,
}
"""Name -> a function that makes the model, in the order in which they are listed."""
