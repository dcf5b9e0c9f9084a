"""Where ligand-receptor pairs come from: a file that the user names, or LIANA's.

LIANA (Dimitrov et al. 2022, 2024) ships its consensus of curated resources inside the
package, for human and for mouse; that file is read where it lies, so that nothing is
downloaded and none of LIANA's own needs are imported.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_scfm.errors import MissingExtraError, ScfmError, named
from napari_scfm.experiments.attention.molecules import held_molecules
from napari_scfm.genes.names import guess_species
from napari_scfm.genes.tables import MOUSE

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

PACKAGE: Final = "liana"
LIANA: Final = "LIANA's consensus"
_FILE: Final = ("resource", "omni_resource.csv")
_PURPOSE: Final = "A list of ligand-receptor pairs without naming a file"
_JOINS: Final = (",", "\t", ";")
_COLUMNS: Final = (
    ("ligand", "receptor"),
    ("source_genesymbol", "target_genesymbol"),
)


@dataclass(frozen=True)
class Resource:
    """Ligand-receptor pairs and where they come from.

    Attributes
    ----------
    name
        A file's name, or LIANA's.
    pairs
        (ligand, receptor), each once; subunits of a complex are joined by "_".
    """

    name: str
    pairs: tuple[tuple[str, str], ...]

    def held(self, table: AnnData) -> list[tuple[str, str]]:
        """Return the pairs of which a table's panel holds both molecules whole."""
        found = held_molecules(table, [name for pair in self.pairs for name in pair])
        return [pair for pair in self.pairs if pair[0] in found and pair[1] in found]


def resource_for(table: AnnData, path: str | Path | None = None) -> Resource:
    """Return the pairs of a file, or LIANA's for the species of a table.

    Parameters
    ----------
    table
        Its gene names tell the species: mouse, else human.
    path
        See :func:`read_resource`; None for LIANA's consensus.

    Raises
    ------
    MissingExtraError
        If no file is named and LIANA is not installed.
    ScfmError
        If the file holds no pairs.
    """
    if path is not None:
        return read_resource(path)
    return liana_resource(guess_species(table.var_names))


def read_resource(path: str | Path) -> Resource:
    """Read ligand-receptor pairs from a CSV or tab-separated file.

    Parameters
    ----------
    path
        Columns ``ligand`` and ``receptor``, or ``source_genesymbol`` and
        ``target_genesymbol`` as LIANA and OmniPath name them; others are ignored.

    Raises
    ------
    ScfmError
        If it cannot be read, a column is missing, it has no rows, or rows lack a
        name.
    """
    import pandas as pd

    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        join = max(_JOINS, key=first.count)
        rows = pd.read_csv(path, sep=join, dtype=str, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ScfmError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}.",
            "Name a CSV file with the columns ligand and receptor.",
        ) from error
    columns = _columns(rows, path)
    some = rows[list(columns)].apply(lambda column: column.str.strip())
    bad = some.index[some.isna().any(axis=1) | (some == "").any(axis=1)]
    if len(bad):
        raise ScfmError(
            f"{path} lacks a ligand or receptor in row {named(bad + 2, 10)}.",
            "Fill these rows, or take them out.",
        )
    if some.empty:
        raise ScfmError(f"{path} holds no pairs.", "Name a file that does.")
    return Resource(path.name, _pairs(some))


def liana_installed() -> bool:
    """Tell whether LIANA's resource can be read."""
    return _liana_file() is not None


def liana_resource(species: str = "human") -> Resource:
    """Return the pairs of LIANA's consensus, from the installed package.

    Parameters
    ----------
    species
        "mouse" for the consensus translated to mouse; else human.

    Raises
    ------
    MissingExtraError
        If LIANA is not installed.
    ScfmError
        If the installed version holds no such resource.
    """
    import pandas as pd

    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingExtraError(PACKAGE, PACKAGE, _PURPOSE)
    path = _liana_file()
    name = "mouseconsensus" if species == MOUSE else "consensus"
    columns = ["resource", *_COLUMNS[1]]
    rows = pd.DataFrame(columns=columns)
    if path is not None:
        rows = pd.read_csv(path, usecols=lambda column: column in columns, dtype=str)
    if set(columns) - set(rows) or not (rows["resource"] == name).any():
        raise ScfmError(
            f"The installed LIANA holds no resource {name!r} in {'/'.join(_FILE)}.",
            "Name a CSV file with the columns ligand and receptor, or install "
            "another version of liana.",
        )
    some = rows.loc[rows["resource"] == name, list(_COLUMNS[1])].dropna()
    return Resource(
        f"{LIANA} ({species if species == MOUSE else 'human'})", _pairs(some)
    )


def _liana_file() -> Path | None:
    """Return LIANA's resource file; the package itself is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder, *_FILE)
        if path.is_file():
            return path
    return None


def _columns(rows: pd.DataFrame, path: Path) -> tuple[str, str]:
    present = {str(column).strip().lower(): str(column) for column in rows.columns}
    for ligand, receptor in _COLUMNS:
        if ligand in present and receptor in present:
            return present[ligand], present[receptor]
    raise ScfmError(
        f"{path} has the columns {named(rows.columns, 10)}; ligand and receptor are "
        "needed.",
        "Rename its columns.",
    )


def _pairs(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    pairs = zip(*(rows[column].tolist() for column in rows.columns), strict=True)
    return tuple(
        dict.fromkeys((str(ligand), str(receptor)) for ligand, receptor in pairs)
    )
