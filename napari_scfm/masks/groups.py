"""Genes by the look of their name or their sparsity, cells by what is known of them.

Everything here only chooses; hiding is :mod:`napari_scfm.masks.make`. A pattern, a
stratum or a value that fits nothing is refused by name: a typing error must not
quietly hide less.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import MaskError, counted, named
from napari_scfm.masks.strata import strata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anndata import AnnData


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that a shell pattern fits, whatever the letter case.

    ``*`` stands for any letters, ``?`` for one, ``[AB]`` for one of these.
    """
    fits = re.compile(fnmatch.translate(pattern.strip()), re.IGNORECASE).match
    return [name for name in names if fits(name)]


def genes_by_pattern(table: AnnData, patterns: Sequence[str]) -> list[str]:
    """Return the genes that any of the patterns fits, in table order.

    Raises
    ------
    MaskError
        If a pattern fits no gene; all such are named.
    """
    names = [str(name) for name in table.var_names]
    found = {pattern: matching(names, pattern) for pattern in patterns}
    idle = [pattern for pattern, fits in found.items() if not fits]
    if idle:
        raise MaskError(
            f"No gene of the table fits {named(idle, 20)}.",
            "Use * for any letters, such as KRT*.",
        )
    chosen = {name for fits in found.values() for name in fits}
    return [name for name in names if name in chosen]


def genes_of_strata(table: AnnData, wanted: Sequence[str]) -> list[str]:
    """Return all genes of some sparsity strata, in table order.

    Raises
    ------
    MaskError
        If a stratum holds no gene here; all such are named.
    """
    group = strata(table)
    empty = [name for name in wanted if not (group == name).any()]
    if empty:
        held = [
            f"{name} {size}" for name, size in group.value_counts(sort=False).items()
        ]
        raise MaskError(
            f"No gene of this table is of {named(empty)} sparsity.",
            f"It has: {', '.join(held)}.",
        )
    return [str(name) for name in group.index[group.isin(list(wanted))]]


def cells_by_obs(table: AnnData, wanted: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Return which cells have one of the wanted values in a column of ``table.obs``.

    Parameters
    ----------
    table
        Cells x genes.
    wanted
        Column -> values, compared as text; several columns add up.

    Returns
    -------
    (cells,) bool.

    Raises
    ------
    MaskError
        If the table has no such column, or a column no such value; all are named.
    """
    rows = np.zeros(table.n_obs, dtype=bool)
    problems = []
    for column, values in wanted.items():
        if column not in table.obs:
            problems.append(_missing(f"column {column}", column, table.obs.columns))
            continue
        codes, names = _coded(table, column)
        lacking = [value for value in values if value not in names]
        problems += [_missing(f"{column} {value}", value, names) for value in lacking]
        chosen = [place for place, name in enumerate(names) if name in set(values)]
        rows |= np.isin(codes, chosen)
    if problems:
        raise MaskError(
            f"The cells have {problems[0]}.",
            "Check the spelling; letter case matters here.",
            problems,
        )
    return rows


def cells_of_fovs(table: AnnData, fovs: Sequence[str]) -> np.ndarray:
    """Return which cells lie in some fields of view, (cells,) bool.

    Raises
    ------
    MaskError
        If the table has no cell of a field of view; all such are named.
    """
    return cells_by_obs(table, {keys.FOV: fovs})


def cells_of_each_bag(table: AnnData, number: int, seed: int = 0) -> np.ndarray:
    """Return which cells are drawn: so many of every field of view (bag).

    A bag's draw does not depend on which other bags the table holds. The whole-cell
    protocol of sCT hides 1, 10, 20 or 40 of bags of 50.

    Returns
    -------
    (cells,) bool.

    Raises
    ------
    MaskError
        If a bag has no more cells than that; all such are named.
    """
    if keys.FOV in table.obs:
        codes, names = _coded(table, keys.FOV)
    else:
        codes, names = np.zeros(table.n_obs, dtype=np.int64), [""]
    size = np.bincount(codes[codes >= 0], minlength=len(names))
    short = [
        f"{name or 'the table'} ({counted(int(size[place]), 'cell')})"
        for place, name in enumerate(names)
        if 0 < size[place] <= number
    ]
    if short:
        raise MaskError(
            f"{counted(number, 'cell')} cannot be hidden of each of {named(short)}: "
            "one must stay visible.",
            "Hide fewer of each, or take larger bags.",
        )
    rows = np.zeros(table.n_obs, dtype=bool)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(size) + int((codes < 0).sum())
    for name, end, held in zip(names, ends, size, strict=True):
        if held:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            drawn = rng.choice(held, number, replace=False)
            rows[order[end - held + drawn]] = True
    return rows


def _coded(table: AnnData, column: str) -> tuple[np.ndarray, list[str]]:
    """Return each cell's place in the values of a column, -1 for none, and these."""
    values = table.obs[column].astype("category").cat
    return np.asarray(values.codes, np.int64), [str(v) for v in values.categories]


def _missing(what: str, asked: str, known: Iterable[object]) -> str:
    names = [str(name) for name in known]
    close = difflib.get_close_matches(asked, names, n=2)
    if close:
        return f"no {what}, but {' and '.join(close)}"
    return f"no {what}, but {named(names, 8) or 'none at all'}"
