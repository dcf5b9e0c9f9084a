"""Result folders: they appear whole or not at all, and replace only earlier results."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import SpecError
from napari_scfm.experiments.entries import ENTRIES, OLD_ENTRIES
from napari_scfm.experiments.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = ("spec.json", "about.json", "summary.csv", "per_gene.parquet")
"""Files of every result, beside its entries."""


def missing_parts(folder: Path) -> list[str]:
    """Return the files that a folder lacks to be a result."""
    needed = (*NEEDED, "per_cell.parquet")
    missing = [name for name in needed if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in (ENTRIES, OLD_ENTRIES)):
        missing.append(ENTRIES)
    return missing


def check_result_folder(folder: str | Path) -> Path:
    """Refuse a folder that cannot be written or that holds something else.

    Raises
    ------
    ScfmError
        If a result cannot be written there.
    """
    folder = Path(folder)
    if folder.exists() and not _may_replace(folder):
        raise SpecError(
            f"{folder} exists and is no earlier result.",
            "Choose another folder; nothing was written.",
        )
    return check_writable(folder)


def _may_replace(folder: Path) -> bool:
    return folder.is_dir() and (not any(folder.iterdir()) or not missing_parts(folder))


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` when the block ends.

    What was there is put aside first and comes back if that fails.
    """
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    aside = fresh.with_name(f"{fresh.name}-before")
    try:
        fresh.chmod(0o755)
        yield fresh
        if folder.exists():
            folder.rename(aside)
        try:
            fresh.rename(folder)
        except BaseException:
            if aside.exists():
                aside.rename(folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
