"""Single cells of an .h5ad file as a reference: their genes under the slide's names.

Refuses logarithms, and a file that holds tested cells under other names. The file
needs no coordinates; what else it says of its cells is not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.errors import SlideError, SpecError, counted, named
from napari_scfm.experiments.fingerprint import SHORT, canonical, fingerprint
from napari_scfm.experiments.reference_genes import columns_of_genes
from napari_scfm.models.scale import LOG, LOG2, scale_note, scale_of
from napari_scfm.slides.checks import check_table
from napari_scfm.slides.h5ad_file import H5adFile
from napari_scfm.slides.report import ReadReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask


SUFFIX = ".h5ad"
TELLING = 20
"""Genes with a count from which two cells with equal counts are the same cell."""

_ROWS = 50_000
"""Cells that are read at once with all their genes."""

_SOME = 400
"""Cells whose scale is looked at."""

_ACTION = "Give an .h5ad of single cells with raw counts, of the slide's species."


@dataclass(frozen=True, eq=False)
class ReferenceFile:
    """Single cells in which genes of the slide are measured.

    Attributes
    ----------
    path
        The file.
    cells
        (cells, shared genes) raw counts; genes as the slide names them.
    fingerprint
        Of these counts and names.
    notes
        How many cells and genes there are, and what is uncertain about them.
    """

    path: Path
    cells: AnnData
    fingerprint: str
    notes: tuple[str, ...]

    def told(self, before: str) -> list[str]:
        """Return the notes, with one if the file is another than before.

        Parameters
        ----------
        before
            Fingerprint when the spec was run last; "" if it never was.
        """
        if before in ("", self.fingerprint):
            return list(self.notes)
        changed = (
            f"The reference {self.path.name} is not what it was when this spec was run "
            f"before (fingerprint {before[:SHORT]}, now {self.fingerprint[:SHORT]}); "
            "numbers will differ."
        )
        return [changed, *self.notes]

    def lacking(self, masks: Iterable[Mask]) -> list[str]:
        """Return what to say of hidden genes that are not measured here."""
        measured = set(self.cells.var_names)
        genes = dict.fromkeys(g for mask in masks for g in mask.hidden_genes)
        lost = [gene for gene in genes if gene not in measured]
        if not lost:
            return []
        many = counted(len(lost), "hidden gene is", "hidden genes are")
        return [
            f"{many} not measured in the reference {self.path.name} ({named(lost)}): "
            "baselines cannot learn them."
        ]

    def refuse_tested(self, tables: Iterable[AnnData]) -> None:
        """Refuse a reference that holds tested cells under other names.

        Cells of the same name are left out later and do no harm. Cells with fewer
        than ``TELLING`` genes cannot be told apart.

        Raises
        ------
        SpecError
            Naming some of the cells.
        """
        mine = _rows(self.cells, self.cells.var_names)
        pairs = []
        for table in tables:
            theirs = _rows(table, self.cells.var_names)
            pairs += [
                f"{mine[row]} is {name}"
                for row, name in theirs.items()
                if mine.get(row, name) != name
            ]
        if pairs:
            raise SpecError(
                f"The reference {self.path} holds {counted(len(pairs), 'cell')} with "
                f"exactly the counts of tested cells ({named(pairs, 3)}), so the "
                "answer would be seen there.",
                "Leave the cells of the tested fields of view out of the file.",
            )


def read_reference(path: str | Path, genes: Sequence[str]) -> ReferenceFile:
    """Read single cells from a file, with the genes that a slide has too.

    Parameters
    ----------
    path
        An .h5ad; raw counts in ``X``, ``layers["counts"]`` or ``raw``.
    genes
        Of the slide.

    Raises
    ------
    SpecError
        If the file is not there, is of another species, shares no gene with the slide,
        or holds logarithms.
    SlideError
        If it is damaged, or holds wrong counts or names.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix.lower() != SUFFIX:
        raise SpecError(f"The reference {path} is no {SUFFIX} file.", _ACTION)
    if not path.is_file():
        raise SpecError(
            f"The reference {path} is not there.", "Give the path of the .h5ad again."
        )
    now = path.stat()
    return _read(path, (now.st_mtime_ns, now.st_size), tuple(map(str, genes)))


@lru_cache(maxsize=1)
def _read(path: Path, _: tuple[int, int], genes: tuple[str, ...]) -> ReferenceFile:
    """Read a file; kept, since a sweep or a second press on Predict asks again."""
    from anndata import AnnData

    file = H5adFile(path)
    at = file.choose_counts(ReadReport())
    names = [str(name) for name in file.element("obs").index]
    var: pd.DataFrame = file.element(at.var)
    columns, uncertain = columns_of_genes(path, var, genes)
    there = columns >= 0
    counts = _counts(file, at.key, len(names), columns[there])
    cells = AnnData(counts)
    cells.var_names = np.asarray(genes, dtype=object)[there]
    cells.obs_names = _told_apart(path, names)
    check_table(cells, f"The reference {path}", coordinates=False)
    if not counts.data.any():
        raise SlideError(
            f"The reference {path} holds no count of any gene of the slide.", _ACTION
        )
    many = counted(cells.n_obs, "single cell")
    first = (
        f"The reference {path.name} has {many}, in which {cells.n_vars} of the slide's "
        f"{len(genes)} genes are measured."
    )
    scale = _scale(file, at.key, len(names), [str(name) for name in var.index])
    said = (first, *uncertain, *scale)
    return ReferenceFile(path, cells, fingerprint(cells), said)


def _counts(
    file: H5adFile, key: str, n_cells: int, columns: np.ndarray
) -> sparse.csr_matrix:
    """Return (cells, columns) float32; of a large file some cells at a time."""
    parts = []
    for start in range(0, max(n_cells, 1), _ROWS):
        rows = np.arange(start, min(start + _ROWS, n_cells))
        some = sparse.csr_matrix(file.matrix(key, rows), dtype=np.float32)
        parts.append(some[:, columns])
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


def _scale(file: H5adFile, key: str, n_cells: int, genes: list[str]) -> list[str]:
    """Return what to say where values are no raw counts.

    Some cells with all their genes are read: of few genes the scale is hard to tell.

    Raises
    ------
    SpecError
        If they are logarithms.
    """
    rows = np.unique(np.linspace(0, n_cells - 1, min(n_cells, _SOME)).astype(int))
    counts = sparse.csr_matrix(file.matrix(key, rows), dtype=np.float32)
    found = scale_of(counts)
    if found in (LOG, LOG2):
        raise SpecError(
            f"The reference {file.path} holds {found} in {key}, and no raw counts: "
            "baselines would take the logarithm twice.",
            "Write the raw counts to X, layers['counts'] or raw.",
        )
    note = scale_note(counts, genes)
    return [f"{file.path.name}: {note}"] if note else []


def _told_apart(path: Path, names: list[str]) -> list[str]:
    """Return names of cells; numbers are no names, and slides have the same ones."""
    if all(name.isdecimal() for name in names):
        return [f"{path.name} {place}" for place in range(len(names))]
    return names


def _rows(table: AnnData, genes: Sequence[str]) -> dict[bytes, str]:
    """Return counts of the cells of enough genes -> their name."""
    counts = canonical(table[:, list(genes)].X)
    found = {}
    for row, (start, end) in enumerate(pairwise(counts.indptr.tolist())):
        if end - start >= TELLING:
            part = slice(start, end)
            key = counts.indices[part].astype("<i4").tobytes()
            found[key + counts.data[part].tobytes()] = str(table.obs_names[row])
    return found
