"""CSV tables that commands write: refused before anything runs, then whole or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def check_csv(*paths: Path | None) -> None:
    """Refuse tables that are no .csv or cannot be written; None is none.

    Raises
    ------
    ScfmError
        Naming the first.
    """
    from napari_scfm.experiments.files import check_writable

    for path in filter(None, paths):
        if path.suffix != ".csv" or path.is_dir():
            raise ScfmError(f"{path} is no table.", "Let the name end in .csv.")
        check_writable(path)


def write_csv(frame: pd.DataFrame, path: Path, what: str, **how: Any) -> None:
    """Write a table, and say on stderr where it is.

    Parameters
    ----------
    frame, path
        The table and its file.
    what
        It holds, in words.
    how
        As pandas takes it.
    """
    from napari_scfm.experiments.files import atomic_path

    with atomic_path(path) as temporary:
        frame.to_csv(temporary, **how)
    typer.echo(f"{path}: {what}", err=True)
