"""The embedding dock: the cells as a model sees them, beside the tissue.

A view of the session: what is selected, and how cells are coloured, is the same here
and on the canvas. The picture may hold the whole slide. Readable at 320 pixels.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QLabel, QProgressBar, QToolTip, QVBoxLayout, QWidget

from napari_scfm.viewer import acts
from napari_scfm.viewer.cells import cell_names
from napari_scfm.viewer.embedding import selecting
from napari_scfm.viewer.embedding.colours import TISSUE, choices, paint_of
from napari_scfm.viewer.embedding.picture import (
    PCA,
    UMAP,
    asked_of,
    first_picture,
    umap_picture,
)
from napari_scfm.viewer.embedding.store import store_of
from napari_scfm.viewer.painter import id_of
from napari_scfm.viewer.refined import embedder_of
from napari_scfm.viewer.report import theme_of
from napari_scfm.viewer.session import Legend, bare, session_of
from napari_scfm.widgets.embedding.controls import Controls
from napari_scfm.widgets.embedding.elsewhere import Elsewhere
from napari_scfm.widgets.embedding.gestures import Gestures
from napari_scfm.widgets.embedding.recall import Recall
from napari_scfm.widgets.embedding.scatter import Scatter
from napari_scfm.widgets.hiding import serve
from napari_scfm.widgets.jobs import Jobs
from napari_scfm.widgets.legend import LegendView
from napari_scfm.widgets.report.dock import share_column
from napari_scfm.widgets.step import Context, button, hint, row

if TYPE_CHECKING:
    import numpy as np
    from napari.viewer import Viewer
    from qtpy.QtGui import QShowEvent

    from napari_scfm.progress import Progress
    from napari_scfm.viewer.embedding.colours import Paint
    from napari_scfm.viewer.embedding.picture import Picture

EMPTY = (
    "Press Draw to see every cell as a point: cells that the model holds alike lie "
    "together. What is selected here is selected on the tissue."
)
NO_SLIDE = "Open a slide to see its cells as points, alike ones together."
_COLOURS = (
    "fov", "colour_by", "gene", "log", "limits", "colormap", "comparison", "shown",
    "clusters", "curtain", "fade_uncertain", "partners", "hidden_classes", "hidden_of",
)  # fmt: skip


class EmbeddingDock(QWidget):
    """Cells as points: PCA at once, UMAP after it.

    Parameters
    ----------
    napari_viewer
        The viewer it works on; all docks of a viewer share one session.

    Attributes
    ----------
    controls, scatter, gestures, legend, elsewhere
        Its parts.
    pictures
        Method -> picture of the cells that were asked for last.
    jobs
        Runs long work.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = bare(napari_viewer)
        session = self.session = session_of(self.viewer)
        self.jobs = Jobs(session, self)
        self.context = Context(self.viewer, session, self.jobs)
        self.pictures: dict[str, Picture] = {}
        self.by = TISSUE
        self._paint: Paint | None = None
        self._painted: tuple[Any, ...] = ()
        self._shared = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.recolour)
        self.controls, self.scatter = Controls(), Scatter()
        self.gestures = Gestures(self.scatter)
        self._lay_out()
        self._connect()
        self._on_model()
        self._on_slide()
        self.recall = Recall(self)

    @property
    def picture(self) -> Picture | None:
        """The picture on show."""
        return self.session.embedding

    def _lay_out(self) -> None:
        self.title, self.message = hint(), hint()
        self.legend, self.elsewhere = LegendView(), Elsewhere()
        self.work = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.progress = QWidget()
        box = QVBoxLayout(self.progress)
        box.setContentsMargins(0, 0, 0, 0)
        cancel = button("Cancel", self.jobs.cancel, "Stop at the next step")
        box.addLayout(row(self.work, 1, cancel))
        box.addWidget(self.bar)
        self.progress.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        for part in (self.title, self.controls, self.message, self.progress):
            layout.addWidget(part)
        layout.addWidget(self.scatter, 1)
        for part in (self.elsewhere, self.legend):
            layout.addWidget(part)
        layout.addStretch(0)
        self.setMinimumWidth(300)

    def sizeHint(self) -> QSize:
        """Ask for a dock in which groups of cells can be told apart."""
        return QSize(370, 520)

    def showEvent(self, event: QShowEvent) -> None:
        """Leave the docks of the same column their share; paint what was missed."""
        super().showEvent(event)
        self._soon.start()
        if not self._shared:
            self._shared = True
            QTimer.singleShot(0, partial(share_column, self))

    def _connect(self) -> None:
        context, session, controls = self.context, self.session, self.controls
        events = session.events
        context.listen(events.slide, self._on_slide)
        context.listen(events.fov, self._on_fov)
        for signal in (events.model, events.refined):
            context.listen(signal, self._on_model)
        context.listen(events.comparison, self._offer)
        context.listen(events.gene, self._offer)
        context.listen(events.selection, self._on_selection)
        context.listen(events.message, self._on_message)
        context.listen(events.embedding, self._on_picture)
        context.listen(session.painted, self._on_painted)
        controls.drawn.connect(self.draw)
        controls.method.connect(self.show_method)
        controls.coloured.connect(self.colour_by)
        controls.crowded.connect(self.scatter.show_crowded)
        controls.tool.connect(self._on_tool)
        controls.fitted.connect(self.scatter.fit)
        self.gestures.picked.connect(self.pick)
        self.gestures.hovered.connect(self._on_hover)
        self.gestures.pressed.connect(self._on_key)
        self.elsewhere.asked.connect(self.go_to)
        serve(self.legend, session)
        self.jobs.started.connect(self._on_started)
        self.jobs.progressed.connect(self._on_progress)
        self.jobs.finished.connect(self.progress.hide)
        viewer, jobs, on_theme = self.viewer, self.jobs, self._on_theme
        viewer.events.theme.connect(on_theme)

        def let_go() -> None:
            context.release()
            viewer.events.theme.disconnect(on_theme)
            jobs.close()

        self.destroyed.connect(let_go)
        self._on_theme()
        self._on_message(session.message)

    def draw(self) -> None:
        """Draw the cells that are asked for: PCA first, then UMAP, in a thread."""
        self.context.attempt(self._draw)

    def _draw(self) -> None:
        controls, store = self.controls, store_of(self.session)
        asked = asked_of(self.session, whole=controls.whole, counts=controls.counts)
        self.jobs.run(
            f"Embedding of {asked.of}",
            lambda progress: first_picture(asked, store, progress),
            self._on_first,
        )

    def _on_first(self, picture: Picture) -> None:
        if picture.asked.slide is not self.session.slide:
            return
        self.pictures = {PCA: picture}
        self.session.embedding = picture
        # the job before has to end first
        QTimer.singleShot(0, partial(self._lay_on, picture))

    def _lay_on(self, picture: Picture) -> None:
        store = store_of(self.session)
        self.jobs.run(
            f"UMAP of {picture.asked.of}",
            lambda progress: umap_picture(picture, store, progress),
            self._on_umap,
        )

    def _on_umap(self, picture: Picture) -> None:
        first = self.pictures.get(PCA)
        if first is None or first.key != picture.key:
            return
        self.pictures[UMAP] = picture
        self.show_method(UMAP)

    def show_method(self, method: str) -> None:
        """Show the other picture of the same cells."""
        made, shown = self.pictures.get(method), self.picture
        if made is None:
            return
        if shown is not None and shown.crowd is made.crowd:
            made.elsewhere = shown.elsewhere
        self.session.embedding = made

    def _on_slide(self) -> None:
        shown = self.picture
        if shown is not None and shown.crowd.slide is not self.session.slide:
            self.pictures = {}
            self.session.embedding = None
        self._on_picture()

    def _on_fov(self) -> None:
        shown, fov = self.picture, self.session.fov
        self._name()
        if shown is not None and fov is not None:
            self._offer()
            self._soon.start()

    def _on_picture(self) -> None:
        shown = self.picture
        if shown is not None and shown.method not in self.pictures:
            self.pictures[shown.method] = shown
        for part in (self.scatter, self.controls.looks, self.controls.acts):
            part.setVisible(shown is not None)
        self.controls.show_methods(
            tuple(self.pictures), "" if shown is None else shown.method
        )
        self._name()
        self._painted, self._paint = (), None
        if shown is None:
            self.gestures.tree = None
            self.legend.show_legend(Legend())
            self.elsewhere.show_spread({})
            return
        self.scatter.show_points(shown.xy)
        self.gestures.tree, self.gestures.rows = shown.tree, shown.present.rows
        self._offer()
        self._soon.start()

    def _name(self) -> None:
        shown, fov = self.picture, self.session.fov
        self.controls.setEnabled(fov is not None)
        if fov is None:
            self.title.setText(NO_SLIDE)
        elif shown is None:
            self.title.setText(EMPTY)
        elif not shown.crowd.holds(fov.name):
            self.title.setText(f"{shown.title}. Press Draw for {fov.name}.")
        else:
            self.title.setText(f"{shown.title}.")

    def _offer(self) -> None:
        shown = self.picture
        crowd = None if shown is None else shown.crowd
        self.by = self.controls.show_choices(choices(self.session, crowd), self.by)
        self._soon.start()

    def colour_by(self, by: str) -> None:
        """Colour the points by another choice than the tissue's."""
        self.by = by
        self.recall.keep()
        self._soon.start()

    def _on_painted(self, _: Any) -> None:
        self._soon.start()

    def recolour(self) -> None:
        """Colour the points as the session asks, unless they look like that already."""
        session, shown = self.session, self.picture
        if shown is None or session.fov is None or not self.isVisible():
            return
        state = (self.by, id(shown))
        state += tuple(id_of(getattr(session, name)) for name in _COLOURS)
        if state == self._painted:
            return
        self._painted, shown.by = state, self.by
        crowd = shown.crowd
        self._paint = paint_of(session, crowd, self.by)
        front = crowd.places(session.fov) >= 0 if len(crowd.fovs) > 1 else None
        self.scatter.show_paint(self._paint, front)
        self.gestures.hidden = self._paint.hidden
        self._explain(self._paint.legend)
        self._mark()

    def _explain(self, legend: Legend) -> None:
        """Show what the colours mean, unless the workbench says just that."""
        painter = self.session.parts.get("painter")
        said = "dock" in self.session.parts and painter.legend == legend
        self.legend.show_legend(Legend() if said else legend)

    def pick(self, rows: np.ndarray, how: str = "replace") -> None:
        """Select cells of the picture, wherever they lie."""
        shown = self.picture
        if shown is not None and self.session.fov is not None:
            self.context.attempt(selecting.select, self.session, shown, rows, how)
            self._mark()

    def _on_selection(self) -> None:
        shown = self.picture
        if shown is None:
            return
        selecting.follow(shown)
        if not shown.picking:
            self._mark()

    def _mark(self) -> None:
        shown = self.picture
        if shown is not None:
            self.scatter.mark(selecting.selected(self.session, shown))
            self.elsewhere.show_spread(selecting.spread(shown))

    def go_to(self, fov: str) -> None:
        """Show another field of view with the cells that were picked there."""
        if self.picture is not None:
            self.context.attempt(
                selecting.go_to, self.viewer, self.session, self.picture, fov
            )
            self._mark()

    def _on_hover(self, cell: int) -> None:
        shown = self.picture
        if cell < 0 or shown is None:
            QToolTip.hideText()
            return
        QToolTip.showText(QCursor.pos(), self.named(cell), self.scatter.native)

    def named(self, cell: int) -> str:
        """Return what is said of a cell under the mouse."""
        crowd = self.picture.crowd
        told = [str(cell_names(crowd.table[[cell]])[0]), crowd.fovs[crowd.codes[cell]]]
        if self._paint is not None:
            told.append(self._paint.says(cell))
        return " · ".join(part for part in told if part)

    def _on_tool(self, name: str) -> None:
        self.gestures.tool = name

    def _on_key(self, name: str) -> None:
        if name in self.controls.tools:
            self.controls.choose_tool(name)
        elif name == "fit":
            self.scatter.fit()
        else:
            acts.run(self.viewer, name)
            if name == "clear" and self.picture is not None:
                selecting.follow(self.picture)
                self._mark()

    def _on_model(self) -> None:
        model = embedder_of(self.session)
        able = model is not None and "embed" in model.info.capabilities
        self.controls.show_models(model.info.name if able else "")

    def _on_theme(self, *_: Any) -> None:
        self.scatter.show_theme(theme_of(self.viewer))

    def _on_message(self, message: Any) -> None:
        """Repeat what is said where there is no workbench to say it."""
        alone = "dock" not in self.session.parts
        self.message.setText(message.text if alone else "")
        self.message.setVisible(alone and bool(message.text))

    def _on_started(self, title: str) -> None:
        self.work.setText(f"{title}…")
        self.bar.setRange(0, 0)
        self.progress.show()

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, max(progress.total, 0))
        self.bar.setValue(progress.done)
        if progress.message:
            self.work.setText(f"{progress.message}…")
