"""Opening a file that may be compressed, by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from pathlib import Path

_GZIP, _BZ2, _XZ = b"\x1f\x8b", b"BZ", b"\xfd7zXZ"
_LZMA, _LZ4 = b"\x5d\x00", b"\x04\x22\x4d\x18"
_ZLIB = b"\x78"


class UnknownCompression(Exception):
    """A compression that cannot be read here."""


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading what it holds, uncompressed while it is read.

    Raises
    ------
    UnknownCompression
        If it is compressed with LZ4.
    OSError
        If it cannot be opened.
    """
    with path.open("rb") as handle:
        start = handle.read(6)
    if start.startswith(_LZ4):
        raise UnknownCompression("it is compressed with LZ4")
    if start.startswith(_GZIP):
        return cast("BinaryIO", gzip.open(path, "rb"))
    if start.startswith(_BZ2):
        return cast("BinaryIO", bz2.open(path, "rb"))
    if start.startswith((_XZ, _LZMA)):
        return cast("BinaryIO", lzma.open(path, "rb"))
    if start.startswith(_ZLIB):
        return cast("BinaryIO", io.BufferedReader(_Inflating(path.open("rb"))))
    return path.open("rb")


class _Inflating(io.RawIOBase):
    """A zlib stream, read piece by piece."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._inflate = zlib.decompressobj()
        self._done = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._done

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with the next bytes; 0 at the end."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._inflate.eof:
            rest = self._inflate.unconsumed_tail or self._handle.read(2**16)
            if not rest:
                return 0
            try:
                found = self._inflate.decompress(rest, len(view))
            except zlib.error as error:
                raise OSError(str(error)) from error
            if found:
                view[: len(found)] = found
                self._done += len(found)
                return len(found)
        return 0

    def close(self) -> None:
        self._handle.close()
        super().close()
