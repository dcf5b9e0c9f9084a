"""The elements of an .h5ad file, read one by one, and which of them are counts.

Decides: raw counts are the first of ``X``, ``layers["counts"]`` (or ``raw_counts``,
``raw``) and ``raw/X`` that holds whole numbers in nearly every place; without any,
``X`` is taken and reported. The file is opened for each element and closed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_scfm.errors import SlideError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.slides.report import ReadReport

_COUNT_LAYERS = ("counts", "raw_counts", "raw", "count")
_SAMPLE = 200_000
_WHOLE = 0.5


class CountsAt(NamedTuple):
    """Where the counts are: key of the matrix and of its variables."""

    key: str
    var: str


class H5adFile:
    """An .h5ad file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    SlideError
        If it is no .h5ad file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        missing = [n for n in ("obs", "var") if n not in self.names()]
        if missing:
            raise SlideError(
                f"{path} is no AnnData file: it has no {' and no '.join(missing)}.",
                "Write the table with AnnData.write_h5ad.",
            )

    def _open(self) -> Any:
        import h5py

        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise SlideError(
                f"{self.path} cannot be read as .h5ad: {error}.",
                "The file looks damaged: copy it again.",
            ) from error

    def names(self, group: str = "/") -> list[str]:
        """Return the names in a group; none where it is not there."""
        with self._open() as file:
            return list(file[group]) if group in file else []

    def element(self, key: str) -> Any:
        """Read an element whole; None where it is not there.

        Raises
        ------
        SlideError
            If it is damaged, or of a kind that anndata cannot read.
        """
        from anndata.io import read_elem

        with self._open() as file:
            if key not in file:
                return None
            try:
                return read_elem(file[key])
            except Exception as error:
                raise self._damaged(key, error) from error

    def matrix(self, key: str, rows: np.ndarray) -> Any:
        """Read some rows of a matrix, sparse or dense.

        Parameters
        ----------
        key
            Such as ``X`` or ``layers/counts``.
        rows
            (n,) sorted positions.
        """
        from anndata.io import read_elem, sparse_dataset

        with self._open() as file:
            stored = file[key]
            try:
                if hasattr(stored, "shape"):
                    return stored[rows] if len(rows) else stored[:0]
                whole = len(rows) == int(stored.attrs["shape"][0])
                if whole or stored.attrs["encoding-type"] != "csr_matrix":
                    return read_elem(stored)[rows]
                return sparse_dataset(stored)[rows]
            except Exception as error:
                raise self._damaged(key, error) from error

    def _damaged(self, key: str, error: Exception) -> SlideError:
        return SlideError(
            f"{self.path} has an element {key!r} that cannot be read: {error}.",
            "The file looks damaged: write or copy it again.",
        )

    def choose_counts(self, report: ReadReport) -> CountsAt:
        """Find the matrix with raw counts, and report which it is.

        Raises
        ------
        SlideError
            If the file holds no matrix.
        """
        there = [CountsAt("X", "var")] if "X" in self.names() else []
        layers = self.names("layers")
        there += [CountsAt(f"layers/{n}", "var") for n in _COUNT_LAYERS if n in layers]
        if "X" in self.names("raw"):
            there.append(CountsAt("raw/X", "raw/var"))
        if not there:
            raise SlideError(
                f"{self.path} holds no counts (no X).", "Write the table with its X."
            )
        for at in there:
            if self._whole_share(at.key) > _WHOLE:
                report.add("found", f"Raw counts in {at.key}.")
                return at
        report.add(
            "guessed",
            f"{there[0].key} is taken for the counts, though its values are not whole "
            "numbers: models expect raw counts.",
        )
        return there[0]

    def _whole_share(self, key: str) -> float:
        """Return the share of whole numbers among the first values above 0."""
        with self._open() as file:
            stored = file[key]
            if hasattr(stored, "shape"):
                rows = max(_SAMPLE // max(stored.shape[1], 1), 1)
                values = np.asarray(stored[:rows]).ravel()
            else:
                values = np.asarray(stored["data"][:_SAMPLE])
        if values.dtype.kind not in "fiub":
            raise SlideError(
                f"{self.path} holds {key} of {values.dtype} in place of numbers.",
                "Write the table with counts.",
            )
        values = values[values != 0]
        return float(np.mean(values == np.round(values))) if len(values) else 1.0

    def layers(self, counts: CountsAt) -> list[str]:
        """Return the layers beside the counts, where they have the same columns."""
        if counts.var != "var":
            return []
        return [n for n in self.names("layers") if f"layers/{n}" != counts.key]

    def skipped(self) -> list[str]:
        """Return what is in the file and never read."""
        groups = ("varm", "varp")
        return [f"{g}[{n!r}]" for g in groups for n in self.names(g)]
