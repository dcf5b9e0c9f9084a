"""Step: one collapsible part of the workbench, and the small parts all steps share.

A step is a view of the session: it changes session fields, listens to their events,
and lets go of them when the dock is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_scfm.errors import ScfmError
from napari_scfm.viewer import acts
from napari_scfm.viewer.keymap import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session
    from napari_scfm.widgets.jobs import Jobs


_UNLIMITED = 16_777_215
"""Qt's QWIDGETSIZE_MAX."""


@dataclass
class Context:
    """What every step works with; ``links`` are undone when the dock closes."""

    viewer: Viewer
    session: Session
    jobs: Jobs
    links: list[tuple[Any, Callable[..., Any]]] = field(default_factory=list)

    def listen(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect a session signal until the dock closes."""
        signal.connect(slot)
        self.links.append((signal, slot))

    def release(self) -> None:
        """Disconnect everything that was connected with :meth:`listen`."""
        for signal, slot in self.links:
            signal.disconnect(slot, missing_ok=True)
        self.links.clear()

    def attempt(self, act: Callable[..., Any], *arguments: Any) -> bool:
        """Call an act; show its error as a sentence. Return whether it worked."""
        try:
            act(*arguments)
        except ScfmError as error:
            self.session.fail(error)
            return False
        return True

    def command(self, name: str) -> Callable[[], None]:
        """Return a slot that runs a command of the keymap."""
        return lambda *_: acts.run(self.viewer, name)


class Step(QCollapsible):
    """A collapsible step with a body to fill.

    Parameters
    ----------
    title
        What the step is about.
    context
        Viewer, session and jobs.
    """

    def __init__(self, title: str, context: Context) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.toggled.connect(self._name)
        self.context = context
        self.session = context.session
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        body = QWidget()
        self.body = QVBoxLayout(body)
        self.body.setContentsMargins(10, 2, 4, 8)
        self.body.setSpacing(6)
        body.setMaximumHeight(0)
        old = self.content()
        self.setContent(body)
        old.setParent(None)
        old.deleteLater()
        font = self.toggleButton().font()
        font.setBold(True)
        self.toggleButton().setFont(font)
        self._name(False)

    @property
    def title(self) -> str:
        """What the step is about."""
        return self._title

    def _name(self, open_: bool) -> None:
        self.setText(f"{'▾' if open_ else '▸'}  {self._title}")
        if open_:
            # the body may grow while it is open, when a slide or a result arrives
            self.content().setMaximumHeight(_UNLIMITED)


def hint(text: str = "") -> QLabel:
    """Return a label that wraps and can be narrower than its text."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def faint(label: QLabel) -> QLabel:
    """Make a label secondary: same colour, less weight."""
    label.setEnabled(False)
    return label


def row(*widgets: QWidget | int) -> QHBoxLayout:
    """Return widgets side by side; an integer is a stretch."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        if isinstance(widget, int):
            layout.addStretch(widget)
        else:
            layout.addWidget(widget)
    return layout


def button(
    text: str, slot: Callable[..., Any], tip: str = "", command: str = ""
) -> QPushButton:
    """Return a button; the key of its command is added to its tip."""
    made = QPushButton(text)
    key = key_of(command) if command else ""
    made.setToolTip(f"{tip} [{key}]" if key else tip)
    made.clicked.connect(lambda *_: slot())
    made.setMinimumWidth(10)
    return made


def narrow(box: QComboBox, letters: int = 6) -> QComboBox:
    """Let a combo box be narrower than its longest entry."""
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(letters)
    return box
