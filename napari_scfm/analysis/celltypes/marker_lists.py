"""Lists of marker genes per cell type, from a file or a mapping.

A CSV has the columns ``type`` and ``gene``, one gene per row; JSON is one object, type
to list of genes. Genes may be named by symbol, Ensembl id or an older symbol, as
everywhere; those that the panel lacks are named in a note, and a type without any gene
of the panel is left out with one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_scfm.errors import SpecError, counted, named
from napari_scfm.genes.identity import match_genes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FORM = (
    "Give a CSV with the columns type and gene, or JSON such as "
    '{"B cell": ["MS4A1", "CD79A"]}.'
)


@dataclass(frozen=True, eq=False)
class MarkerColumns:
    """Markers as columns of a table.

    Attributes
    ----------
    columns
        Type -> positions of its genes in the table, rising.
    notes
        Sentences on what was not found.
    """

    columns: dict[str, NDArray[np.intp]]
    notes: tuple[str, ...]


def read_markers(path: str | Path) -> dict[str, list[str]]:
    """Read marker lists from a .csv or .json file.

    Returns
    -------
    Type -> genes, in the order of the file, each gene once.

    Raises
    ------
    SpecError
        If the file is not there or not of this form.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The marker list {path} cannot be read.", _FORM) from error
    if path.suffix.lower() == ".json":
        return _checked(_from_json(text, path), path)
    return _checked(_from_csv(path), path)


def marker_columns(
    var: pd.DataFrame, markers: Mapping[str, Sequence[str]]
) -> MarkerColumns:
    """Find the genes of marker lists among the genes of a table.

    Parameters
    ----------
    var
        ``table.var``.
    markers
        Type -> genes.

    Raises
    ------
    SpecError
        If fewer than two types have a gene in the table.
    """
    genes = list(dict.fromkeys(str(g) for some in markers.values() for g in some))
    match = match_genes(var, genes)
    place = dict(zip((genes[row] for row in match.rows), match.columns, strict=True))
    found = {
        str(name): np.unique([place[g] for g in map(str, some) if g in place]).astype(
            np.intp
        )
        for name, some in markers.items()
    }
    empty = [name for name, columns in found.items() if not len(columns)]
    kept = {name: columns for name, columns in found.items() if len(columns)}
    if len(kept) < 2:
        raise SpecError(
            f"The table holds markers of {counted(len(kept), 'type')} of "
            f"{len(found)}; its genes are like {named(var.index, 3)}, the markers "
            f"like {named(genes, 3)}.",
            "Telling types apart needs markers of two; name genes of the panel.",
        )
    notes = []
    missing = [gene for gene in genes if gene not in place]
    if missing:
        notes.append(
            f"{len(missing)} of {counted(len(genes), 'marker')} are not in the panel: "
            f"{named(missing)}."
        )
    if empty:
        many = counted(len(empty), "type has", "types have")
        notes.append(f"{many} no marker in the panel, left out: {named(empty)}.")
    notes += _same(kept)
    return MarkerColumns(kept, tuple(notes))


def _same(columns: Mapping[str, NDArray[np.intp]]) -> list[str]:
    """Return what to say of types that share all their genes."""
    by_genes: dict[bytes, list[str]] = {}
    for name, some in columns.items():
        by_genes.setdefault(some.tobytes(), []).append(name)
    return [
        f"Types with the same markers here cannot be told apart: {named(names)}."
        for names in by_genes.values()
        if len(names) > 1
    ]


def _from_json(text: str, path: Path) -> dict[str, list[str]]:
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{path} is no JSON: {error}.", _FORM) from error
    lists = isinstance(said, dict) and all(
        isinstance(some, list) and all(isinstance(gene, str) for gene in some)
        for some in said.values()
    )
    if not lists:
        raise SpecError(f"{path} is not an object of lists of genes.", _FORM)
    return {str(name): list(some) for name, some in said.items()}


def _from_csv(path: Path) -> dict[str, list[str]]:
    try:
        frame = pd.read_csv(path, sep=None, engine="python", dtype=str)
    except (ValueError, pd.errors.ParserError) as error:
        raise SpecError(f"{path} is no table: {error}.", _FORM) from error
    names = {str(column).strip().lower(): column for column in frame.columns}
    kind = next((names[n] for n in ("type", "cell_type") if n in names), None)
    if kind is None or "gene" not in names:
        raise SpecError(
            f"{path} has the columns {named(frame.columns, 8)}, not type and gene.",
            _FORM,
        )
    rows = frame[[kind, names["gene"]]].dropna()
    found: dict[str, list[str]] = {}
    for name, gene in rows.itertuples(index=False):
        found.setdefault(str(name).strip(), []).append(str(gene).strip())
    return found


def _checked(markers: dict[str, list[str]], path: Path) -> dict[str, list[str]]:
    found = {
        name: list(dict.fromkeys(gene for gene in genes if gene))
        for name, genes in markers.items()
        if name
    }
    if not any(found.values()):
        raise SpecError(f"{path} names no marker gene.", _FORM)
    return found
