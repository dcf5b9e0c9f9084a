"""Keep and repeat: report, sweep, the command line of what was done, saving it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication, QFileDialog, QVBoxLayout, QWidget

from napari_scfm.errors import SlideError
from napari_scfm.viewer import repeating, tasks
from napari_scfm.viewer.ahead import Ahead
from napari_scfm.viewer.report import show_report
from napari_scfm.widgets.step import Context, button, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.viewer.session import Comparison


DOCK = "napari_scfm.widgets.report.dock"


class KeepRow(QWidget):
    """Report, Sweep, Copy as command, Save result.

    Parameters
    ----------
    asked
        Gives what is ticked in the step.
    """

    def __init__(self, context: Context, asked: Callable[[], tasks.Asked]) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._asked = asked
        self.report = button(
            "Report", self.open_report, "Tables and charts of a result"
        )
        self.sweep = button(
            "Sweep…", self.ask_sweep, "Scores against how much is hidden, as curves"
        )
        self.copy = button(
            "Copy as command",
            self.copy_command,
            "Copy the command line that gives the same numbers",
        )
        self.save = button(
            "Save result…", self.ask_save, "Write the result to a folder"
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row(self.report, self.sweep))
        column.addLayout(row(self.copy, self.save))

    def follow(self, made: Comparison | None) -> None:
        """Offer what the comparison on show has."""
        ready = made is not None and made.result is not None
        if ready:
            read_report_ahead()
        self.report.setEnabled(ready)
        self.save.setEnabled(ready)

    def open_report(self) -> None:
        """Dock the report."""
        show_report(self.context.viewer)

    def copy_command(self) -> None:
        """Put the command line of the experiment on the clipboard."""
        self.context.attempt(self._copy)

    def _copy(self) -> None:
        line = repeating.command_of(self.session, self._asked())
        QApplication.clipboard().setText(line)
        self.session.say(f"Copied: {breakable(line)}")

    def ask_save(self) -> None:
        """Ask for a folder and save the result there."""
        start = f"{self.session.slide.name}_{self.session.fov.name}_result"
        path, _ = QFileDialog.getSaveFileName(self, "Save result as a folder", start)
        if path:
            self.save_to(path)

    def save_to(self, path: str | Path) -> None:
        """Write the result to a folder in the background."""
        self.context.attempt(self._save, Path(path))

    def _save(self, path: Path) -> None:
        made = self.session.comparison
        if made is None or made.result is None:
            raise SlideError("There is no result to save.", "Press Predict first.")
        result, session = made.result, self.session

        def done(folder: Any) -> None:
            session.say(
                f"The result is saved in {folder}; drop it here to see it again."
            )

        self.context.jobs.run(f"Saving {path.name}", lambda _: result.save(path), done)

    def ask_sweep(self) -> None:
        """Ask what to vary, and run it."""
        self.context.attempt(self._sweep)

    def _sweep(self) -> None:
        from napari_scfm.widgets.steps.sweep_dialog import run_sweep_dialog

        run_sweep_dialog(self.context, self._asked(), self)


def read_report_ahead() -> None:
    """Import what the report needs, charts above all, in a thread; it takes long."""
    if DOCK not in sys.modules:
        Ahead(lambda: importlib.import_module(DOCK))


def breakable(line: str, most: int = 300) -> str:
    """Return a long line that may be wrapped at commas and slashes, to be shown."""
    shown = line if len(line) <= most else f"{line[:most]}…"
    return shown.replace(",", ",\u200b").replace("/", "/\u200b")
