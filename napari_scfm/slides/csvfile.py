"""Vendors' CSV files: rows are found once, parsed only when they are needed.

Decides: a file is gzip when its first two bytes say so, whatever its name says;
every row must have as many values as the header has names. Refuses, naming file
and row: rows that are cut off, gzip streams that end early, empty files, and
headers that name a column twice (pandas would rename it in silence).
"""

from __future__ import annotations

import csv
import gzip
import io
import threading
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from napari_scfm.errors import SlideError, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

GZIP_MAGIC = b"\x1f\x8b"
_ACTION = "The file looks damaged: copy, unpack or download it again."


class Run(NamedTuple):
    """Rows that follow each other in a file and share a key.

    Attributes
    ----------
    start, stop
        Offsets in the unpacked bytes.
    row
        Number of the first row, as an editor counts lines (the header is 1).
    """

    start: int
    stop: int
    row: int


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain or gzip file for reading bytes, by its first two bytes.

    Raises
    ------
    SlideError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as start:
            packed = start.read(2) == GZIP_MAGIC
        if packed:
            return cast("IO[bytes]", gzip.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise SlideError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check that the file is there and that you may read it.",
        ) from error


def split_fields(line: bytes) -> list[str]:
    """Split one line of a CSV file, quotes taken away."""
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    return next(csv.reader([text]), [])


def column(header: Iterable[str], *names: str) -> int | None:
    """Return the position of the first of ``names`` in a header, or None.

    An exact match wins over one that differs in case.
    """
    columns = list(header)
    for name in names:
        if name in columns:
            return columns.index(name)
    lower = [c.lower() for c in columns]
    for name in names:
        if name.lower() in lower:
            return lower.index(name.lower())
    return None


def _read_runs(stream: IO[bytes], runs: Iterable[Run]) -> bytes:
    """Read the bytes of some runs in the order of the file, each ending its line."""
    parts = []
    for run in sorted(runs):
        stream.seek(run.start)
        part = stream.read(run.stop - run.start)
        parts.append(part if part.endswith(b"\n") else part + b"\n")
    return b"".join(parts)


class CsvFile:
    """A CSV file, plain or gzip.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    SlideError
        If the file cannot be opened, is empty, or names a column twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._indexes: dict[int, dict[bytes, list[Run]]] = {}
        self._stream: IO[bytes] | None = None
        self._lock = threading.Lock()
        if not any(self.header):
            raise SlideError(f"{self.path} is empty.", _ACTION)
        twice = sorted({c for c in self.header if c and self.header.count(c) > 1})
        if twice:
            raise SlideError(
                f"{self.path} names these columns more than once: {named(twice)}.",
                "Every gene may stand in the header once: rename or remove the copies.",
            )

    @cached_property
    def header(self) -> list[str]:
        """Column names."""
        return split_fields(self._header_line)

    @cached_property
    def _header_line(self) -> bytes:
        with open_bytes(self.path) as stream:
            try:
                return stream.readline()
            except (EOFError, OSError, zlib.error) as error:
                raise self._cut(1, error) from error

    def require(self, *names: str) -> int:
        """Return the position of a column known by one of ``names``.

        Raises
        ------
        SlideError
            If the header has none of them.
        """
        position = column(self.header, *names)
        if position is None:
            raise SlideError(
                f"{self.path} has no column {names[0]!r}; "
                f"its columns are {named(self.header, 8)}.",
                "Check that the file is the one its name says.",
            )
        return position

    def index(self, key: int) -> dict[bytes, list[Run]]:
        """Find the rows of every value of column ``key``, checking all rows.

        Parameters
        ----------
        key
            Position of the column.

        Returns
        -------
        dict
            Value (bytes, unquoted) -> runs of rows, in the order of the file.

        Raises
        ------
        SlideError
            If rows have another number of values than the header.
        """
        if key not in self._indexes:
            runs: dict[bytes, list[Run]] = {}
            last, open_runs = None, []
            for start, row, line in self._checked_lines():
                value = line.split(b",", key + 1)[key].strip(b' "\r\n')
                if value != last:
                    last, open_runs = value, runs.setdefault(value, [])
                    open_runs.append(Run(start, start, row))
                open_runs[-1] = open_runs[-1]._replace(stop=start + len(line))
            self._indexes[key] = runs
        return self._indexes[key]

    def _checked_lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (offset, row number, line) of every row, and refuse bad rows."""
        width, bad, row = len(self.header), [], 1
        try:
            with open_bytes(self.path) as stream:
                start = len(stream.readline())
                for row, line in enumerate(stream, start=2):
                    fields = line.count(b",") + 1
                    if fields != width and b'"' in line:
                        fields = len(split_fields(line))
                    if fields == width:
                        yield start, row, line
                    elif line.strip():
                        bad.append((row, fields))
                    start += len(line)
        except (EOFError, OSError, zlib.error) as error:
            raise self._cut(row + 1, error) from error
        if bad:
            raise self._ragged(bad, row)

    def block(self, runs: Iterable[Run]) -> bytes:
        """Read the bytes of some runs, in the order of the file."""
        # a FOV may be opened by one thread while another reads the whole slide
        with self._lock:
            if self._stream is not None:
                return _read_runs(self._stream, runs)
        with open_bytes(self.path) as stream:
            return _read_runs(stream, runs)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the file open for blocks that follow each other.

        A gzip file has to be unpacked from its start for every block otherwise.
        """
        with open_bytes(self.path) as stream:
            self._stream = stream
            try:
                yield
            finally:
                with self._lock:
                    self._stream = None

    def frame(self, text: Iterable[str] = ()) -> pd.DataFrame:
        """Read and check the whole file.

        Parameters
        ----------
        text
            Columns that are read as strings, such as long numeric ids.

        Returns
        -------
        pandas.DataFrame
            One row a line, columns as in the header.

        Raises
        ------
        SlideError
            If a row is cut off.
        """
        import pandas as pd

        lines = [self._header_line, *(line for _, _, line in self._checked_lines())]
        # pandas calls a column without a name "Unnamed: 0"
        shown = [name or f"Unnamed: {i}" for i, name in enumerate(self.header)]
        as_text = {name: "str" for name in text if name in shown}
        return pd.read_csv(io.BytesIO(b"".join(lines)), dtype=as_text, low_memory=False)

    def _cut(self, row: int, error: Exception) -> SlideError:
        return SlideError(
            f"{self.path} ends early: it cannot be unpacked at row {row} ({error}).",
            _ACTION,
        )

    def _ragged(self, bad: list[tuple[int, int]], last: int) -> SlideError:
        width = len(self.header)
        problems = [
            f"{self.path.name}, row {row}: {fields} values where the header has {width}"
            + (" (the last row: the file is cut off)" if row == last else "")
            for row, fields in bad
        ]
        row, fields = bad[0]
        more = "" if len(bad) == 1 else f" ({len(bad)} rows are like this)"
        cut = " and is cut off there" if row == last else ""
        return SlideError(
            f"{self.path} has {fields} values in row {row}{cut}, "
            f"where its header has {width}{more}.",
            _ACTION,
            problems[:10],
        )
