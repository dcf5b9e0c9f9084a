"""The export step as a dock of its own, for ``Plugins > napari-scfm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scfm.viewer.session import Message, bare, session_of
from napari_scfm.widgets.jobs import Jobs
from napari_scfm.widgets.step import Context, hint
from napari_scfm.widgets.steps.export import ExportStep

if TYPE_CHECKING:
    from napari.viewer import Viewer


class ExportDock(QWidget):
    """Export the figure of the FOV that is shown."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        viewer = bare(napari_viewer)
        session = session_of(viewer)
        self.jobs = Jobs(session, self)
        context = Context(viewer, session, self.jobs)
        self.message = hint()
        self.step = ExportStep(context)
        self.step.expand(animate=False)
        layout = QVBoxLayout(self)
        layout.addWidget(self.message)
        layout.addWidget(self.step)
        layout.addStretch(1)
        context.listen(session.events.message, self._on_message)
        jobs = self.jobs

        def let_go() -> None:
            context.release()
            jobs.close()

        self.destroyed.connect(let_go)

    def _on_message(self, message: Message) -> None:
        self.message.setText(message.text)
