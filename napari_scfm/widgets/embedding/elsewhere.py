"""The line that says how many of the picked cells lie in other fields of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_scfm.errors import counted
from napari_scfm.widgets.step import hint

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 40
"""Fields of view in the menu."""


class Elsewhere(QWidget):
    """How many cells lie where, and buttons to go there; ``asked`` carries the FOV."""

    asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.said = hint()
        self.go = QPushButton()
        self.go.clicked.connect(lambda: self.asked.emit(self._first))
        self.others = QPushButton("Others")
        self.menu = QMenu(self.others)
        self.others.setMenu(self.menu)
        self._first = ""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.said, 1)
        layout.addWidget(self.go)
        layout.addWidget(self.others)
        self.hide()

    def show_spread(self, spread: Mapping[str, int]) -> None:
        """Say how many cells lie in which field of view, the most first."""
        self.setVisible(bool(spread))
        if not spread:
            return
        self._first, number = next(iter(spread)), sum(spread.values())
        where = self._first if len(spread) == 1 else counted(len(spread), "other FOV")
        self.said.setText(f"{number:,} more in {where}")
        self.go.setText(f"Go to {self._first}")
        cells = counted(spread[self._first], "cell")
        self.go.setToolTip(f"Show {self._first} with its {cells} selected")
        self.others.setVisible(len(spread) > 1)
        self.menu.clear()
        for name, cells in list(spread.items())[:MOST]:
            act = self.menu.addAction(f"{name}: {counted(cells, 'cell')}")
            act.triggered.connect(lambda _=False, name=name: self.asked.emit(name))
