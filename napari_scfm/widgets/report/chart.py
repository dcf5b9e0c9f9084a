"""One chart as a page of the report dock.

What a chart needs is counted in a thread, and only when the page is looked at; the
drawing of the few numbers that come back is quick. The caption below says how many
items the chart holds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.qt.threading import create_worker
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QFontInfo
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_scfm.errors import ScfmError
from napari_scfm.figures.report.style import Style, settle
from napari_scfm.widgets.step import hint

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from qtpy.QtGui import QResizeEvent, QShowEvent

    from napari_scfm.figures.furniture import Theme
    from napari_scfm.figures.report.chart import Chart
    from napari_scfm.figures.report.data import ReportData

_PATIENCE = 250
"""Milliseconds after which counting is mentioned."""
_SETTLED = 60
"""Milliseconds without a further change of size before a chart is drawn again."""


class Canvas(FigureCanvasQTAgg):
    """A figure that tells when its size has settled."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__(Figure())
        self.setMinimumSize(200, 150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED)
        self._settled.timeout.connect(resized)

    def sizeHint(self) -> QSize:
        """Ask for a picture as wide as a narrow dock."""
        return QSize(300, 260)

    def minimumSizeHint(self) -> QSize:
        """Let the dock be low."""
        return QSize(200, 150)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw again when the new size has settled."""
        super().resizeEvent(event)
        self._settled.start()


class ChartPage(QWidget):
    """A chart with its caption; a sentence where there is nothing to draw.

    Parameters
    ----------
    chart
        What to draw.
    """

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self.chart = chart
        self.style_ = Style()
        self.measured: Any = None
        self._data: ReportData | None = None
        self._model = ""
        self._asked = 0
        self._stale = True
        self._workers: list[Any] = []
        self.canvas = Canvas(self.redraw)
        self.caption = hint()
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE)
        self._patience.timeout.connect(partial(self.say, "Counting…"))
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self.canvas, 1000)
        self.body.addWidget(self.caption)
        self.body.addStretch(1)
        self.canvas.hide()

    @property
    def axes(self) -> Axes | None:
        """The axes that are drawn on, if any."""
        found = self.canvas.figure.axes
        return found[0] if found else None

    def show_report(self, data: ReportData | None, model: str) -> None:
        """Take other numbers; they are counted when the page is looked at."""
        if data is self._data and model == self._model:
            return
        self._data, self._model = data, model
        self.forget()

    def forget(self) -> None:
        """Count again what is shown, now or when the page is looked at."""
        self._asked += 1
        self._stale = True
        if self.isVisible():
            self._count()

    def show_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        size = QFontInfo(self.font()).pointSizeF()
        self.style_ = Style(theme, 0.95 * size)
        self.redraw()

    def showEvent(self, event: QShowEvent) -> None:
        """Count what was asked for while the page was out of sight."""
        super().showEvent(event)
        if self._stale:
            self._count()
        else:
            self.redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the chart from growing tall and thin."""
        super().resizeEvent(event)
        self.canvas.setMaximumHeight(round(1.1 * self.chart.shape * self.width()) + 60)

    def measure(self, data: ReportData, model: str) -> Any:
        """Count what the chart needs; runs in a thread."""
        return self.chart.measure(data, model)

    def _count(self) -> None:
        self._stale = False
        if self._data is None:
            return
        self._patience.start()
        work = partial(_attempt, self._asked, self.measure, self._data, self._model)
        worker = create_worker(work, _ignore_errors=False)
        worker.returned.connect(self._on_measured)
        worker.start()

    def _on_measured(self, answer: tuple[int, Any]) -> None:
        asked, found = answer
        if asked != self._asked:
            return
        self._patience.stop()
        if isinstance(found, ScfmError):
            self.measured = None
            self.say(str(found))
            return
        self.measured = found
        self.canvas.show()
        self.redraw()

    def say(self, text: str) -> None:
        """Show a sentence instead of the chart."""
        self.canvas.setVisible(False)
        self.caption.setText(text)

    def redraw(self) -> None:
        """Draw what was counted."""
        if self.measured is None or not self.isVisible():
            return
        figure = self.canvas.figure
        figure.clear()
        figure.set_facecolor(self.style_.theme.page)
        axes = figure.add_subplot()
        self.caption.setText(self.draw(axes))
        settle(axes, self.style_, self.chart.right)
        self.canvas.draw_idle()

    def draw(self, axes: Axes) -> str:
        """Draw on axes; return the caption."""
        return self.chart.draw(axes, self.measured, self.style_)


def _attempt(
    asked: int, measure: Callable[..., Any], data: ReportData, model: str
) -> tuple[int, Any]:
    """Return what was counted, or why it cannot be."""
    try:
        return asked, measure(data, model)
    except ScfmError as error:
        return asked, error
