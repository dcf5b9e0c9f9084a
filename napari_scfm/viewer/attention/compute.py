"""From a model's attention to streams, and from streams to other looks of them.

What asks the model or permutes keys runs in a thread (:func:`attention_stream`,
:func:`paired`); what only draws the same field another way is quick enough for a
slider (:func:`relooked`, :func:`turned`). No Qt and no viewer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.asked import (
    FieldOptions,
    Kinds,
    attend_as,
    cell_kinds,
    field_as,
    sees_places,
)
from napari_scfm.experiments.attention.sending import of_pair_only, senders_of
from napari_scfm.progress import report
from napari_scfm.viewer.colouring import category_rgba
from napari_scfm.viewer.kinds import read_kinds
from napari_scfm.viewer.session import Stream
from napari_scfm.viewer.tasks import about_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_scfm.analysis.attention.attention_field import AttentionField, Direction
    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.tasks import Work

DIRECTIONS: tuple[Direction, Direction] = ("received", "sent")


def attention_stream(
    work: Work,
    asked: FieldOptions | None = None,
    progress: ProgressCallback | None = None,
    look: StreamLook | None = None,
) -> Stream:
    """Return the residual attention of a FOV in both directions, and its streams.

    Near partners have no direction where the model does not read coordinates: all
    cells are taken instead, and ``about`` says so.

    Parameters
    ----------
    work
        Slide, field of view, model and mask.
    asked
        Which attention, among which cells, against which chance; ``asked.direction``
        is the one that is drawn.
    progress
        Told between the steps.
    look
        How the streams are drawn; None for the usual way.
    """
    from napari_scfm.analysis.attention.type_table import type_table

    asked = asked or FieldOptions()
    table, model = work.fov.table, work.model
    steps = 5
    report(progress, 0, steps, "reading the cells")
    reads = sees_places(model, table, asked)
    refused = asked.local and not reads
    if refused:
        asked = replace(asked, neighbours=None, radius=None, null="")
    attention = attend_as(model, table, asked, mask=work.mask, progress=progress)
    report(progress, 1, steps, "finding kinds of cells")
    kinds = cell_kinds(
        table, lambda: model.embed(table, mask=work.mask), asked.strata, asked.seed
    )
    fields = _fields(attention, positions(work), kinds, asked, progress)
    report(progress, 4, steps, "drawing the streams")
    stream = Stream(
        work.fov.name,
        model.info.name,
        fields[asked.direction],
        about=_about(work, asked, kinds, reads, refused),
        kinds=kinds.names,
        palette=_palette(work, kinds),
        codes=kinds.codes,
        fields=fields,
        whole=fields,
        attention=attention,
        table=type_table(attention, kinds.codes, kinds.names),
        options=asked,
        xy=positions(work),
        senders=senders_of(attention, kinds, asked, positions(work)),
    )
    return relooked(stream, look)


def _palette(work: Work, kinds: Kinds) -> np.ndarray:
    """Return (kinds, 4) the colours that kinds have on the tissue."""
    known = read_kinds(work.slide, work.fov.table, kinds.source)
    if known is None:
        return category_rgba(np.arange(len(kinds.names)), len(kinds.names))
    return known.palette(kinds.names)


def positions(work: Work) -> np.ndarray:
    """Return the (n, 2) positions (x, y) of the cells in um."""
    return np.asarray(work.fov.table.obsm[keys.SPATIAL], dtype=np.float64)


def _fields(
    attention: Attention,
    xy: np.ndarray,
    kinds: Kinds,
    asked: FieldOptions,
    progress: ProgressCallback | None,
) -> dict[str, AttentionField]:
    fields = {}
    for done, direction in enumerate(DIRECTIONS, start=2):
        report(progress, done, 5, f"testing what is {direction} against chance")
        wanted = replace(asked, direction=direction)
        fields[str(direction)] = field_as(attention, xy, kinds, wanted)
    return fields


def _about(
    work: Work, asked: FieldOptions, kinds: Kinds, reads: bool, refused: bool
) -> dict[str, Any]:
    said = about_of(
        work, asked.seed, layer=asked.layer, permutations=asked.permutations
    )
    said |= asked.about()
    said |= {"reads_positions": reads, "strata": kinds.source}
    return said | ({"neighbours_refused": True} if refused else {})


def relooked(stream: Stream, look: StreamLook | None) -> Stream:
    """Return a stream drawn in another way; neither model nor permutations run.

    What checks found holds for one smoothing, so another one forgets it.
    """
    from napari_scfm.analysis.streams.streamlines import StreamLook, draw_streams

    look = look or StreamLook()
    field = _smoothed(stream, look)
    drawn = draw_streams(
        field, replace(look, smoothing_um=None), _excess(stream, field)
    )
    return replace(
        stream,
        field=field,
        look=look,
        lines=drawn.lines,
        strength=drawn.strength,
        beats=drawn.beats,
        sender=drawn.sender,
        checks=stream.checks if field is stream.field else None,
    )


def _excess(stream: Stream, field: AttentionField) -> np.ndarray | None:
    """Return how much more than its share each kind sends; of a pair, its sender."""
    found = stream.senders.get(str(field.direction))
    return None if found is None else of_pair_only(found, stream.kinds, stream.pair)


def _smoothed(stream: Stream, look: StreamLook) -> AttentionField:
    """Return the stream's field as smooth as is asked; the one on show if it is."""
    field = stream.field
    made = stream.fields.get(field.direction, field)
    if look.smoothing_um is None:
        return made
    if field is not made and stream.look.smoothing_um == look.smoothing_um:
        return field
    return made.resmoothed(look.smoothing_um)


def turned(stream: Stream, direction: Direction) -> Stream:
    """Return what the cells receive, or what they send."""
    field = stream.fields.get(direction, stream.field)
    return relooked(replace(stream, field=field, checks=None), stream.look)


def paired(
    stream: Stream,
    pair: tuple[str, str] | None,
    progress: ProgressCallback | None = None,
) -> Stream:
    """Return the streams of one pair of kinds (receiver, sender) alone, or of all.

    All come back at once; a pair is tested against chance anew.

    Raises
    ------
    ScfmError
        If the stream was read from a session, which does not hold the attention.
    """
    fields = stream.whole
    if pair is not None:
        if stream.attention is None:
            raise ScfmError(
                "The attention behind these streams was not saved with the session.",
                "Press Draw streams once, then choose the pair again.",
            )
        asked = replace(stream.options, pair=pair)
        fields = _fields(stream.attention, stream.xy, _kinds(stream), asked, progress)
    field = fields[str(stream.field.direction)]
    made = replace(stream, field=field, fields=fields, pair=pair, checks=None)
    return relooked(made, stream.look)


def checked_stream(
    work: Work,
    stream: Stream,
    which: Sequence[str],
    other: CellModel | None = None,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Return what is left of a stream's picture when something is broken.

    See :func:`~napari_scfm.experiments.attention.checks.check_attention`.
    """
    from napari_scfm.experiments.attention.checks import check_attention

    asked = replace(
        stream.options or FieldOptions(),
        direction=stream.field.direction,
        pair=stream.pair,
        smoothing_um=stream.look.smoothing_um,
    )
    shown = None if stream.attention is None else _smoothed(stream, stream.look)
    return check_attention(
        work.model,
        work.fov.table,
        asked,
        which,
        other="" if other is None else other,
        mask=work.mask,
        kinds=_kinds(stream),
        attention=stream.attention,
        field=shown,
        progress=progress,
    )


def _kinds(stream: Stream) -> Kinds:
    return Kinds(stream.codes, stream.kinds, str(stream.about.get("strata", "")))
