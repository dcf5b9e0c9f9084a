"""The pages of the report dock, each made when it is first looked at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from napari_scfm.figures.report import charts
from napari_scfm.widgets.report.cells import CellsPage
from napari_scfm.widgets.report.chart import ChartPage
from napari_scfm.widgets.report.genes import GenesPage
from napari_scfm.widgets.report.summary import SummaryPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scfm.figures.furniture import Theme
    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.widgets.step import Context


class Pages(Mapping):
    """Name -> page, in order; asking for a page makes it.

    Attributes
    ----------
    stack
        Shows one of them.
    """

    def __init__(self, context: Context) -> None:
        self._makers: dict[str, Callable[[], Any]] = {
            "Summary": SummaryPage,
            "Genes": partial(GenesPage, context),
            "Cells": partial(CellsPage, context),
            "Scatter": partial(ChartPage, charts.SCATTER),
            "Distance": partial(ChartPage, charts.DISTANCE),
            "Sparsity": partial(ChartPage, charts.SPARSITY),
            "Expression": partial(ChartPage, charts.EXPRESSION),
            "Levels": partial(ChartPage, charts.LEVELS),
            "Calibration": partial(ChartPage, charts.CALIBRATION),
        }
        self._made: dict[str, Any] = {}
        self._theme: Theme | None = None
        self._shown: tuple[ReportData | None, str] | None = None
        self.stack = QStackedWidget()
        for _ in self._makers:
            place = QWidget()
            QVBoxLayout(place).setContentsMargins(0, 0, 0, 0)
            self.stack.addWidget(place)

    def __getitem__(self, name: str) -> Any:
        """Return a page; make it if it was never looked at."""
        if name not in self._made:
            page = self._made[name] = self._makers[name]()
            if self._theme is not None and isinstance(page, ChartPage):
                page.show_theme(self._theme)
            if self._shown is not None:
                page.show_report(*self._shown)
            place = self.stack.widget(list(self._makers).index(name))
            place.layout().addWidget(page)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names, in order."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._makers)

    def open(self, number: int) -> None:
        """Show a page by its place."""
        self.__getitem__(list(self._makers)[number])
        self.stack.setCurrentIndex(number)

    def show_theme(self, theme: Theme) -> None:
        """Draw charts in other colours."""
        self._theme = theme
        for page in self._made.values():
            if isinstance(page, ChartPage):
                page.show_theme(theme)

    def show_report(self, data: ReportData | None, model: str) -> None:
        """Take other numbers."""
        self._shown = data, model
        for page in self._made.values():
            page.show_report(data, model)
