"""Cells that have an embedding: what is computed of a slide is computed of these.

A model gives a cell of which it can read nothing a row of NaN. Decides that such a cell
is left out, so that all others get what they would get without it, and is put back
without a result: in no class, without a place in a picture. Every other value that is
not finite is a fault, and so is an embedding that no cell has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError, counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Present:
    """Which cells have an embedding.

    Attributes
    ----------
    rows
        Rows of these cells, rising.
    cells
        How many cells there are in all.
    """

    rows: NDArray[np.intp]
    cells: int

    @property
    def there(self) -> NDArray[np.bool_]:
        """(cells,) whether a cell has an embedding."""
        return self.back(np.ones(len(self.rows), dtype=bool), False)

    @property
    def lost(self) -> int:
        """How many cells are left out."""
        return self.cells - len(self.rows)

    @property
    def sentence(self) -> str:
        """How many cells are left out, and why; "" of none."""
        if not self.lost:
            return ""
        return (
            f"{counted(self.lost, 'cell is', 'cells are')} left out: without a count "
            "that could be read there is no embedding."
        )

    def take(self, values: Any) -> Any:
        """Return the rows of an array or a table that these cells have."""
        return values[self.rows] if self.lost else values

    def back(self, values: NDArray[Any], missing: float) -> NDArray[Any]:
        """Return (cells, ...) of values of these cells; ``missing`` of the others."""
        if not self.lost:
            return values
        found = np.full((self.cells, *values.shape[1:]), missing, dtype=values.dtype)
        found[self.rows] = values
        return found


def present(embedding: ArrayLike) -> Present:
    """Return which cells have an embedding.

    Parameters
    ----------
    embedding
        (cells, d), any scale; a row of NaN alone says that there is none.

    Raises
    ------
    ScfmError
        If it is not (cells, d), a cell has numbers beside NaN or infinite values, or
        no cell has any number.
    """
    points = _numbers(embedding)
    lost = np.isnan(points).all(axis=1) & (points.shape[1] > 0)
    _refuse(lost if lost.all() else ~(np.isfinite(points).all(axis=1) | lost))
    return Present(np.flatnonzero(~lost), len(points))


def checked(embedding: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return an embedding that all cells have as an array.

    Raises
    ------
    ScfmError
        If it is not (cells, d), or holds NaN or infinite values.
    """
    points = _numbers(embedding)
    _refuse(~np.isfinite(points).all(axis=1))
    return points


def _numbers(embedding: ArrayLike) -> NDArray[np.floating[Any]]:
    points = np.asarray(embedding)
    if points.ndim != 2 or points.dtype.kind not in "fiu":
        raise ScfmError(
            f"Clustering needs numbers of shape (cells, d), not {points.dtype} "
            f"{points.shape}.",
            "Give it what model.embed returns.",
        )
    return points


def _refuse(bad: NDArray[np.bool_]) -> None:
    if bad.any():
        raise ScfmError(
            f"The embedding of {bad.sum()} of {len(bad)} cells holds NaN or "
            f"infinite values, first at row {int(np.argmax(bad))}.",
            "Leave these cells out.",
        )
