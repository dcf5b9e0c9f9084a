"""The report's page of cells: how wrong each one is; a dragged span selects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.widgets import SpanSelector
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLabel
from superqt.utils import qthrottled, signals_blocked

from napari_scfm.figures.report.charts import CELLS
from napari_scfm.figures.report.histogram import MEASURES, CellErrors, draw, measure
from napari_scfm.viewer.hiding.picking import how_of
from napari_scfm.viewer.report import select_cells, selected_names
from napari_scfm.widgets.report.chart import ChartPage
from napari_scfm.widgets.step import button, narrow, row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.widgets.step import Context

_NAMES = {
    "rmse": "RMSE",
    "mae": "Mean absolute error",
    "error_mean": "Mean error",
    "pearson": "Pearson",
}


TO_SELECT = "Drag over the bars to select cells; Shift adds, Alt takes away."


class CellsPage(ChartPage):
    """Histogram of one number per cell, with a span that selects cells."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.column = "rmse"
        self._span: SpanSelector | None = None
        super().__init__(CELLS)
        self.measures = narrow(QComboBox())
        for key, name in _NAMES.items():
            self.measures.addItem(name, key)
            self.measures.setItemData(
                self.measures.count() - 1, MEASURES[key], Qt.ItemDataRole.ToolTipRole
            )
        self.measures.activated.connect(self._on_measure)
        self.low, self.high = _number("from "), _number("to ")
        self.select = button(
            "Select", self.choose, "Select the cells between the two limits"
        )
        self.body.insertLayout(0, row(QLabel("Show"), self.measures, 1))
        self.select.setMinimumWidth(self.select.sizeHint().width())
        self.body.insertLayout(2, row(self.low, self.high, self.select))
        context.listen(context.session.events.selection, self._on_selection)

    def measure(self, data: ReportData, model: str) -> CellErrors:
        """Count the cells; runs in a thread."""
        return measure(data, model, self.column)

    def draw(self, axes: Axes) -> str:
        """Draw the histogram with the selected cells in front."""
        found: CellErrors = self.measured
        said = draw(axes, found, self.style_, selected_names(self.context.session))
        held = None if self._span is None else self._span.extents
        self._span = SpanSelector(
            axes, self._on_span, "horizontal", useblit=False, interactive=True,
            props={"facecolor": self.style_.theme.ink, "alpha": 0.18},
            handle_props={"color": self.style_.theme.faint, "linewidth": 1},
        )  # fmt: skip
        if held is not None and held[1] > held[0]:
            self._span.extents = held
        self._fit_limits(found)
        return f"{said} {TO_SELECT}"

    def _fit_limits(self, found: CellErrors) -> None:
        low, high = float(found.edges[0]), float(found.edges[-1])
        for box in (self.low, self.high):
            with signals_blocked(box):
                box.setRange(low, high)
                box.setSingleStep((high - low) / 40)
        if self.low.value() >= self.high.value():
            self.low.setValue(low)
            self.high.setValue(high)

    def _on_measure(self) -> None:
        self.column = self.measures.currentData()
        self._span = None
        self.low.setValue(self.low.minimum())
        self.high.setValue(self.low.minimum())
        self.forget()

    def _on_span(self, low: float, high: float) -> None:
        if high <= low:
            return
        self.low.setValue(low)
        self.high.setValue(high)
        held = QApplication.keyboardModifiers()
        names = {"Shift": Qt.KeyboardModifier.ShiftModifier}
        names["Alt"] = Qt.KeyboardModifier.AltModifier
        how = how_of([name for name, key in names.items() if held & key])
        self.context.attempt(self._select, low, high, how)

    def choose(self) -> None:
        """Select the cells between the limits in the boxes."""
        low, high = sorted((self.low.value(), self.high.value()))
        # the boxes show three digits
        self.context.attempt(self._select, low - 5e-4, high + 5e-4, "replace")

    def _select(self, low: float, high: float, how: Any) -> None:
        if self.measured is None:
            return
        found: CellErrors = self.measured
        names = found.within(low, high)
        count = select_cells(self.context.session, names, how)
        what = _NAMES[found.measure]
        self.context.session.say(
            f"{count:,} cells with {what} {low:.3f} to {high:.3f} ({found.model})."
        )

    @qthrottled(timeout=100)
    def _on_selection(self) -> None:
        self.redraw()


def _number(name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(3)
    box.setPrefix(name)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    box.setMinimumWidth(40)
    box.setKeyboardTracking(False)
    return box
