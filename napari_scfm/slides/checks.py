"""What a table must hold before any model or figure sees it.

Refuses, with every problem in one error: missing, infinite and negative counts,
gene names and cell names that occur twice, and coordinates that are missing or
no numbers. Values that are not whole numbers are no error (intensities, sequential
MERFISH genes); :func:`fractional_genes` names them for the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError, counted, named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData


def duplicates(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, in order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)


def count_problems(
    counts: Any, genes: Sequence[str], cells: Sequence[str]
) -> list[str]:
    """List what is wrong with a matrix of counts, with cells and genes named.

    Parameters
    ----------
    counts
        cells x genes, dense or sparse.
    genes, cells
        Names of columns and rows.
    """
    from scipy import sparse

    matrix = sparse.coo_matrix(counts)
    tests = (
        ("missing (NaN)", np.isnan(matrix.data)),
        ("infinite", np.isinf(matrix.data)),
        ("negative", matrix.data < 0),
    )
    problems = []
    for what, wrong in tests:
        if not wrong.any():
            continue
        at = np.flatnonzero(wrong)
        first = at[np.lexsort((matrix.col[at], matrix.row[at]))[:3]]
        places = [
            f"cell {cells[matrix.row[k]]}, gene {genes[matrix.col[k]]}" for k in first
        ]
        problems.append(f"{len(at)} counts are {what}: {_more('; '.join(places), at)}")
    return problems


def _more(text: str, at: np.ndarray) -> str:
    return text if len(at) <= 3 else f"{text}; and {len(at) - 3} more"


def name_problems(genes: Sequence[str], cells: Sequence[str]) -> list[str]:
    """List gene names and cell names that occur more than once."""
    problems = []
    if twice := duplicates(genes):
        problems.append(f"{len(twice)} gene names occur more than once: {named(twice)}")
    if twice := duplicates(cells):
        problems.append(f"{len(twice)} cell names occur more than once: {named(twice)}")
    return problems


def coordinate_problems(xy: object, cells: Sequence[str]) -> list[str]:
    """List what is wrong with coordinates (cells, >= 2)."""
    values = np.asarray(xy)
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "fiu":
        return [f"the coordinates are {values.dtype} of shape {values.shape}"]
    bad = np.flatnonzero(~np.isfinite(values[:, :2]).all(axis=1))
    if not len(bad):
        return []
    where = named([cells[i] for i in bad.tolist()])
    return [
        f"{counted(len(bad), 'cell has', 'cells have')} no finite coordinates: {where}"
    ]


def check_counts(
    counts: Any,
    genes: Sequence[str],
    cells: Sequence[str],
    path: Path | str,
) -> None:
    """Refuse counts that no model may see.

    Raises
    ------
    SlideError
        With every problem found; names the first cells and genes.
    """
    _refuse(count_problems(counts, genes, cells), path)


def check_table(table: AnnData, path: Path | str, *, coordinates: bool = True) -> None:
    """Refuse a table with wrong counts, names or coordinates.

    Parameters
    ----------
    table
        cells x genes.
    path
        Where it came from, for the message.
    coordinates
        Whether ``obsm["spatial"]`` must be there.

    Raises
    ------
    SlideError
        With every problem found.
    """
    genes, cells = list(table.var_names), list(table.obs_names)
    problems = name_problems(genes, cells)
    if table.X is not None:
        problems += count_problems(table.X, genes, cells)
    if keys.SPATIAL in table.obsm:
        problems += coordinate_problems(table.obsm[keys.SPATIAL], cells)
    elif coordinates:
        problems.append(f"the table has no coordinates (obsm[{keys.SPATIAL!r}])")
    _refuse(problems, path)


def _refuse(problems: list[str], path: Path | str) -> None:
    if problems:
        more = f" ({len(problems)} problems)" if len(problems) > 1 else ""
        raise SlideError(
            f"{path} cannot be used: {problems[0]}{more}.",
            "Correct the file, or export it again.",
            problems,
        )


def fractional_genes(counts: Any, genes: Sequence[str]) -> list[str]:
    """Return the genes with values that are not whole numbers."""
    from scipy import sparse

    matrix = sparse.csc_matrix(counts)
    fractional = np.flatnonzero(matrix.data != np.round(matrix.data))
    column_of = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    return [genes[j] for j in np.unique(column_of[fractional]).tolist()]
