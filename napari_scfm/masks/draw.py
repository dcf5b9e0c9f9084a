"""Random subsets of exactly the asked size, every subset as likely as any other.

A share of bits is set independently, as near to the asked share as ten random bits
can say; then bits drawn at random are turned over until the number is right. Neither
step prefers one place to another, so the outcome is uniform over the subsets of that
size, at a fraction of the time of a shuffle.
"""

from __future__ import annotations

import numpy as np

from napari_scfm.masks import bits

_DIGITS = 10
"""Binary digits of the share."""


def random_words(
    shape: tuple[int, int], number: int, rng: np.random.Generator
) -> np.ndarray:
    """Return words (see :mod:`napari_scfm.masks.bits`) with ``number`` bits set."""
    rows, columns = shape
    size = rows * columns
    if 2 * number > size:
        unset = random_words(shape, size - number, rng)
        return np.asarray(unset ^ bits.tail(columns))
    words = _bernoulli(shape, int(number / max(1, size) * 2**_DIGITS), rng)
    words &= bits.tail(columns)
    missing = number - int(bits.row_counts(words).sum())
    while missing:
        # half of all bits are unset at least; of the set ones there may be few
        share = 0.5 if missing > 0 else max((number - missing) / size, 1 / size)
        tries = int(1.1 * abs(missing) / share) + 16
        place = rng.integers(0, size, tries)
        row, column = np.divmod(place, columns)
        fits = np.flatnonzero(bits.lookup(words, row, column) == (missing < 0))
        _, first = np.unique(place[fits], return_index=True)
        chosen = fits[np.sort(first)[: abs(missing)]]
        bits.flip(words, row[chosen], column[chosen])
        missing -= int(np.sign(missing)) * len(chosen)
    return words


def random_flags(size: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """Return (size,) bool of which ``number`` are True."""
    flags: np.ndarray = bits.unpack(random_words((1, size), number, rng), size)[0]
    return flags


def _bernoulli(
    shape: tuple[int, int], threshold: int, rng: np.random.Generator
) -> np.ndarray:
    """Return words whose bits are set with chance threshold / 2**digits."""
    words = bits.zeros(shape)
    for digit in range(_DIGITS):
        coins = rng.integers(0, 2**64 - 1, words.shape, np.uint64, endpoint=True)
        if threshold >> digit & 1:
            words |= coins
        else:
            words &= coins
    return words


def per_row(
    indptr: np.ndarray,
    number: np.ndarray,
    rng: np.random.Generator,
    *,
    taken: np.ndarray,
    falling: np.ndarray | None = None,
) -> None:
    """Mark entries that are drawn in each row of a CSR matrix, one after the other.

    Entries are proposed at random; what is taken already is proposed again, and so is
    what the weight refuses. That is the draw without replacement in which each next
    entry comes with chance proportional to its weight among those left.

    Parameters
    ----------
    indptr
        (rows + 1,) where each row's entries begin.
    number
        (rows,) how many to draw, at most as many as the row has left.
    rng
        Source of chance.
    taken
        (entries,) bool; what is drawn becomes True.
    falling
        (entries,) minus the logarithm of the weights, 0 or above; None: all alike.
    """
    size = np.diff(indptr)
    lowest = None if falling is None else _lowest(falling, indptr)
    row = np.repeat(np.arange(len(size)), number)
    owner = np.empty(len(taken), dtype=np.int32)
    for _ in range(_ROUNDS):
        if not len(row):
            return
        place = indptr[row] + (rng.random(len(row)) * size[row]).astype(np.int64)
        good = ~taken[place]
        if falling is not None and lowest is not None:
            good &= rng.random(len(row)) < np.exp(lowest[row] - falling[place])
        slot = np.flatnonzero(good)
        owner[place[slot]] = slot
        slot = slot[owner[place[slot]] == slot]
        taken[place[slot]] = True
        row = np.delete(row, slot)
    left = np.bincount(row, minlength=len(size))
    _sorted_draw(indptr, left, rng, taken, falling)


_ROUNDS = 12
"""Rows that are not done by then are sorted instead."""


def _lowest(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """Return the smallest value of each row, 0 for a row without entries."""
    lowest = np.zeros(len(indptr) - 1, dtype=values.dtype)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        lowest[filled] = np.minimum.reduceat(values, indptr[filled])
    return lowest


def _sorted_draw(
    indptr: np.ndarray,
    number: np.ndarray,
    rng: np.random.Generator,
    taken: np.ndarray,
    falling: np.ndarray | None,
) -> None:
    """Draw what is missing: the largest of log weight + Gumbel noise in each row."""
    rows = np.flatnonzero(number)
    spans = [np.arange(indptr[row], indptr[row + 1]) for row in rows]
    entry = np.concatenate([np.zeros(0, np.int64), *spans])
    row = np.repeat(rows, [len(span) for span in spans])
    row, entry = row[~taken[entry]], entry[~taken[entry]]
    noise = rng.gumbel(size=len(entry))
    if falling is not None:
        noise -= falling[entry]
    order = np.lexsort((-noise, row))
    row, entry = row[order], entry[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    taken[entry[rank < number[row]]] = True
