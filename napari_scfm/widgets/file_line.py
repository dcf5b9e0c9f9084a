"""A line for a file: choose it, see its name, take it back.

Paths are remembered for as long as the session lives, under what they are for, so that
a dock that is opened again knows them and the next question starts in the same folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_scfm.widgets.step import Context, button
from napari_scfm.widgets.steps.reference_line import short

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Session

CHOSEN = "files that were chosen"
"""Key of ``session.parts``: what for -> path."""


def remembered(session: Session) -> dict[str, str]:
    """Return the files of a session, what for -> path."""
    found: dict[str, str] = session.parts.setdefault(CHOSEN, {})
    return found


class FileLine(QWidget):
    """One file; ``asked`` carries a path that was chosen, or "" to take it back.

    Whoever listens looks at the file and takes it with :meth:`take`, or does not.

    Parameters
    ----------
    context
        The session that remembers the path.
    what_for
        Name under which it is remembered.
    title
        Of the question.
    kinds
        Of files, as Qt asks for them.
    """

    asked = Signal(str)

    def __init__(self, context: Context, what_for: str, title: str, kinds: str) -> None:
        super().__init__()
        self.session, self._what_for = context.session, what_for
        self._title, self._kinds = title, kinds
        self.choose = button("", self.ask, title)
        self.choose.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred
        )
        self.clear = QToolButton()
        self.clear.setText("✕")
        self.clear.setAutoRaise(True)
        self.clear.setToolTip("Take the file back")
        self.clear.clicked.connect(lambda *_: self.asked.emit(""))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.choose, 1)
        line.addWidget(self.clear)
        self._show()

    @property
    def path(self) -> str:
        """The file; "" without one."""
        return remembered(self.session).get(self._what_for, "")

    def ask(self) -> None:
        """Ask for a file, in the folder of the last one."""
        last = self.path or next(reversed(remembered(self.session).values()), "")
        path, _ = QFileDialog.getOpenFileName(
            self, self._title, str(Path(last).parent) if last else "", self._kinds
        )
        if path:
            self.asked.emit(path)

    def take(self, path: str | Path) -> None:
        """Remember a file; "" forgets it."""
        kept = remembered(self.session)
        kept.pop(self._what_for, None)
        if str(path):
            kept[self._what_for] = str(path)
        self._show()

    def _show(self) -> None:
        path = self.path
        self.choose.setText(short(Path(path).name, 26) if path else "Choose a file…")
        self.choose.setToolTip(f"{self._title}\n{path}" if path else self._title)
        self.clear.setVisible(bool(path))
