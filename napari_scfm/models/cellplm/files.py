"""Which files make a model, and writing JSON; no torch here."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_scfm.errors import ModelError, named

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


def find_files(path: str | Path) -> Files | None:
    """Return the weights and configuration that a path means.

    Parameters
    ----------
    path
        A ``.ckpt`` or ``.safetensors`` file, or the folder of either.

    Returns
    -------
    None if nothing there looks like weights.

    Raises
    ------
    ModelError
        If a folder holds several checkpoints.
    """
    path = Path(path)
    if path.is_dir():
        if (path / WEIGHTS).is_file():
            return Files(path / WEIGHTS, path / CONFIG)
        found = sorted(path.glob("*.ckpt"))
        if len(found) > 1:
            raise ModelError(
                f"{path} holds several checkpoints: {named(p.name for p in found)}.",
                "Give the path of one of them.",
            )
        return find_files(found[0]) if found else None
    if not path.is_file():
        return None
    if path.suffix == ".safetensors":
        return Files(path, path.with_name(CONFIG))
    if path.suffix == ".ckpt":
        stem = path.name.removesuffix(".ckpt").removesuffix(".best")
        return Files(path, path.with_name(f"{stem}.config.json"))
    return None


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(values, stream, indent=1)
            stream.write("\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
