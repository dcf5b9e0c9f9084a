"""Boolean matrices as packed bits: 64 columns to a word, each row in whole words.

Bits beyond the last column are always 0, so that words can be compared and counted.
20,000 x 1,000 takes 2.6 MB.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = 64
_AT_ONCE = 1 << 18
"""Entries that are unpacked or looked up at a time."""
_FEW = 1 << 15
"""Up to so many single bits are set one by one."""


def n_words(columns: int) -> int:
    """Return how many words a row takes."""
    return -(-columns // WORD)


def zeros(shape: tuple[int, int]) -> np.ndarray:
    """Return (rows, words) with no bit set."""
    return np.zeros((shape[0], n_words(shape[1])), dtype=np.uint64)


def pack(values: np.ndarray) -> np.ndarray:
    """Return (rows, columns) bool as (rows, words) uint64."""
    rows, columns = values.shape
    words = zeros(values.shape)
    for start, stop in _row_blocks(rows, columns):
        packed = np.packbits(values[start:stop], axis=1, bitorder="little")
        _bytes(words)[start:stop, : packed.shape[1]] = packed
    return _native(words)


def unpack(words: np.ndarray, columns: int) -> np.ndarray:
    """Return (rows, words) as (rows, columns) bool."""
    flat = np.unpackbits(_bytes(_native(words)), axis=1, bitorder="little")
    return flat[:, :columns].view(bool)


def from_entries(
    rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return words in which the bits (rows[i], columns[i]) are set."""
    width = n_words(shape[1])
    if len(rows) <= _FEW:
        words = zeros(shape)
        place = rows.astype(np.int64) * width + (columns >> 6)
        np.bitwise_or.at(words.reshape(-1), place, _bit(columns))
        return words
    flags = np.zeros(shape[0] * width * WORD, dtype=bool)
    flags[rows.astype(np.int64) * (width * WORD) + columns] = True
    return pack(flags.reshape(shape[0], width * WORD))


def from_csr(matrix: sparse.csr_array) -> np.ndarray:
    """Return words in which the entries are set that are stored and not zero."""
    rows, columns = matrix.shape
    words = zeros(matrix.shape)
    for start, stop in _row_blocks(rows, columns):
        first, last = matrix.indptr[start], matrix.indptr[stop]
        kept = matrix.data[first:last] != 0
        size = np.diff(matrix.indptr[start : stop + 1])
        row = np.repeat(np.arange(stop - start), size)[kept]
        part = (stop - start, columns)
        words[start:stop] = from_entries(row, matrix.indices[first:last][kept], part)
    return words


def to_csr(words: np.ndarray, columns: int) -> sparse.csr_array:
    """Return the set bits as a boolean CSR matrix with sorted indices."""
    size = row_counts(words)
    parts = [np.zeros(0, np.int32)]
    for start, stop in _row_blocks(len(words), columns):
        flat = np.flatnonzero(unpack(words[start:stop], columns))
        row_start = np.arange(stop - start) * columns
        parts.append((flat - np.repeat(row_start, size[start:stop])).astype(np.int32))
    indices = np.concatenate(parts)
    indptr = np.concatenate([[0], np.cumsum(size)])
    kind = np.int32 if len(indices) < np.iinfo(np.int32).max else np.int64
    return sparse.csr_array(
        (np.ones(len(indices), bool), indices.astype(kind), indptr.astype(kind)),
        shape=(len(words), columns),
    )


def take(words: np.ndarray, columns: int, wanted: np.ndarray) -> np.ndarray:
    """Return words with the wanted columns in their order; -1 is a column of 0."""
    made = zeros((len(words), len(wanted)))
    if not columns:
        return made
    for start, stop in _row_blocks(len(words), max(columns, len(wanted))):
        flags = unpack(words[start:stop], columns)
        made[start:stop] = pack(flags.take(wanted, axis=1) & (wanted >= 0))
    return made


def lookup(words: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return whether the bits (rows[i], columns[i]) are set, bool."""
    octets = _bytes(_native(words))
    found = np.empty(len(rows), dtype=bool)
    for start in range(0, len(rows), _AT_ONCE):  # the parts stay in the cache
        row, column = rows[start : start + _AT_ONCE], columns[start : start + _AT_ONCE]
        place = row.astype(np.int64) * octets.shape[1] + (column >> 3)
        bit = octets.reshape(-1)[place] >> (column & 7).astype(np.uint8)
        found[start : start + _AT_ONCE] = bit & 1
    return found


def flip(words: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Turn over the bits (rows[i], columns[i]), which are distinct, in place."""
    place = rows * words.shape[1] + (columns >> 6)
    np.bitwise_xor.at(words.reshape(-1), place, _bit(columns))


def row_counts(words: np.ndarray) -> np.ndarray:
    """Return how many bits are set in each row."""
    return np.asarray(np.bitwise_count(words).sum(axis=1, dtype=np.int64))


def column_counts(words: np.ndarray, columns: int) -> np.ndarray:
    """Return how many bits are set in each column."""
    counts = np.zeros(columns, dtype=np.int64)
    for start, stop in _row_blocks(len(words), columns):
        counts += unpack(words[start:stop], columns).sum(axis=0, dtype=np.uint32)
    return counts


def tail(columns: int) -> np.ndarray:
    """Return one row of words in which exactly the columns are set."""
    row: np.ndarray = pack(np.ones((1, columns), dtype=bool))[0]
    return row


def _bit(columns: np.ndarray) -> np.ndarray:
    return np.uint64(1) << (columns & 63).astype(np.uint64)


def _bytes(words: np.ndarray) -> np.ndarray:
    contiguous = np.ascontiguousarray(words)
    return contiguous.view(np.uint8).reshape(len(words), words.shape[1] * 8)


def _native(words: np.ndarray) -> np.ndarray:
    """Return words whose bytes stand in the order of their columns, or back."""
    return words if sys.byteorder == "little" else words.byteswap()


def _row_blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _AT_ONCE // max(1, columns))
    for start in range(0, rows, step):
        yield start, min(rows, start + step)
