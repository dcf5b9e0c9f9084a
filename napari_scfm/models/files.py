"""The files of a model, whatever its family, and files that appear whole; no torch."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


@dataclass(frozen=True)
class Files:
    """The pair of files that make a model."""

    weights: Path
    config: Path

    @property
    def version(self) -> str:
        """Name of the model, from the file's or folder's name."""
        if self.weights.name == WEIGHTS:
            return self.weights.resolve().parent.name
        return self.weights.name.removesuffix(".ckpt").removesuffix(".best")


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside another, which it replaces when the block ends.

    A reader sees the old file or the new one, never half.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        json.dump(values, stream, indent=1)
        stream.write("\n")
