"""Which position of a sequence is which gene.

The released weights do not say. Two files published with them do, read where they lie
beside the weights: ``ensembl_id_vocab.json`` (Ensembl id -> number) and
``protein_gene_map.json`` (number -> position); or a table of position and Ensembl id,
``genes.csv``, or one that the user names. None of them comes with this package.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.errors import ModelError, counted, named
from napari_scfm.genes.identity import match_genes
from napari_scfm.genes.tables import ensembl_id

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.genes.identity import GeneMatch

IDS, POSITIONS, TABLE = "ensembl_id_vocab.json", "protein_gene_map.json", "genes.csv"
_COLUMNS = ("ensembl_id", "gene", "symbol")
_ACTION = (
    f"Put {IDS} and {POSITIONS}, or a {TABLE} with the columns position and "
    "ensembl_id, beside the weights, or name such a table with genes=FILE."
)


def nameless(position: int) -> str:
    """Return what a position is called that no gene is known for."""
    return f"position-{position}"


def find_genes(weights: Path) -> tuple[str, ...] | None:
    """Return the gene of each position from files beside the weights, or None.

    They are looked for in the weights' folder, its ``data`` folder, and the same
    places one folder up, as the hub lays them out.

    Raises
    ------
    ModelError
        If a file is there and cannot be read as such.
    """
    here = weights.resolve().parent
    folders = [here, here / "data", here.parent, here.parent / "data"]
    for folder in folders:
        if (folder / TABLE).is_file():
            return read_table(folder / TABLE)
    ids = next((f / IDS for f in folders if (f / IDS).is_file()), None)
    places = next((f / POSITIONS for f in folders if (f / POSITIONS).is_file()), None)
    return read_maps(ids, places) if ids and places else None


def read_genes(path: str | Path) -> tuple[str, ...]:
    """Return the gene of each position from a table, or a folder with the two maps.

    Raises
    ------
    ModelError
        If there is nothing of the kind.
    """
    path = Path(path)
    if path.is_dir():
        if (path / TABLE).is_file():
            return read_table(path / TABLE)
        if (path / IDS).is_file() and (path / POSITIONS).is_file():
            return read_maps(path / IDS, path / POSITIONS)
        raise ModelError(f"{path} holds no order of genes.", _ACTION)
    return read_table(path)


def read_table(path: Path) -> tuple[str, ...]:
    """Read a CSV with ``position`` and ``ensembl_id`` (or ``gene``, ``symbol``).

    Raises
    ------
    ModelError
        If columns are missing, or positions are not 0, 1, 2, ... once each.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            head = list(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{path} cannot be read: {error}.", _ACTION) from error
    column = next((name for name in _COLUMNS if name in head), None)
    if "position" not in head or column is None:
        raise ModelError(
            f"{path} has the columns {named(head) or 'none'}, not position and "
            "ensembl_id.",
            _ACTION,
        )
    try:
        places = {int(row["position"]): (row[column] or "").strip() for row in rows}
    except (TypeError, ValueError) as error:
        text = f"{path} holds a position that is no number"
        raise ModelError(f"{text}: {error}.", _ACTION) from error
    if len(places) != len(rows):
        text = f"{path} names {counted(len(rows) - len(places), 'position')} twice."
        raise ModelError(text, _ACTION)
    return _in_order(places, path)


def read_maps(ids: Path, positions: Path) -> tuple[str, ...]:
    """Chain the two published maps: Ensembl id -> number -> position.

    A position of which no Ensembl id is known has a name of its own.

    Raises
    ------
    ModelError
        If a file is not such a map.
    """
    numbers, places = (_read_json(path) for path in (ids, positions))
    try:
        known = {int(number): name for name, number in numbers.items()}
        found = {
            int(place): known.get(int(number), "") for number, place in places.items()
        }
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{ids.name} or {positions.name} in {ids.parent} is no map of numbers: "
            f"{error}.",
            _ACTION,
        ) from error
    return _in_order(found, positions)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", _ACTION) from error
    if not isinstance(read, dict):
        raise ModelError(f"{path} is no map.", _ACTION)
    return read


def _in_order(places: dict[int, str], path: Path) -> tuple[str, ...]:
    missing = sorted(set(range(len(places))) - set(places))
    if missing or not places:
        raise ModelError(
            f"{path} does not name the positions 0 to {len(places) - 1} one by one; "
            f"missing: {named(missing) or 'all'}.",
            _ACTION,
        )
    names = [places[at] for at in range(len(places))]
    return tuple(
        (ensembl_id(name) or name) if name else nameless(at)
        for at, name in enumerate(names)
    )


@dataclass(frozen=True)
class Columns:
    """How the columns of a table meet the positions of a model.

    Attributes
    ----------
    columns, positions
        (k,) columns of the table, and the position of each; several columns of one
        gene have the same position.
    match
        The match behind them.
    names
        Of all columns of the table.
    """

    columns: np.ndarray
    positions: np.ndarray
    match: GeneMatch
    names: tuple[str, ...]

    @property
    def measured(self) -> np.ndarray:
        """Positions that the table measures, rising."""
        return np.unique(self.positions)

    def gather(self, counts: sparse.csr_array, width: int) -> sparse.csr_array:
        """Return (cells, width) counts by position; columns of one gene are summed."""
        ones = np.ones(len(self.columns))
        shape = (counts.shape[1], width)
        to = sparse.csr_array((ones, (self.columns, self.positions)), shape=shape)
        return sparse.csr_array(counts @ to)

    def sentences(self) -> list[str]:
        """Return what was matched, and how, for the user."""
        match = self.match
        said = [t for t in match.report() if "another column is the same" not in t]
        added = [self.names[column] for column in match.twins]
        rest = [name for name in match.duplicates if name not in added]
        for names, text in (
            (added, "added to another column that is the same gene"),
            (rest, "left out, as another column is more surely the same gene"),
        ):
            if names:
                said.append(f"{len(names)} {text}: {named(names)}.")
        return said


def columns_of(var: pd.DataFrame, genes: tuple[str, ...], model: str) -> Columns:
    """Match the columns of a table to positions.

    Versions of Ensembl ids do not count, symbols and orthologs are looked up, see
    :func:`napari_scfm.genes.identity.match_genes`.

    Parameters
    ----------
    var
        ``table.var``.
    genes
        Gene of each position.
    model
        Its name, for the error.

    Raises
    ------
    ModelError
        If no gene meets the model's.
    """
    match = match_genes(var, genes)
    match.require(model)
    twins = np.array(sorted(match.twins), dtype=np.intp)
    columns = np.concatenate([match.columns, twins])
    places = np.array([match.twins[column] for column in twins], dtype=np.intp)
    order = np.argsort(columns, kind="stable")
    positions = np.concatenate([match.rows, places])
    names = tuple(map(str, var.index))
    return Columns(columns[order], positions[order], match, names)
