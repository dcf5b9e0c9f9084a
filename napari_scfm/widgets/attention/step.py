"""Step 7: model attention as streams over the tissue, and what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt.utils import qthrottled

from napari_scfm.viewer import tasks
from napari_scfm.viewer.attention import compute
from napari_scfm.viewer.attention.layers import is_light
from napari_scfm.widgets.attention.asking import Asking
from napari_scfm.widgets.attention.checks import ChecksSection
from napari_scfm.widgets.attention.heat_map import HeatMap
from napari_scfm.widgets.attention.ligands import LigandSection
from napari_scfm.widgets.attention.partners import PartnerSection
from napari_scfm.widgets.attention.share_bar import ShareBar
from napari_scfm.widgets.attention.sliders import LookControls
from napari_scfm.widgets.attention.travel import Travel
from napari_scfm.widgets.attention.words import (
    CAVEAT,
    banner,
    pair_words,
    region_words,
    said,
    verdict,
)
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, Step, button, hint, row

if TYPE_CHECKING:
    from napari_scfm.analysis.attention.attention_field import Direction
    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.viewer.session import Stream

BANNER = "QLabel { border-left: 3px solid #e69f00; padding-left: 6px; }"
MAP = "Click a pair to see its streams alone; click it again to see all."


class AttentionStep(Step):
    """Banner, what to draw, Draw; then shares, verdict, look, heat map, checks."""

    def __init__(self, context: Context) -> None:
        super().__init__("7  Attention", context)
        self._whole: object = None
        self.banner = hint()
        self.banner.setStyleSheet(BANNER)
        self.asking = Asking(self.session)
        self.draw = button("Draw streams", self.run, "Of this field of view")
        self.remove = button("Remove", self._remove, "Take the streams off the tissue")
        self._make_drawn()
        for part in (self.banner, self.asking):
            self.body.addWidget(part)
        self.body.addLayout(row(self.draw, self.remove))
        self.body.addWidget(self.drawn)
        self.body.addWidget(hint(CAVEAT))
        self._listen()

    def _make_drawn(self) -> None:
        """Make what is there only once streams are."""
        self.shares = ShareBar()
        self.result, self.region = hint(), hint()
        self.look = LookControls()
        self.travel = Travel(self.context, self.look.animate)
        self.map = HeatMap()
        self.pair = hint(MAP)
        self.kinds = Section("Attention between kinds", open_=True)
        self.kinds.add(self.map, self.pair)
        self.checks = ChecksSection(self.context)
        self.partners = PartnerSection(self.context)
        self.ligands = LigandSection(self.context)
        self.drawn = QWidget()
        self.inside = QVBoxLayout(self.drawn)
        self.inside.setContentsMargins(0, 0, 0, 0)
        self.inside.setSpacing(6)
        for part in (self.shares, self.result, self.region, self.look):
            self.inside.addWidget(part)
        for part in (self.kinds, self.partners, self.ligands, self.checks):
            self.inside.addWidget(part)

    def _listen(self) -> None:
        events, context = self.session.events, self.context
        self.look.changed.connect(lambda look: context.attempt(self._relook, look))
        self.look.turned.connect(lambda way: context.attempt(self._turn, way))
        self.map.picked.connect(lambda pair: context.attempt(self._pair, pair))
        context.listen(events.stream, self._on_stream)
        context.listen(events.model, self.asking.on_model)
        context.listen(events.fov, self.asking.on_fov)
        context.listen(events.selection, self._on_selection)
        self._on_stream()

    def run(self) -> None:
        """Compute the field in the background and draw it."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        work = tasks.work_of(self.session, "attend")
        asked, look = self.asking.options(), self.look.look()

        def task(progress: Any) -> Stream:
            return compute.attention_stream(work, asked, progress, look)

        self.context.jobs.run("Drawing attention", task, self._done)

    def _done(self, stream: Stream) -> None:
        session = self.session
        if session.fov is None or stream.fov != session.fov.name:
            session.say(f"The streams of {stream.fov} are not drawn on another one.")
            return
        session.side_by_side = False
        session.stream = stream
        session.say(f"Streams of {stream.fov} are drawn. {said(stream)}")

    def _remove(self) -> None:
        self.session.stream = None
        self.session.say("The streams are off the tissue.")

    def _relook(self, look: StreamLook) -> None:
        stream = self.session.stream
        if stream is not None and stream.look != look:
            self.session.stream = compute.relooked(stream, look)

    def _turn(self, direction: Direction) -> None:
        stream = self.session.stream
        if stream is not None and stream.field.direction != direction:
            self.session.stream = compute.turned(stream, direction)

    def _pair(self, pair: tuple[str, str] | None) -> None:
        stream = self.session.stream
        if stream is None:
            return
        if pair is None:
            self.session.stream = compute.paired(stream, None)
            self.session.say("The streams are those of all kinds again.")
            return

        def task(progress: Any) -> Stream:
            return compute.paired(stream, pair, progress)

        def done(made: Stream) -> None:
            if self.session.stream is None or self.session.stream.fov != made.fov:
                return
            self.session.stream = made
            self.session.say(f"{pair_words(made)} {said(made)}")

        self.context.jobs.run("Drawing one pair", task, done)

    def changeEvent(self, event: QEvent) -> None:
        """Explain the colours again when the theme has changed them."""
        super().changeEvent(event)
        stream = self.session.stream if self.isVisible() else None
        if event.type() == QEvent.Type.StyleChange and stream is not None:
            self.look.show_stream(stream, paper=is_light(self.context.viewer))

    def _on_selection(self) -> None:
        self._say_region()

    @qthrottled(timeout=60)
    def _say_region(self) -> None:
        stream, fov = self.session.stream, self.session.fov
        here = stream is not None and fov is not None and stream.fov == fov.name
        text = region_words(stream, self.session.selection) if here else ""
        self.region.setText(text)
        self.region.setVisible(bool(text))

    def _on_stream(self) -> None:
        stream = self.session.stream
        self.drawn.setVisible(stream is not None)
        self.remove.setVisible(stream is not None)
        text = "" if stream is None else banner(stream)
        self.banner.setText(text)
        self.banner.setVisible(bool(text))
        self.checks.show_stream(stream)
        if stream is None:
            self.map.show_table(None)
            return
        self.map.show_table(stream.table, stream.pair)
        if stream.options is not None and stream.whole is not self._whole:
            self._whole = stream.whole
            self.asking.show_options(stream.options)
        self.shares.set_shares(tuple(stream.field.shares))
        self.result.setText(verdict(stream))
        self._say_region()
        self.look.show_stream(stream, paper=is_light(self.context.viewer))
        self.kinds.setVisible(stream.table is not None)
        self.pair.setText(pair_words(stream) if stream.pair else MAP)
