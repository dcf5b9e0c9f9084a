"""What the cells are to be sorted by: expression or domains, how finely, which seed."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_scfm.experiments.grouping import DOMAIN_RESOLUTION, RESOLUTION
from napari_scfm.widgets.section import seed_box
from napari_scfm.widgets.step import narrow

EXPRESSION, DOMAINS = "Expression", "Spatial domains"
COUNTS = "Counts (PCA)"
WEIGHT = 0.8
PAUSE = 120
"""Milliseconds that the slider must rest before the cells are sorted anew."""


class Asking(QWidget):
    """Expression or domains, weight of space, resolution, seed.

    ``resolved`` carries another resolution once the slider rests.
    """

    resolved = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.of = narrow(QComboBox(), 10)
        self.of.setToolTip(
            "A model's embedding, or principal components of the counts themselves"
        )
        self.show_models("")
        self.by = narrow(QComboBox(), 10)
        self.by.addItems([EXPRESSION, DOMAINS])
        self.by.setToolTip(
            "Cells that the model holds alike, or regions of the tissue; cells of "
            "different fields of view are never neighbours in space"
        )
        self.weight = _slider(0, 1, WEIGHT, 2)
        self.weight.setToolTip(
            "0: expression alone; 1: the neighbourhood alone. Press Cluster to apply"
        )
        self.resolution = _slider(0.05, 4, RESOLUTION, 2)
        self.resolution.setToolTip("Higher gives more classes; answers at once")
        self.seed = seed_box()
        self._weight_label = QLabel("Weight of space")
        self._lay_out()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(PAUSE)
        self._rest.timeout.connect(
            lambda: self.resolved.emit(float(self.resolution.value()))
        )
        self.resolution.valueChanged.connect(lambda *_: self._rest.start())
        self.by.currentTextChanged.connect(self._on_by)
        self._on_by(EXPRESSION)

    def _lay_out(self) -> None:
        """Put each box beside its name."""
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        labels = (
            QLabel("Of"),
            QLabel("By"),
            self._weight_label,
            QLabel("Resolution"),
            QLabel("Seed"),
        )
        boxes = (self.of, self.by, self.weight, self.resolution, self.seed)
        for line, (label, box) in enumerate(zip(labels, boxes, strict=True)):
            grid.addWidget(label, line, 0)
            grid.addWidget(box, line, 1)

    @property
    def counts(self) -> bool:
        """Whether the counts are to be clustered, whatever model is loaded."""
        return self.of.currentData() is None

    def show_models(self, name: str) -> None:
        """Offer the embedding of a model, if there is one, and the counts."""
        kept = self.of.count() > 1 and self.counts
        with signals_blocked(self.of):
            self.of.clear()
            if name:
                self.of.addItem(name, name)
            self.of.addItem(COUNTS, None)
            self.of.setCurrentIndex(self.of.count() - 1 if kept else 0)

    @property
    def domains(self) -> float | None:
        """Weight of space; None for clusters of the expression."""
        by_space = self.by.currentText() == DOMAINS
        return round(float(self.weight.value()), 2) if by_space else None

    def later(self) -> None:
        """Say the resolution once more, after a while."""
        self._rest.start()

    def show_resolution(self, value: float) -> None:
        """Move the slider without sorting the cells, unless somebody moves it."""
        if self._rest.isActive():
            return
        with signals_blocked(self.resolution):
            self.resolution.setValue(value)

    def _on_by(self, text: str) -> None:
        by_space = text == DOMAINS
        for part in (self._weight_label, self.weight):
            part.setVisible(by_space)
        self._rest.stop()
        self.show_resolution(DOMAIN_RESOLUTION if by_space else RESOLUTION)


def _slider(low: float, high: float, value: float, decimals: int) -> object:
    made = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    made.setDecimals(decimals)
    made.setRange(low, high)
    made.setValue(value)
    return made
