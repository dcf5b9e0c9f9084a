"""From a model's attention to streams, and from streams to other looks of them.

What asks the model or the permutations runs in a thread; what only draws the same
field another way answers while a slider moves. No Qt and no viewer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError
from napari_scfm.progress import report
from napari_scfm.viewer.colouring import category_rgba
from napari_scfm.viewer.session import Stream
from napari_scfm.viewer.tasks import about_of

if TYPE_CHECKING:
    from napari_scfm.models.attention import Attention
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.tasks import Work

Direction = Literal["received", "sent"]
DIRECTIONS: tuple[Direction, Direction] = ("received", "sent")


@dataclass(frozen=True)
class AskedAttention:
    """Which attention, among which cells, against which chance.

    Attributes
    ----------
    layer
        Number of the layer, -1 for the last, or "rollout" for all of them.
    head
        Number of the head; None for the mean of the heads.
    weighting
        "weights", or "values" to count each key as much as it moves a query.
    neighbours, radius
        Partners of a cell: so many nearest cells, or all within so many um; None and
        None for all cells of the field of view.
    null
        How keys are shuffled; "" for what is usual among these partners.
    direction
        Which of the two fields is shown first.
    permutations, seed
        Of the test.
    look
        How the streams are drawn; None for the usual way.
    """

    layer: int | Literal["rollout"] = -1
    head: int | None = None
    weighting: Literal["weights", "values"] = "weights"
    neighbours: int | None = None
    radius: float | None = None
    null: str = ""
    direction: Direction = "received"
    permutations: int = 99
    seed: int = 0
    look: Any = field(default=None, compare=False)

    @property
    def local(self) -> bool:
        """Whether cells have only near partners."""
        return self.neighbours is not None or self.radius is not None

    def of_field(self) -> dict[str, Any]:
        """Return what the field is asked for, as far as it is not the usual."""
        asked = {"neighbours": self.neighbours, "radius": self.radius}
        named = {"null": self.null} if self.null else {}
        return {k: v for k, v in asked.items() if v is not None} | named

    def of_model(self) -> dict[str, Any]:
        """Return what the model is asked for, as far as it is not the usual."""
        usual = AskedAttention()
        asked = {name: getattr(self, name) for name in ("layer", "head", "weighting")}
        return {k: v for k, v in asked.items() if v != getattr(usual, k)}


def attention_stream(
    work: Work,
    asked: AskedAttention | None = None,
    progress: ProgressCallback | None = None,
) -> Stream:
    """Return the residual attention of a FOV in both directions, and its streams.

    The null keeps cell types fixed, or clusters of the model's own embedding where
    no types are known.

    Raises
    ------
    ScfmError
        If near partners are asked of a model that does not read coordinates.
    """
    asked = asked or AskedAttention()
    table, model = work.fov.table, work.model
    steps = 4
    report(progress, 0, steps, "reading the cells")
    probe = getattr(model, "reads_positions", None)
    reads = True if probe is None else bool(probe(table))
    if asked.local and not reads:
        raise ScfmError(
            f"{model.info.name} does not read coordinates, so its attention has no "
            "direction among near cells.",
            "Draw all cells, or load a model that reads coordinates.",
        )
    attention = model.attend(
        table, mask=work.mask, progress=progress, **asked.of_model()
    )
    kinds, codes = kinds_of(work, asked.seed)
    fields = {}
    for done, direction in enumerate(DIRECTIONS, start=1):
        report(progress, done, steps, f"testing what is {direction} against chance")
        fields[direction] = _field(attention, work, asked, direction, kinds, codes)
    report(progress, 3, steps, "drawing the streams")
    stream = Stream(
        work.fov.name,
        model.info.name,
        fields[asked.direction],
        kinds=kinds,
        codes=codes,
        palette=category_rgba(np.arange(len(kinds)), len(kinds)),
        fields=fields,
        attention=attention,
        about=_about(work, asked, reads),
    )
    return relooked(stream, asked.look)


def _field(
    attention: Attention,
    work: Work,
    asked: AskedAttention,
    direction: Direction,
    kinds: tuple[str, ...],
    codes: np.ndarray,
) -> Any:
    from napari_scfm.analysis.attention_field import attention_field

    return attention_field(
        attention,
        np.asarray(work.fov.table.obsm[keys.SPATIAL], dtype=np.float64),
        direction,
        strata=np.asarray(kinds)[codes],
        permutations=asked.permutations,
        seed=asked.seed,
        even_keys=True,
        **asked.of_field(),
    )


def _about(work: Work, asked: AskedAttention, reads: bool) -> dict[str, Any]:
    return about_of(
        work,
        asked.seed,
        layer=asked.layer,
        head=asked.head,
        weighting=asked.weighting,
        neighbours=asked.neighbours,
        radius=asked.radius,
        permutations=asked.permutations,
        reads_positions=reads,
        strata="cell types" if _typed(work) else "clusters",
    )


def _typed(work: Work) -> bool:
    return keys.CELL_TYPE in work.fov.table.obs


def kinds_of(work: Work, seed: int = 0) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the kinds of cells that chance keeps apart, and (n,) the kind of each.

    They are the cell types, else clusters of the model's own embedding.
    """
    from napari_scfm.analysis.clusters import cluster

    table = work.fov.table
    if _typed(work):
        types = table.obs[keys.CELL_TYPE].astype(str).astype("category")
        return tuple(map(str, types.cat.categories)), np.asarray(types.cat.codes)
    values = cluster(work.model.embed(table, mask=work.mask), 1.0, seed)
    return tuple(f"cluster {i}" for i in range(int(values.max()) + 1)), values


def relooked(stream: Stream, look: Any) -> Stream:
    """Return a stream drawn in another way; the field is the same."""
    from napari_scfm.analysis.streamlines import streamlines, strengths

    density = getattr(look, "density", 1.0)
    lines = [line for line in streamlines(stream.field, density) if len(line) >= 2]
    raw = strengths(stream.field, lines)
    top = float(np.percentile(np.concatenate(raw), 95)) if raw else 1.0
    weights = [np.clip(one / (top or 1.0), 0, 1) for one in raw]
    beats = [np.full(len(line), bool(stream.field.significant)) for line in lines]
    sender = [np.full(len(line), -1) for line in lines]
    return replace(
        stream, lines=lines, strength=weights, beats=beats, sender=sender, look=look
    )


def turned(stream: Stream, direction: Direction) -> Stream:
    """Return what the cells receive, or what they send."""
    field_ = stream.fields.get(direction, stream.field)
    return relooked(replace(stream, field=field_), stream.look)


def paired(stream: Stream, pair: tuple[str, str] | None) -> Stream:
    """Return the stream of one pair of kinds alone (receiver, sender), or of all."""
    return relooked(replace(stream, pair=pair), stream.look)
