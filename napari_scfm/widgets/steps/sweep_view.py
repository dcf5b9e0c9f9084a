"""The curves of a sweep in a dock, with Export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.QtGui import QFontInfo
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_scfm.figures.report.style import Style, settle
from napari_scfm.figures.report.sweep import MEASURES, curves, draw
from napari_scfm.viewer.report import theme_of
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_scfm.experiments.sweep_result import SweepResult

SHOWN = ("mcc_all", "mae_counts")
"""Measures that an export draws beside each other, as the sCT paper does."""


class SweepView(QWidget):
    """One measure against how much was hidden, a line per model."""

    def __init__(self, context: Context, result: SweepResult) -> None:
        super().__init__()
        self.context, self.result = context, result
        self.canvas = FigureCanvasQTAgg(Figure())
        self.canvas.setMinimumSize(220, 200)
        self.measure = narrow(QComboBox(), 10)
        for name, text in MEASURES.items():
            if name in result.table and result.table[name].notna().any():
                self.measure.addItem(text, name)
        self.measure.currentIndexChanged.connect(self.redraw)
        self.caption = hint()
        export = button("Export…", self.ask, "Curves, table and spec in a folder")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(row(QLabel("Draw"), self.measure, 1, export))
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.caption)
        viewer, redraw = context.viewer, self._on_theme
        viewer.events.theme.connect(redraw)
        self.destroyed.connect(lambda: viewer.events.theme.disconnect(redraw))
        self.redraw()

    def _on_theme(self, *_: Any) -> None:
        self.redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the chart its new room."""
        super().resizeEvent(event)
        self.redraw()

    def redraw(self) -> None:
        """Draw the measure that is chosen."""
        figure = self.canvas.figure
        figure.clear()
        if self.measure.count() == 0:
            self.caption.setText("No measure has a number in this sweep.")
            return
        theme = theme_of(self.context.viewer)
        style = Style(theme, 0.95 * QFontInfo(self.font()).pointSizeF())
        figure.set_facecolor(theme.page)
        axes = figure.add_subplot()
        found = curves(self.result.table, self.measure.currentData())
        said = draw(axes, found, style)
        settle(axes, style)
        self.caption.setText(" ".join([said, *self.result.notes]))
        self.canvas.draw_idle()

    def ask(self) -> None:
        """Ask for a folder and export there."""
        path, _ = QFileDialog.getSaveFileName(self, "Export as a folder", "sweep")
        if path:
            self.export(Path(path))

    def export(self, folder: Path) -> None:
        """Write spec, table and curves into a folder in the background."""
        from napari_scfm.figures.report.sheet import sweep_chart

        result, session = self.result, self.context.session
        provenance = {
            "models": list(result.spec.everyone),
            "seeds": list(result.spec.seeds),
            "versions": dict(result.spec.versions),
        }

        def charts(fresh: Path) -> None:
            for ending in ("png", "svg", "pdf"):
                sweep_chart(
                    result.table, fresh / f"curves.{ending}", measures=SHOWN,
                    provenance=provenance,
                )  # fmt: skip

        self.context.jobs.run(
            f"Writing {folder.name}",
            lambda _: result.save(folder, charts),
            lambda made: session.say(f"The sweep is written to {made}."),
        )
