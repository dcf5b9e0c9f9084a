"""Questions about sessions, and asking them from a thread that reads one."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_scfm.progress import Cancelled
from napari_scfm.viewer.sessions.file import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.viewer.sessions.slide import Wanted

FILTER = f"Sessions (*{SUFFIX})"
_TICK = 0.1
_SHOWN = 8


def ask_slide(parent: QWidget | None, wanted: Wanted) -> Path | None:
    """Ask where a slide lies now; None if the person gives up."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Where is the slide?")
    box.setText(wanted.sentence)
    box.setInformativeText("Show where it lies now.")
    role = QMessageBox.ButtonRole.AcceptRole
    folder = box.addButton("Folder…", role)
    file = box.addButton("File (.h5ad)…", role)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(folder)
    box.exec()
    title = f"Where is {wanted.name}?"
    if box.clickedButton() is folder:
        path = QFileDialog.getExistingDirectory(parent, title)
    elif box.clickedButton() is file:
        path, _ = QFileDialog.getOpenFileName(parent, title, filter="AnnData (*.h5ad)")
    else:
        path = ""
    return Path(path) if path else None


def ask_rest(parent: QWidget | None, problems: list[str]) -> bool:
    """Ask whether to open a session of which something cannot come back."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Not all of it can come back")
    box.setText("This session cannot come back as it was:")
    told = [f"•  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        told.append(f"•  and {len(problems) - _SHOWN} more")
    box.setInformativeText("\n".join(told))
    rest = box.addButton("Open the rest", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is rest


def ask_open(parent: QWidget, start: Path | None) -> Path | None:
    """Ask which session to open."""
    path, _ = QFileDialog.getOpenFileName(
        parent, "Open a session", str(start or ""), FILTER
    )
    return Path(path) if path else None


def ask_save(parent: QWidget, start: Path) -> Path | None:
    """Ask where to save a session."""
    path, _ = QFileDialog.getSaveFileName(
        parent, "Save the session", str(start), FILTER
    )
    return Path(path) if path else None


class Asker(QObject):
    """Asks in the window's thread what a thread that reads wants to know."""

    _asked = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._gone = threading.Event()
        self._asked.connect(self._answer)
        parent.destroyed.connect(self._gone.set)

    def ask(self, question: Callable[..., Any], *given: Any) -> Any:
        """Return the answer to a question; may be called in any thread.

        Raises
        ------
        Cancelled
            If the window goes away before there is an answer.
        """
        if threading.current_thread() is threading.main_thread():
            return question(*given)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._asked.emit((question, given, answers))
        while not self._gone.is_set():
            try:
                return answers.get(timeout=_TICK)
            except queue.Empty:
                continue
        raise Cancelled

    def _answer(self, asked: Any) -> None:
        question, given, answers = asked
        answers.put(question(*given))
