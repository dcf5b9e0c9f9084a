"""Section: a part of a step that can be folded away, and boxes for numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from qtpy.QtWidgets import QLayout

SEEDS = 2**31 - 1


class Section(QWidget):
    """A titled part of a step; a click on the title folds it away.

    Parameters
    ----------
    title
        What is in it.
    open_
        Whether it is open at first.
    """

    def __init__(self, title: str, open_: bool = False) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(title)
        self.head.setCheckable(True)
        self.head.setAutoRaise(True)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred
        )
        self.head.setStyleSheet("QToolButton { border: none; text-align: left; }")
        self.inside = QWidget()
        self.body = QVBoxLayout(self.inside)
        self.body.setContentsMargins(12, 0, 0, 4)
        self.body.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.head)
        layout.addWidget(self.inside)
        self.head.toggled.connect(self._fold)
        self.head.setChecked(open_)
        self._fold(open_)

    def unfold(self, open_: bool = True) -> None:
        """Open or fold the section."""
        self.head.setChecked(open_)

    def add(self, *parts: QWidget | QLayout) -> None:
        """Add widgets or layouts, top to bottom."""
        for part in parts:
            if isinstance(part, QWidget):
                self.body.addWidget(part)
            else:
                self.body.addLayout(part)

    def _fold(self, open_: bool) -> None:
        self.head.setArrowType(
            Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow
        )
        self.inside.setVisible(open_)


def whole(value: int, low: int = 1, high: int = 100_000, tip: str = "") -> QSpinBox:
    """Return a box for a whole number."""
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    return _plain(box, tip)


def percent(value: float, low: float = 0.1, tip: str = "") -> QDoubleSpinBox:
    """Return a box for a share in percent."""
    box = QDoubleSpinBox()
    box.setDecimals(1)
    box.setRange(low, 100)
    box.setSingleStep(5)
    box.setSuffix(" %")
    box.setValue(value)
    return _plain(box, tip)


def length(value: float, tip: str = "") -> QDoubleSpinBox:
    """Return a box for a length in um."""
    box = QDoubleSpinBox()
    box.setDecimals(0)
    box.setRange(1, 5000)
    box.setSingleStep(5)
    box.setSuffix(" µm")
    box.setValue(value)
    return _plain(box, tip)


def seed_box() -> QSpinBox:
    """Return a box for the seed of a draw."""
    return whole(0, 0, SEEDS, "The same seed draws the same again")


def seeded(box: QSpinBox) -> QWidget:
    """Return a seed box with its label before it."""
    both = QWidget()
    layout = QHBoxLayout(both)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.addWidget(QLabel("Seed"))
    layout.addWidget(box, 1)
    return both


def _plain(box: QAbstractSpinBox, tip: str) -> QAbstractSpinBox:
    box.setToolTip(tip)
    # napari's own style asks for more than three of them in a row leave
    box.setStyleSheet("QAbstractSpinBox { min-width: 56px; }")
    return box
