"""The hidden entries of a result as one table on disk: who said what of which.

``entries.parquet`` has the columns cell, gene, truth, ``predicted NAME`` for each model
and ``spread NAME`` where one was drawn. Results of version 0.1 have ``entries.npz``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_scfm.experiments.result import Prediction

ENTRIES, OLD_ENTRIES = "entries.parquet", "entries.npz"


@dataclass(frozen=True)
class Entries:
    """What is read back.

    Attributes
    ----------
    rows, columns
        (entries,) positions in the result's cells and genes.
    truth
        (entries,) measured counts.
    values, spread
        For each model (entries,) predicted counts, and their spread or None.
    """

    rows: np.ndarray
    columns: np.ndarray
    truth: np.ndarray
    values: list[np.ndarray]
    spread: list[np.ndarray | None]


def write_entries(
    folder: Path,
    names: tuple[np.ndarray, Sequence[str]],
    at: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    predictions: Sequence[Prediction],
) -> None:
    """Write the entries of a result into its folder.

    Parameters
    ----------
    folder
        Of the result.
    names, at
        Names of cells and genes, and (entries,) positions among them.
    truth
        (entries,) measured counts.
    predictions
        Of every model.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for kind, known, where in zip(("cell", "gene"), names, at, strict=True):
        codes = pa.array(np.asarray(where, dtype=np.int32))
        texts = pa.array([str(name) for name in known], type=pa.string())
        columns[kind] = pa.DictionaryArray.from_arrays(codes, texts)
    columns["truth"] = pa.array(np.asarray(truth, dtype=np.float32))
    for one in predictions:
        columns[f"predicted {one.name}"] = pa.array(one.values)
    for one in predictions:
        if one.spread is not None:
            columns[f"spread {one.name}"] = pa.array(one.spread)
    pq.write_table(pa.table(columns), folder / ENTRIES, compression="zstd")


def read_entries(
    folder: Path,
    cells: Sequence[str] | np.ndarray,
    genes: Sequence[str],
    models: Sequence[str],
) -> Entries:
    """Return the entries of a result, also of one that version 0.1 wrote."""
    if not (folder / ENTRIES).is_file():
        return _read_old(folder, len(models))
    import pyarrow.parquet as pq

    table = pq.read_table(folder / ENTRIES, read_dictionary=["cell", "gene"])

    def numbers(name: str) -> np.ndarray:
        return np.asarray(table[name].to_numpy(), dtype=np.float32)

    kept = set(table.column_names)
    return Entries(
        _positions(table["cell"], cells),
        _positions(table["gene"], genes),
        numbers("truth"),
        [numbers(f"predicted {name}") for name in models],
        [
            numbers(f"spread {name}") if f"spread {name}" in kept else None
            for name in models
        ],
    )


def _positions(column: Any, names: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return where the names of a column are, (entries,)."""
    import pandas as pd

    index = pd.Index(list(names))
    parts = [
        index.get_indexer(chunk.dictionary.to_pylist())[chunk.indices.to_numpy()]
        for chunk in column.chunks
    ]
    return np.concatenate([np.zeros(0, dtype=np.intp), *parts])


def _read_old(folder: Path, models: int) -> Entries:
    with np.load(folder / OLD_ENTRIES) as arrays:
        values = [arrays[f"prediction_{number}"] for number in range(models)]
        return Entries(
            arrays["rows"], arrays["columns"], arrays["truth"], values, [None] * models
        )
