"""The workbench: the plugin's one dock, with a collapsible step for each part.

Message line, progress and legend stay in sight above the steps, which scroll.
Readable at a width of 320 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_scfm.viewer.keymap import KEYS, key_of
from napari_scfm.viewer.layout import LATER
from napari_scfm.viewer.session import Message, bare, session_of
from napari_scfm.widgets.attention.step import AttentionStep
from napari_scfm.widgets.cell_card import CellCard
from napari_scfm.widgets.clusters.step import ClustersStep
from napari_scfm.widgets.hiding import serve
from napari_scfm.widgets.jobs import Jobs
from napari_scfm.widgets.legend import LegendView
from napari_scfm.widgets.sessions.bar import SessionBar
from napari_scfm.widgets.step import Context, Step, hint
from napari_scfm.widgets.steps.colour import ColourStep
from napari_scfm.widgets.steps.compare import CompareStep
from napari_scfm.widgets.steps.export import ExportStep
from napari_scfm.widgets.steps.mask import MaskStep
from napari_scfm.widgets.steps.model import ModelStep
from napari_scfm.widgets.steps.slide import SlideStep
from napari_scfm.widgets.steps.train import TrainStep

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent

    from napari_scfm.progress import Progress

WIDTH = 320
ERROR_STYLE = "QLabel { border-left: 3px solid #d55e00; padding-left: 6px; }"
INFO_STYLE = "QLabel { border-left: 3px solid #56b4e9; padding-left: 6px; }"


def key_table() -> str:
    """Return every key and what it does, as rich text."""
    rows = "".join(
        f"<tr><td><b>{key_of(key.command)}</b>&nbsp;&nbsp;</td><td>{key.text}</td></tr>"
        for key in KEYS
    )
    return f"While one of our layers is active:<table>{rows}</table>"


class StepScroll(QScrollArea):
    """A scroll area that leaves PageUp and PageDown to the fields of view."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand page keys on to the viewer."""
        if event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            event.ignore()
        else:
            super().keyPressEvent(event)


class Workbench(QWidget):
    """The main dock.

    Parameters
    ----------
    napari_viewer
        The viewer it works on; all docks of a viewer share one session.

    Attributes
    ----------
    slide, colour, model, mask, compare, clusters, attention, train, export
        The steps.
    jobs
        Runs long work.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        viewer = bare(napari_viewer)
        session = session_of(viewer)
        self.jobs = Jobs(session, self)
        self.context = Context(viewer, session, self.jobs)
        self.message = hint()
        self.legend = LegendView()
        self.cell = CellCard(self.context)
        self.slide = SlideStep(self.context)
        self.colour = ColourStep(self.context)
        self.model = ModelStep(self.context)
        self.mask = MaskStep(self.context)
        self.compare = CompareStep(self.context)
        self.clusters = ClustersStep(self.context)
        self.attention = AttentionStep(self.context)
        self.train = TrainStep(self.context)
        self.export = ExportStep(self.context)
        self.keys = Step("Keys", self.context)
        self.keys.body.addWidget(hint(key_table()))
        self.sessions = SessionBar(self)
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)

    @property
    def steps(self) -> list[Step]:
        """The steps, top to bottom."""
        return [
            self.slide,
            self.colour,
            self.model,
            self.mask,
            self.compare,
            self.clusters,
            self.attention,
            self.train,
            self.export,
        ]

    def _lay_out(self) -> None:
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.work = QLabel()
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self.jobs.cancel)
        self.progress = QWidget()
        box = QVBoxLayout(self.progress)
        box.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self.work, 1)
        line.addWidget(self.cancel)
        box.addLayout(line)
        box.addWidget(self.bar)
        self.progress.hide()
        steps = QWidget()
        column = QVBoxLayout(steps)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(2)
        for step in self.steps:
            column.addWidget(step)
        column.addWidget(self.keys)
        column.addStretch(1)
        scroll = StepScroll()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(steps)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.message)
        layout.addWidget(self.progress)
        layout.addWidget(self.legend)
        layout.addWidget(self.cell)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.sessions)
        self.setMinimumWidth(WIDTH - 20)
        for step in (self.slide, self.colour):
            step.expand(animate=False)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take one file or folder."""
        if len(event.mimeData().urls()) == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the slide, session or result that was dropped on the dock."""
        path = event.mimeData().urls()[0].toLocalFile()
        event.acceptProposedAction()
        self.sessions.open_any(path)

    def sizeHint(self) -> QSize:
        """Ask for a dock that shows every step without cutting labels."""
        return QSize(WIDTH + 50, 700)

    def _connect(self) -> None:
        context, session = self.context, self.context.session
        session.parts["dock"] = True
        context.listen(session.events.message, self._on_message)
        context.listen(session.painted, self.legend.show_legend)
        serve(self.legend, session)
        painter = session.parts.get("painter")
        if painter is not None and painter.legend is not None:
            self.legend.show_legend(painter.legend)
        self.jobs.started.connect(self._on_started)
        self.jobs.progressed.connect(self._on_progress)
        self.jobs.finished.connect(self.progress.hide)
        jobs = self.jobs

        def let_go() -> None:
            context.release()
            session.parts.pop("dock", None)
            session.parts.pop(LATER, None)
            jobs.close()

        self.destroyed.connect(let_go)
        self._on_message(session.message)

    def _on_message(self, message: Message) -> None:
        self.message.setText(message.text)
        self.message.setVisible(bool(message.text))
        failed = message.level == "error"
        self.message.setStyleSheet(ERROR_STYLE if failed else INFO_STYLE)

    def _on_started(self, title: str) -> None:
        self.work.setText(f"{title}…")
        self.bar.setRange(0, 0)
        self.progress.show()

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)
        if progress.message:
            self.work.setText(f"{progress.message}…")
            self.work.setToolTip(progress.message)
