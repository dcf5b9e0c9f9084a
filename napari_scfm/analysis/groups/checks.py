"""What must hold of classes of cells, and of a choice of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ScfmError, counted, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def problems_of(
    key: str,
    labels: NDArray[np.int32],
    names: Sequence[str],
    colours: NDArray[np.float32],
    *,
    empty: bool = False,
) -> list[str]:
    """Return what is wrong with labels, names and colours of classes.

    Parameters
    ----------
    key, labels, names, colours
        See :class:`napari_scfm.analysis.groups.grouping.Grouping`.
    empty
        Whether classes may have no cell.
    """
    found = []
    twice = {str(name) for name in names if list(names).count(name) > 1}
    blank = sum(not str(name).strip() for name in names)
    if not key or "/" in key:
        found.append(f"{key!r} cannot be the name of a column")
    if labels.ndim != 1:
        found.append(f"labels have the shape {labels.shape}, not (cells,)")
    if twice:
        found.append(f"two classes are named {named(sorted(twice))}")
    if blank:
        found.append(f"{counted(blank, 'class has', 'classes have')} no name")
    if len(colours) != len(names):
        found.append(f"there are {len(names)} names and {len(colours)} colours")
    if not (np.isfinite(colours).all() and ((colours >= 0) & (colours <= 1)).all()):
        found.append("colours are not numbers from 0 to 1")
    low, high = int(labels.min(initial=0)), int(labels.max(initial=-1))
    if low < -1 or high >= len(names):
        found.append(f"labels reach from {low} to {high}; there are {len(names)} names")
    elif not empty and len(np.unique(labels[labels >= 0])) < len(names):
        found.append("there are classes without a cell")
    return found


def rows_of(cells: ArrayLike, n: int) -> NDArray[np.intp]:
    """Return the rows of chosen cells, each once, in table order.

    Parameters
    ----------
    cells
        (n,) mask, or rows.
    n
        Cells of the table.

    Raises
    ------
    ScfmError
        If a mask has another length, or a row is not there.
    """
    chosen = np.asarray(cells)
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise ScfmError(
                f"The choice has {chosen.size} cells, the slide {n}.",
                "Give a mask of all cells, or rows.",
            )
        return np.flatnonzero(chosen)
    rows = np.unique(chosen.astype(np.intp))
    if len(rows) and (rows[0] < 0 or rows[-1] >= n):
        raise ScfmError(
            f"There are {counted(n, 'cell')}, but rows {rows[0]} to {rows[-1]} were "
            "chosen.",
            "Give rows of the slide's table.",
        )
    return rows


def alike(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> bool:
    """Return whether two lists of confidences are the same; NaN is as NaN."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=True)
