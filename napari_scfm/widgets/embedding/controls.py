"""The controls over the scatter: what to draw, how to colour it, which tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_scfm.viewer.embedding.colours import TISSUE
from napari_scfm.viewer.embedding.picture import PCA, UMAP
from napari_scfm.widgets.step import button, narrow, row

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNTS = "Counts"
WHOLE, ONE = "All FOVs", "This FOV"
TOOLS = {
    "lasso": ("Lasso", "Drag around cells to select them [W]"),
    "box": ("Box", "Drag a box around cells to select them [Q]"),
    "pan": ("Pan", "Drag to move the picture; so does the middle button [P]"),
}
_HOW = ". Shift adds, Alt takes away; a click selects one cell."


class Controls(QWidget):
    """Two rows for the picture, one for the tools.

    ``drawn`` asks for a picture, ``method`` carries PCA or UMAP, ``coloured`` the key
    of what to colour by, ``crowded`` whether to draw the density, ``tool`` the name of
    a tool, ``fitted`` asks for all cells in sight.
    """

    drawn = Signal()
    method = Signal(str)
    coloured = Signal(str)
    crowded = Signal(bool)
    tool = Signal(str)
    fitted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.of = narrow(QComboBox(), 5)
        self.of.setToolTip("Whose picture of the cells: a model's, or the counts")
        self.cells = narrow(QComboBox(), 5)
        self.cells.addItems([WHOLE, ONE])
        self.cells.setToolTip("Cells of all fields of view, or of the one on show")
        self.draw = button("Draw", self.drawn.emit, "PCA at once, UMAP after it")
        self.colours = narrow(QComboBox(), 6)
        self.colours.setToolTip("Colour of the points")
        self.colours.activated.connect(self._on_colour)
        self.density = QCheckBox("Density")
        self.density.setToolTip(
            "Draw how many cells lie at each place, in the colour of most of them"
        )
        self.density.toggled.connect(self.crowded)
        self.methods = self._chips({PCA: (PCA, "Principal components"), UMAP: (
            UMAP, "Neighbours of the embedding stay neighbours; distances mean little"
        )})  # fmt: skip
        told = {name: (text, tip + _HOW) for name, (text, tip) in TOOLS.items()}
        self.tools = self._chips(told)
        self.fit = button("Fit", self.fitted.emit, "All cells in sight [F]")
        self._lay_out()
        self.show_methods(())
        self.choose_tool("lasso")

    def _chips(self, names: Mapping[str, tuple[str, str]]) -> dict[str, QPushButton]:
        """Return buttons of which one is down."""
        group, made = QButtonGroup(self), {}
        for name, (text, tip) in names.items():
            chip = made[name] = QPushButton(text)
            chip.setCheckable(True)
            chip.setToolTip(tip)
            chip.setMinimumWidth(10)
            group.addButton(chip)
            chip.clicked.connect(lambda _=False, name=name: self._on_chip(name))
        return made

    def _lay_out(self) -> None:
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        what = row(self.of, self.cells, self.draw)
        what.setStretch(0, 3)
        what.setStretch(1, 2)
        body.addLayout(what)
        self.looks, self.acts = QWidget(), QWidget()
        self.looks.setLayout(row(*self.methods.values(), self.colours, self.density))
        self.looks.layout().setStretch(2, 1)
        self.acts.setLayout(row(*self.tools.values(), 1, self.fit))
        body.addWidget(self.looks)
        body.addWidget(self.acts)

    @property
    def counts(self) -> bool:
        """Whether the picture is to be of the counts."""
        return self.of.currentData() is None

    @property
    def whole(self) -> bool:
        """Whether the picture is to hold all fields of view."""
        return self.cells.currentText() == WHOLE

    def show_models(self, name: str) -> None:
        """Offer the model's embedding, if there is one, and the counts."""
        with signals_blocked(self.of):
            self.of.clear()
            if name:
                self.of.addItem(name, name)
            self.of.addItem(COUNTS, None)

    def show_methods(self, ready: tuple[str, ...], shown: str = "") -> None:
        """Offer the pictures that are there."""
        for name, chip in self.methods.items():
            chip.setEnabled(name in ready)
            chip.setChecked(name == shown)

    def show_choices(self, choices: Mapping[str, str], chosen: str) -> str:
        """Offer what points can be coloured by; return what is chosen then."""
        chosen = chosen if chosen in choices else TISSUE
        with signals_blocked(self.colours):
            self.colours.clear()
            for key, text in choices.items():
                self.colours.addItem(text, key)
            self.colours.setCurrentIndex(self.colours.findData(chosen))
        return chosen

    def choose_tool(self, name: str) -> None:
        """Press a tool's button."""
        self.tools[name].setChecked(True)
        self.tool.emit(name)

    def _on_chip(self, name: str) -> None:
        if name in self.tools:
            self.tool.emit(name)
        else:
            self.method.emit(name)

    def _on_colour(self) -> None:
        self.coloured.emit(self.colours.currentData())
