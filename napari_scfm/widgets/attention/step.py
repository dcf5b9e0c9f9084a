"""Step 7: model attention as streams over the tissue, and what it is worth."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, FloatSpinBox, SpinBox

from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.viewer import tasks
from napari_scfm.viewer.attention import compute
from napari_scfm.widgets.attention.share_bar import ShareBar
from napari_scfm.widgets.step import Context, Step, button, hint

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Stream

SMALL = 0.01
"""A share of the energy that should be said to be small."""

CAVEAT = (
    "Model attention, key to query, residual after cell-type layout: what is left of "
    "the arrows when the shape of the tissue and the place of the cell types are "
    "taken away. It says where the model looks, not that cells communicate."
)

BLIND = (
    "This model does not read coordinates: it attends to cells by their expression, "
    "wherever they lie."
)


class AttentionStep(Step):
    """Layer, density, Draw, share bar, p-value, caveat."""

    def __init__(self, context: Context) -> None:
        super().__init__("7  Attention", context)
        self.layer = SpinBox(label="Layer", value=-1, min=-64, max=64)
        self.layer.tooltip = "-1 is the last layer"
        self.density = FloatSpinBox(
            label="Density", value=1.0, min=0.2, max=3, step=0.2
        )
        self.density.changed.connect(self._on_density)
        self.form: Container[Any] = Container(widgets=[self.layer, self.density])
        self.form.margins = (0, 0, 0, 0)
        self.shares = ShareBar()
        self.result = hint()
        self.body.addWidget(self.form.native)
        self.body.addWidget(button("Draw streams", self.run, "Of this field of view"))
        self.body.addWidget(self.shares)
        self.body.addWidget(self.result)
        self.body.addWidget(hint(CAVEAT))
        context.listen(self.session.events.stream, self._on_stream)
        self._on_stream()

    def run(self) -> None:
        """Compute the field in the background and draw it."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        work = tasks.work_of(self.session, "attend")
        look = SimpleNamespace(density=self.density.value)
        asked = FieldOptions(layer=self.layer.value)

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
        session.say(verdict(stream))

    def _on_density(self, density: float) -> None:
        stream = self.session.stream
        if stream is not None and not self.context.jobs.running:
            self.context.attempt(self._redraw, stream, density)

    def _redraw(self, stream: Stream, density: float) -> None:
        self.session.stream = compute.relooked(stream, SimpleNamespace(density=density))

    def _on_stream(self) -> None:
        stream = self.session.stream
        self.shares.setVisible(stream is not None)
        self.result.setVisible(stream is not None)
        if stream is not None:
            self.shares.set_shares(tuple(stream.field.shares))
            self.result.setText(verdict(stream))


def verdict(stream: Stream) -> str:
    """Return what the permutation test says, and whether places play a part."""
    blind = stream.about.get("reads_positions", True) is False
    return _tested(stream) + (f" {BLIND}" if blind else "")


def _tested(stream: Stream) -> str:
    value = stream.field.p_value
    if value is None or value != value:
        return "The streams were not tested against chance."
    test = f"p = {value:.2g}, {stream.field.permutations} permutations"
    if stream.field.significant:
        text = f"The rest beats chance ({test})"
        rest = stream.field.shares[2]
        size = "less than 0.1%" if rest < 0.001 else f"only {rest:.1%}"
        return text + (
            f", but is {size} of the arrows' energy." if rest < SMALL else "."
        )
    return f"The rest does not beat chance ({test}), so the streams are drawn grey."
