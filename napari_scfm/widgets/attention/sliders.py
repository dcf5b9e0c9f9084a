"""How streams are drawn: direction, colours, and sliders that answer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QRadioButton,
    QWidget,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import qthrottled, signals_blocked

from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.widgets.attention.key import StreamKey
from napari_scfm.widgets.attention.words import RAW
from napari_scfm.widgets.step import hint, narrow, row

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Stream

COLOURS = {"strength": "Strength", "sender": "Kind of sender"}
DIRECTIONS = {"received": "Received", "sent": "Sent"}
DIRECTION_TIPS = {
    "received": "Arrows arrive at the queries (receivers): from where each cell takes",
    "sent": "Arrows leave the keys (senders): to where each cell is taken",
}
WIDEST = 8
"""Largest smoothing, in typical distances between cells."""

_PAUSE = 30


class LookControls(QWidget):
    """Everything that draws the same attention in another way.

    ``changed`` carries a :class:`StreamLook`, ``turned`` a direction.
    """

    changed = Signal(object)
    turned = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._usual = 0.0
        self._make_direction()
        self.colour = narrow(QComboBox(), 8)
        for value, text in COLOURS.items():
            self.colour.addItem(text, value)
        self.colour.currentIndexChanged.connect(lambda _: self._tell())
        self._add("Colour by", self.colour)
        self.key = StreamKey()
        self._grid.addWidget(self.key, self._grid.rowCount(), 0, 1, 2)
        self.density = self._slider("Density", 0.3, 3, 1, "1: about 30 lines across")
        self.smoothing = self._slider(
            "Smoothing, µm", 1, 100, 10, "Width of the smoothing; tested anew"
        )
        self.smoothing.setDecimals(0)
        self.cutoff = self._slider(
            "Cut-off, %",
            0,
            99,
            0,
            "Leave out streams weaker than so much of the tissue",
        )
        self.cutoff.setDecimals(0)
        self._make_switches()

    def _add(self, label: str, *widgets: QWidget) -> None:
        place = self._grid.rowCount()
        text = QLabel(label)
        text.setBuddy(widgets[0])
        self._grid.addWidget(text, place, 0)
        self._grid.addLayout(row(*widgets), place, 1)

    def _make_direction(self) -> None:
        self.directions = QButtonGroup(self)
        buttons = {}
        for place, (value, text) in enumerate(DIRECTIONS.items()):
            made = buttons[value] = QRadioButton(text)
            made.setToolTip(DIRECTION_TIPS[value])
            self.directions.addButton(made, place)
        self.received, self.sent = buttons["received"], buttons["sent"]
        self.received.setChecked(True)
        self.directions.idClicked.connect(
            lambda place: self.turned.emit(list(DIRECTIONS)[place])
        )
        self._add("Arrows", self.received, self.sent)

    def _slider(
        self, label: str, low: float, high: float, value: float, tip: str
    ) -> QLabeledDoubleSlider:
        made = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        made.setDecimals(1)
        made.setRange(low, high)
        made.setValue(value)
        made.setToolTip(tip)
        made.setMinimumWidth(60)
        made.valueChanged.connect(self._on_slider)
        self._add(label, made)
        return made

    def _make_switches(self) -> None:
        self.raw = QCheckBox("Raw arrows")
        self.raw.setToolTip("With geometry and the layout of kinds left in")
        self.animate = QCheckBox("Animate")
        self.animate.setToolTip("Let the arrow heads travel along the streams")
        self.caveat = hint(RAW)
        self.caveat.hide()
        self.raw.toggled.connect(self._on_raw)
        place = self._grid.rowCount()
        self._grid.addLayout(row(self.raw, self.animate, 1), place, 0, 1, 2)
        self._grid.addWidget(self.caveat, place + 1, 0, 1, 2)

    @property
    def direction(self) -> str:
        """Which of the two fields is shown."""
        return "sent" if self.sent.isChecked() else "received"

    def look(self) -> StreamLook:
        """Return how streams are to be drawn."""
        smoothing = self.smoothing.value()
        usual = not self._usual or abs(smoothing - self._usual) < 1
        return StreamLook(
            density=round(self.density.value(), 2),
            smoothing_um=None if usual else smoothing,
            cutoff=self.cutoff.value() / 100,
            colour=self.colour.currentData(),
            raw=self.raw.isChecked(),
        )

    def show_stream(self, stream: Stream, *, paper: bool = False) -> None:
        """Show how a stream is drawn, on a dark or a light canvas."""
        field, look = stream.field, stream.look
        made = stream.fields.get(str(field.direction), field)
        self._usual = float(made.smoothing_um)
        parts = (self.density, self.smoothing, self.cutoff, self.colour, self.raw)
        with signals_blocked(*parts):
            self.smoothing.setRange(*reach(made.spacing, self._usual))
            self.smoothing.setEnabled(self._usual > 0)
            if not any(part.isSliderDown() for part in parts[:3]):
                self.density.setValue(look.density)
                self.smoothing.setValue(look.smoothing_um or self._usual)
                self.cutoff.setValue(100 * look.cutoff)
            self.colour.setCurrentIndex(self.colour.findData(look.colour))
            self.raw.setChecked(look.raw)
        self.caveat.setVisible(look.raw)
        self.key.show_stream(stream, paper=paper)
        self.sent.setChecked(field.direction == "sent")
        self.received.setChecked(field.direction != "sent")

    @qthrottled(timeout=_PAUSE)
    def _on_slider(self, *_: object) -> None:
        self._tell()

    def _on_raw(self, raw: bool) -> None:
        self.caveat.setVisible(raw)
        self._tell()

    def _tell(self) -> None:
        self.changed.emit(self.look())


def reach(spacing: float, usual: float) -> tuple[float, float]:
    """Return the least and the most smoothing in um that a slider offers."""
    least = max(np.floor(min(spacing, usual)), 1.0)
    return float(least), float(max(np.ceil(WIDEST * spacing), usual, least + 1))
