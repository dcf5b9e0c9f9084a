"""Files appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData


def check_writable(path: str | Path) -> Path:
    """Make the folder of a new file or folder, and try to write into it.

    Raises
    ------
    ScfmError
        If nothing can be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ScfmError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Choose another place.",
        ) from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends."""
    path = Path(path)
    check_writable(path)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # a temporary file is for its maker's eyes only
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_h5ad(table: AnnData, path: str | Path) -> Path:
    """Write a table, compressed; the file appears only when it is complete.

    What is None in ``uns`` is left out: AnnData before 0.12, and CELLxGENE with it,
    refuses a whole file for one such entry, and scanpy writes them.
    """
    table.uns = _said(table.uns)
    with atomic_path(path) as temporary:
        table.write_h5ad(temporary, compression="gzip")
    return Path(path)


def _said(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None, in nested entries too."""
    return {
        name: _said(value) if isinstance(value, Mapping) else value
        for name, value in entries.items()
        if value is not None
    }
