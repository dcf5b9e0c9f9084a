"""Heat map of kinds with what it says: neighbours, or growing distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSlider, QVBoxLayout, QWidget

from napari_scfm.analysis.neighbourhoods.enrichment import LEVEL
from napari_scfm.widgets.kind_map import KindMap
from napari_scfm.widgets.neighbourhoods import words
from napari_scfm.widgets.step import hint, narrow, row

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.analysis.neighbourhoods import CoOccurrence, Enrichment

BESIDE, DISTANCE = "Beside one another", "Within a distance"


class MapView(QWidget):
    """One map for both analyses; ``picked`` carries the pair that was clicked."""

    picked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.enrichment: Enrichment | None = None
        self.distances: CoOccurrence | None = None
        self.which = narrow(QComboBox(), 8)
        self.which.addItems([BESIDE, DISTANCE])
        self.which.currentIndexChanged.connect(self._draw)
        self.slider, self.radius = QSlider(Qt.Orientation.Horizontal), QLabel()
        self.slider.setToolTip("Distance within which cells are counted")
        self.slider.valueChanged.connect(self._draw)
        self.map, self.said, self.note = KindMap(), hint(), hint()
        self.map.picked.connect(self._on_picked)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addWidget(self.which)
        body.addLayout(row(self.slider, self.radius))
        for part in (self.map, self.said, self.note):
            body.addWidget(part)

    def show_enrichment(self, made: Enrichment) -> None:
        """Show who lies beside whom."""
        if self.distances is not None and self.distances.names != made.names:
            self.distances = None
        self.enrichment = made
        self._turn_to(BESIDE)

    def show_distances(self, made: CoOccurrence) -> None:
        """Show who is how near."""
        if self.enrichment is not None and self.enrichment.names != made.names:
            self.enrichment = None
        self.distances = made
        self.slider.blockSignals(True)
        self.slider.setRange(0, len(made.radii) - 1)
        self.slider.setValue(min(2, len(made.radii) - 1))
        self.slider.blockSignals(False)
        self._turn_to(DISTANCE)

    def _turn_to(self, which: str) -> None:
        self.which.setCurrentText(which)
        self._draw()
        self.show()

    def clear(self) -> None:
        """Forget everything."""
        self.enrichment = self.distances = None
        self.map.show_map((), np.zeros((0, 0)), np.zeros((0, 0), bool), lambda *_: "")
        self.hide()

    def _draw(self, *_: Any) -> None:
        both = self.enrichment is not None and self.distances is not None
        self.which.setVisible(both)
        far = self.which.currentText() == DISTANCE if both else self.distances
        for part in (self.slider, self.radius):
            part.setVisible(bool(far))
        if far and self.distances is not None:
            at = self.slider.value()
            self.radius.setText(f"{self.distances.radii[at]:.0f} µm")
            times = self.distances.values[..., at]
            # no test comes with these scores
            self.map.show_map(
                self.distances.names, times, np.isfinite(times), self.sentence
            )
            self.note.setText(words.DISTANCES)
        elif self.enrichment is not None:
            made = self.enrichment
            sure = made.q_value <= LEVEL
            self.map.show_map(made.names, made.times, sure, self.sentence)
            self.note.setText(words.CHANCE.format(shuffles=made.permutations))
        self._tell()

    def _tell(self) -> None:
        """Say what there is to say of the pair that was clicked."""
        pair = self.map.chosen
        self.said.setVisible(pair is not None)
        if pair is not None:
            self.said.setText(self.sentence(*pair))

    def sentence(self, kind: str, neighbour: str) -> str:
        """Return what the map on show says of a pair."""
        far = not self.slider.isHidden()
        if far and self.distances is not None:
            at = self.slider.value()
            return words.near(self.distances, at, kind, neighbour)
        assert self.enrichment is not None
        return self.enrichment.sentence(kind, neighbour)

    def _on_picked(self, pair: tuple[str, str]) -> None:
        self._tell()
        self.picked.emit(pair)

    def frames(self) -> dict[str, pd.DataFrame | None]:
        """Return the numbers, by the name of a file."""
        made = {"enrichment": self.enrichment, "co_occurrence": self.distances}
        return {
            name: None if one is None else one.frame() for name, one in made.items()
        }
