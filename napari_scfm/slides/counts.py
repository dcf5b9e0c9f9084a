"""Count matrices in CSV files, cut into genes and control probes.

Decides: which columns are control probes (negative probes, system controls,
blanks) by the vendors' names, and parses rows to CSR a few thousand at a time,
so that a slide of 10^5 cells x 6000 genes is never dense in memory. Refuses
values that are no numbers, naming row and column.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scfm.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from scipy import sparse

    from napari_scfm.slides.csvfile import CsvFile, Run

_CONTROL = re.compile(
    r"^(NegPrb\w*|Negative\d+|SystemControl\w*|FalseCode\w*|Custom\w*Negative\d+"
    r"|Blank[-_. ].*|BLANK[-_. ].*|NegControl(Probe|Codeword)[-_. ].*|antisense[-_. ].*"
    r"|UnassignedCodeword[-_. ].*|DeprecatedCodeword[-_. ].*"
    r"|(Ms|Rb|Rt|Mouse|Rabbit|Rat)[ .]Ig[GM]\w*)$"
)
_CHUNK_BYTES = 32 * 2**20


def is_control(name: str) -> bool:
    """Tell whether a column is a control probe by the vendors' names.

    >>> is_control("NegPrb3"), is_control("Blank-12"), is_control("NEGR1")
    (True, True, False)
    """
    return _CONTROL.match(name) is not None


def split_controls(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of genes and of control probes in a list of names."""
    control = np.fromiter((is_control(n) for n in names), dtype=bool, count=len(names))
    return np.flatnonzero(~control), np.flatnonzero(control)


class Counts(NamedTuple):
    """Rows of a count matrix.

    Attributes
    ----------
    keys
        One text column of the file, a row each.
    genes
        cells x genes, float32 CSR, in the order of ``CountsFile.genes``.
    controls
        cells x control probes, float32.
    """

    keys: np.ndarray
    genes: sparse.csr_matrix
    controls: np.ndarray


class CountsFile:
    """A CSV of cells x genes beside a few id columns.

    Parameters
    ----------
    file
        The file.
    ids
        Names of columns that are no genes.
    """

    def __init__(self, file: CsvFile, ids: Iterable[str]) -> None:
        self.file = file
        skip = {name.lower() for name in ids}
        names = file.header
        self._columns = [i for i, n in enumerate(names) if n.lower() not in skip]
        features = [names[i] for i in self._columns]
        self._gene_at, self._control_at = split_controls(features)
        self.genes = [features[i] for i in self._gene_at]
        self.controls = [features[i] for i in self._control_at]

    def read(self, runs: Iterable[Run], key: int) -> Counts:
        """Parse some runs of rows.

        Parameters
        ----------
        runs
            Rows to parse, from ``file.index``.
        key
            Position of the column that is returned as ``keys``.

        Returns
        -------
        Counts
            In the order of the file.

        Raises
        ------
        SlideError
            If a value is no number.
        """
        from scipy import sparse

        keys, genes, controls = [], [], []
        for chunk in _chunks(self.file.block(runs)):
            names, dense = self._parse(chunk, key)
            keys.append(names)
            genes.append(sparse.csr_matrix(dense[:, self._gene_at]))
            controls.append(dense[:, self._control_at])
        if not keys:
            return Counts(
                np.empty(0, dtype=object),
                sparse.csr_matrix(np.empty((0, len(self.genes)), dtype=np.float32)),
                np.empty((0, len(self.controls)), dtype=np.float32),
            )
        return Counts(
            np.concatenate(keys),
            sparse.csr_matrix(sparse.vstack(genes, format="csr")),
            np.concatenate(controls),
        )

    def _parse(self, chunk: bytes, key: int) -> tuple[np.ndarray, np.ndarray]:
        import pyarrow as pa
        from pyarrow import csv

        names = [str(i) for i in range(len(self.file.header))]
        types = {str(i): pa.float32() for i in self._columns}
        types[str(key)] = pa.string()
        try:
            table = csv.read_csv(
                io.BytesIO(chunk),
                read_options=csv.ReadOptions(
                    column_names=names, block_size=len(chunk) + 1, use_threads=False
                ),
                convert_options=csv.ConvertOptions(
                    column_types=types, include_columns=list(types)
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._not_a_number(str(error)) from error
        dense = np.empty((table.num_rows, len(self._columns)), dtype=np.float32)
        for j, i in enumerate(self._columns):
            dense[:, j] = table.column(str(i)).to_numpy()
        return table.column(str(key)).to_numpy(zero_copy_only=False), dense

    def _not_a_number(self, reason: str) -> SlideError:
        found = re.search(r"column #(\d+)", reason)
        where = ""
        if found:
            where = f" in column {self.file.header[int(found.group(1))]!r}"
        value = re.search(r"invalid value '(.*?)'", reason)
        what = f"the value {value.group(1)!r}" if value else f"a bad value ({reason})"
        return SlideError(
            f"{self.file.path} holds {what}{where}, where a count is expected.",
            "Every column but the ids must hold numbers.",
        )


def _chunks(block: bytes) -> Iterable[bytes]:
    """Cut a block at line ends into pieces that are parsed one by one."""
    start = 0
    while start < len(block):
        stop = block.find(b"\n", min(start + _CHUNK_BYTES, len(block) - 1)) + 1
        yield block[start:stop]
        start = stop


def control_frame(
    controls: np.ndarray, names: Sequence[str], index: Sequence[str]
) -> pd.DataFrame:
    """Return control probe counts as they stand in ``obsm["control_probes"]``."""
    import pandas as pd

    return pd.DataFrame(controls, index=list(index), columns=list(names))
