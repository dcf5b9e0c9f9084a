"""The report dock: numbers and charts of the last prediction, beside the tissue.

A view of the session's comparison. One page is open at a time, and only pages that were
opened are made, counted and drawn. Readable at a width of 320 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QMainWindow,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout
from superqt.utils import qthrottled

from napari_scfm.viewer.report import (
    choose_model,
    report_data,
    report_folder,
    theme_of,
    write_report,
)
from napari_scfm.viewer.session import bare, session_of
from napari_scfm.widgets.jobs import Jobs
from napari_scfm.widgets.report.pages import Pages
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QShowEvent

    from napari_scfm.figures.report.data import ReportData

EMPTY = (
    "There is no prediction yet. Hide genes or cells in the workbench and press "
    "Predict; the numbers appear here."
)


class ReportDock(QWidget):
    """Tables and charts of the prediction that the session holds.

    Parameters
    ----------
    napari_viewer
        The viewer it works on; all docks of a viewer share one session.

    Attributes
    ----------
    pages
        Name -> page, in order.
    data, model
        The numbers that are shown, and whose; None without a prediction.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = bare(napari_viewer)
        session = self.session = session_of(self.viewer)
        self.jobs = Jobs(session, self)
        self.context = Context(self.viewer, session, self.jobs)
        self.data: ReportData | None = None
        self.model = ""
        self._shared = False
        self.pages = Pages(self.context)
        self.stack = self.pages.stack
        self._lay_out()
        self._connect()
        self._on_comparison()

    def _lay_out(self) -> None:
        self.title = hint()
        self.models = narrow(QComboBox(), 10)
        self.models.setToolTip("Whose prediction the numbers are of")
        self.models.textActivated.connect(self.choose)
        self.export = button("Export report…", self.ask, "Choose a folder")
        self.message = hint()
        self.chips = QButtonGroup(self)
        flow = QFlowLayout()
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(3)
        flow.setVerticalSpacing(3)
        for number, name in enumerate(self.pages):
            chip = QPushButton(name)
            chip.setCheckable(True)
            self.chips.addButton(chip, number)
            flow.addWidget(chip)
        self.chips.idClicked.connect(self.pages.open)
        self.chips.button(0).setChecked(True)
        self.head = QWidget()
        head = QVBoxLayout(self.head)
        head.setContentsMargins(0, 0, 0, 0)
        head.addLayout(row(self.models, 1, self.export))
        head.addLayout(flow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.title)
        layout.addWidget(self.head)
        layout.addWidget(self.message)
        layout.addWidget(self.stack, 1)
        self.setMinimumWidth(300)

    def sizeHint(self) -> QSize:
        """Ask for a dock in which charts can be read."""
        return QSize(370, 420)

    def showEvent(self, event: QShowEvent) -> None:
        """Leave the docks of the same column their share of it, once."""
        super().showEvent(event)
        if not self._shared:
            self._shared = True
            QTimer.singleShot(0, self._share)

    def _share(self) -> None:
        share_column(self)

    def show_page(self, name: str) -> None:
        """Open a page."""
        number = list(self.pages).index(name)
        self.chips.button(number).setChecked(True)
        self.pages.open(number)

    def _connect(self) -> None:
        context, events = self.context, self.session.events
        context.listen(events.comparison, self._on_comparison)
        context.listen(events.message, self._on_message)
        viewer, jobs, on_theme = self.viewer, self.jobs, self._on_theme
        viewer.events.theme.connect(on_theme)

        def let_go() -> None:
            context.release()
            viewer.events.theme.disconnect(on_theme)
            jobs.close()

        self.destroyed.connect(let_go)
        self._on_theme()
        self._on_message(self.session.message)

    def _on_theme(self, *_: Any) -> None:
        self.pages.show_theme(theme_of(self.viewer))

    @qthrottled(timeout=50)
    def _on_comparison(self) -> None:
        made = self.session.comparison
        data = self.data = report_data(self.session, self.data)
        self.head.setVisible(data is not None)
        self.stack.setVisible(data is not None)
        if data is None or made is None:
            self.title.setText(EMPTY)
            return
        if made.model in data.models:
            self.model = made.model
        elif self.model not in data.models:
            self.model = data.model
        hidden = data.about.get("hidden", "")
        place = f"{data.title}: " if data.title else ""
        self.title.setText(f"{place}hidden {hidden}; {data.extent}.")
        self.models.clear()
        self.models.addItems(list(data.models))
        self._show()

    def _show(self) -> None:
        self.models.setCurrentText(self.model)
        self.pages.show_report(self.data, self.model)
        self.pages.open(self.stack.currentIndex())

    def choose(self, name: str) -> None:
        """Show the numbers of another model, and its prediction on the tissue."""
        self.model = name
        self.context.attempt(choose_model, self.session, name)
        self._show()

    def ask(self) -> None:
        """Ask for a folder and write the report into a new one inside it."""
        inside = QFileDialog.getExistingDirectory(self, "Folder for the report")
        if inside and self.data is not None:
            self.save(report_folder(self.data, Path(inside)))

    def save(self, folder: Path) -> None:
        """Write the report in the background."""
        self.context.attempt(self._save, folder)

    def _save(self, folder: Path) -> None:
        if self.data is None:
            return
        session = self.session
        write = write_report(session, self.data, self.model, folder)
        self.jobs.run(
            f"Writing {folder.name}",
            write,
            lambda page: session.say(f"Report written to {page}."),
        )

    def _on_message(self, message: Any) -> None:
        """Repeat what concerns the report where there is no workbench to say it."""
        alone = "dock" not in self.session.parts
        self.message.setText(message.text if alone else "")
        self.message.setVisible(alone and bool(message.text))


def share_column(widget: QWidget) -> None:
    """Give the docks that stand over and under a widget's dock the same height."""
    window, own = widget.window(), widget.parent()
    while own is not None and not isinstance(own, QDockWidget):
        own = own.parent()
    if own is None or own.isFloating() or not isinstance(window, QMainWindow):
        return
    left = own.geometry().left()
    column = [
        dock
        for dock in window.findChildren(QDockWidget)
        if dock.isVisible() and not dock.isFloating() and dock.geometry().left() == left
    ]
    if own not in column:
        return
    high = sum(dock.height() for dock in column) // len(column)
    window.resizeDocks(column, [high] * len(column), Qt.Orientation.Vertical)
