"""The streams on show as a panel of a figure: the same lines, colours and words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_scfm.analysis.streams.streamlines import Lines
from napari_scfm.figures.panels import RAW_NAME, RAW_NOTE, streams_of
from napari_scfm.viewer.attention.drawing import beats_of, is_raw

if TYPE_CHECKING:
    from napari_scfm.figures.panel import Panel
    from napari_scfm.viewer.session import Session

NOTE = "Key to query; residual after cell-type layout."


def stream_panel(session: Session, base: Panel, faded: float) -> Panel:
    """Return the session's streams over a panel of its cells.

    Parameters
    ----------
    base
        The cells as they are on show.
    faded
        Share of the page's colour in the cells' colours.
    """
    stream = session.stream
    drawn = Lines(stream.lines, stream.strength, beats_of(stream), stream.sender)
    raw = is_raw(stream)
    title = base.title if session.colour_by == "gene" else _small(base.title)
    over = f"over {title}" if title else ""
    what = f"{stream.model}, {RAW_NAME}" if raw else stream.model
    return replace(
        base,
        faded=faded,
        title=f"Model attention ({what}) {over}".strip(),
        streams=streams_of(
            drawn,
            stream.look,
            kinds=stream.kinds,
            palette=stream.palette if len(stream.palette) else None,
        ),
        shares=stream.field.shares,
        p_value=None if raw else stream.field.p_value,
        permutations=stream.field.permutations,
        note=RAW_NOTE if raw else _note(session),
    )


def _small(title: str) -> str:
    return title[:1].lower() + title[1:]


def _note(session: Session) -> str:
    stream = session.stream
    parts = [NOTE]
    if stream.field.direction == "sent":
        parts = ["Key to query, sent; residual after cell-type layout."]
    if stream.pair is not None:
        receiver, sender = stream.pair
        parts.append(f"From {sender} to {receiver} alone.")
    return " ".join(parts)
