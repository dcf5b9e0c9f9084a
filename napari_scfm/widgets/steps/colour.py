"""Step 2: colour the cells by a gene, a type, counts or clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton
from superqt import QLabeledDoubleRangeSlider
from superqt.utils import qthrottled, signals_blocked

from napari_scfm.figures.palette import SEQUENTIAL
from napari_scfm.viewer.acts import colour_by_gene, genes_in_order
from napari_scfm.viewer.cells import cell_types
from napari_scfm.viewer.look import comparison_of
from napari_scfm.widgets.step import Context, Step, button, hint, narrow, row
from napari_scfm.widgets.steps.gene_box import GeneBox

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Legend

CHOICES = {
    "nothing": "Outlines only",
    "gene": "By gene",
    "type": "By cell type",
    "counts": "By all counts",
    "clusters": "By clusters",
}


class ColourStep(Step):
    """What to colour by, gene box, limits, colour map."""

    def __init__(self, context: Context) -> None:
        super().__init__("2  Colour", context)
        self.empty = hint("Open a slide to colour its cells.")
        self.by = narrow(QComboBox())
        for value, text in CHOICES.items():
            self.by.addItem(text, value)
        self.by.currentIndexChanged.connect(self._on_by)
        self.genes = GeneBox()
        self.genes.chosen.connect(
            lambda gene: context.attempt(colour_by_gene, self.session, gene)
        )
        go = context.command
        back = button("◀ K", go("previous_gene"), "Previous gene", "previous_gene")
        on = button("J ▶", go("next_gene"), "Next gene", "next_gene")
        for small in (back, on):
            small.setMaximumWidth(54)
        self.limits = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.limits.setEdgeLabelMode(self.limits.EdgeLabelMode.NoLabel)
        self.limits.setDecimals(1)
        self.limits.valueChanged.connect(self._on_limits)
        self.auto = button("Auto", self._on_auto, "Limits from the measured values")
        self.auto.setMaximumWidth(54)
        self.colormap = narrow(QComboBox())
        self.colormap.addItems(SEQUENTIAL)
        self.colormap.currentTextChanged.connect(self._on_colormap)
        self.log = QCheckBox("log1p")
        self.log.setToolTip("Show log(1 + counts) in place of counts")
        self.log.toggled.connect(self._on_log)
        self._lay_out(back, on)
        self._listen()

    def _lay_out(self, back: QPushButton, on: QPushButton) -> None:
        self.body.addWidget(self.empty)
        self.body.addLayout(row(self.by, back, on))
        self.body.addWidget(self.genes)
        limits = row(QLabel("Limits"), self.limits, self.auto)
        limits.insertSpacing(1, 12)
        limits.insertSpacing(3, 12)
        self.body.addLayout(limits)
        self.body.addLayout(row(QLabel("Colours"), self.colormap, self.log, 1))

    def _listen(self) -> None:
        context = self.context
        context.listen(self.session.events.fov, self._on_fov)
        context.listen(self.session.events.gene, self._on_gene)
        context.listen(self.session.events.colour_by, self._on_colour_by)
        context.listen(self.session.events.side_by_side, self._on_walk)
        context.listen(self.session.events.shown, self._on_walk)
        context.listen(self.session.events.comparison, self._on_walk)
        context.listen(self.session.events.clusters, self._on_colour_by)
        context.listen(self.session.painted, self._on_painted)
        self._on_fov()

    def _on_fov(self) -> None:
        open_ = self.session.fov is not None
        self.empty.setVisible(not open_)
        for part in (self.by, self.genes, self.limits, self.auto, self.colormap):
            part.setEnabled(open_)
        self.log.setEnabled(open_)
        self._on_walk()
        self._on_colour_by()

    def _on_walk(self) -> None:
        names = genes_in_order(self.session)
        if names != self.genes.names:
            self.genes.set_genes(names)
        self.genes.mark(self.session.gene)

    def _on_gene(self) -> None:
        self.genes.mark(self.session.gene)

    def _on_colour_by(self) -> None:
        with signals_blocked(self.by):
            self.by.setCurrentIndex(self.by.findData(self.session.colour_by))
        made = self.session.clusters
        fov = self.session.fov
        able = {
            "type": fov is not None and cell_types(fov.table) is not None,
            "clusters": made is not None and fov is not None and made.fov == fov.name,
        }
        for value, ready in able.items():
            item = self.by.model().item(self.by.findData(value))
            item.setEnabled(ready)

    def _on_by(self) -> None:
        chosen = self.by.currentData()
        session = self.session
        if chosen == "gene" and not session.gene and session.fov is not None:
            self.context.attempt(colour_by_gene, session, genes_in_order(session)[0])
            return
        session.update({"limits": None, "colour_by": chosen})

    def _on_painted(self, legend: Legend) -> None:
        ranged = legend.limits is not None
        self.limits.setEnabled(ranged)
        self.auto.setEnabled(ranged and self.session.limits is not None)
        if not ranged or self.limits.isSliderDown():
            return
        low, high = legend.limits
        with signals_blocked(self.limits):
            if self.session.limits is None or high > self.limits.maximum():
                self.limits.setRange(0, max(high * 2, 1e-2))
            self.limits.setDecimals(1 if high >= 5 else 2)
            self.limits.setValue((low, high))

    @qthrottled(timeout=30)
    def _on_limits(self, limits: tuple[float, float]) -> None:
        low, high = limits
        if high > low:
            self.session.limits = (float(low), float(high))

    def _on_auto(self) -> None:
        self.session.limits = None

    def _on_colormap(self, name: str) -> None:
        self.session.colormap = name

    def _on_log(self, on: bool) -> None:
        self.session.update({"limits": None, "log": on})

    def comparing(self) -> bool:
        """Return whether J and K walk the hidden genes only."""
        return comparison_of(self.session) is not None and (
            self.session.side_by_side or self.session.shown == "prediction"
        )
