"""Sessions and saved results dropped anywhere on the window, without a question.

napari asks which reader is meant before any plugin may look into a folder. So the
workbench looks first at what is dropped on its window: a session or a result is
opened, all else goes on to napari as ever.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_scfm.viewer.sessions.restore import can_open

if TYPE_CHECKING:
    from qtpy.QtGui import QDropEvent

    from napari_scfm.widgets.sessions.bar import SessionBar


class DropCatcher(QObject):
    """Watches what takes drops in the window that a session bar is docked in."""

    def __init__(self, bar: SessionBar) -> None:
        super().__init__(bar)
        self._bar = weakref.ref(bar)
        self._watched: weakref.WeakSet[QWidget] = weakref.WeakSet()

    def watch(self) -> None:
        """Watch the widgets of the window that take drops, those of napari."""
        bar = self._bar()
        if bar is None:
            return
        dock = bar.parentWidget()
        for widget in bar.window().findChildren(QWidget):
            ours = widget is dock or dock.isAncestorOf(widget)
            if widget.acceptDrops() and not ours and widget not in self._watched:
                widget.installEventFilter(self)
                self._watched.add(widget)

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:
        """Take a drop that is ours; leave everything else alone."""
        bar = self._bar()
        if event.type() != QEvent.Type.Drop or bar is None:
            return False
        path = one_path(event)
        if not path or not can_open(path):
            return False
        event.acceptProposedAction()
        QTimer.singleShot(0, lambda: bar.open_path(path))  # after the drag has ended
        return True


def one_path(event: QDropEvent) -> str:
    """Return the local path that is dropped; "" for several, or none."""
    urls = event.mimeData().urls()
    return urls[0].toLocalFile() if len(urls) == 1 else ""
