"""Asking for a file and writing a table of numbers into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_scfm.viewer.attention.numbers import write_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from qtpy.QtWidgets import QWidget

    from napari_scfm.widgets.step import Context


def save_numbers(
    parent: QWidget, context: Context, start: str, numbers: Callable[[], pd.DataFrame]
) -> None:
    """Ask where, and write the numbers as CSV; nothing happens without an answer."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in start)
    path, _ = QFileDialog.getSaveFileName(parent, "Save numbers", plain, "CSV (*.csv)")
    if path and context.attempt(lambda: write_numbers(numbers(), Path(path))):
        context.session.say(f"Numbers written to {path}.")
