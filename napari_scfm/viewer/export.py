"""The figure of what is on show: the same cells, colours and streams, without OpenGL.

Decides which panels the session can fill; drawing is the work of ``figures``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SlideError
from napari_scfm.experiments.provenance import versions
from napari_scfm.viewer.attention.figure import stream_panel
from napari_scfm.viewer.attention.panels import ligand_panel, partner_panel
from napari_scfm.viewer.cells import centroids, counts_of, totals
from napari_scfm.viewer.compare import error_reach
from napari_scfm.viewer.embedding import figure as embedding
from napari_scfm.viewer.fov_layers import channel_colormap
from napari_scfm.viewer.hidden import hidden_here, hidden_in, note
from napari_scfm.viewer.influence_layers import COLORMAP, UNIT, changes, limits_of
from napari_scfm.viewer.look import (
    Look,
    compared_gene,
    comparison_of,
    curtain_at,
    curtained,
    gene_limits,
    look,
    scaled,
    shows_truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_scfm.figures.panel import Panel
    from napari_scfm.viewer.session import Session

SOFT = 0.55
"""Share of the page's colour in the cells under streams, as in the command line's."""

WHAT = {
    "view": "Cells as shown",
    "compare": "Truth, prediction, error",
    "clusters": "Clusters",
    "attention": "Model attention",
    "influence": "Which cells mattered",
    "partners": "Attention of one cell",
    "ligand": "Ligand and receptor",
    "embedding": "Embedding of the cells",
}


_TO_PARTNERS = "Select a cell, and press Attends to in its card."
_TO_LIGAND = "Name a pair in step 7 and compare it with attention first."
_TO_COMPARE = "Hide genes or cells, press Predict in step 5, and choose a hidden gene."


def available(session: Session) -> list[str]:
    """Return the panels that can be drawn now, keys of :data:`WHAT`."""
    if session.fov is None:
        return []
    name = session.fov.name
    ready = ["view"]
    if compared_gene(session) is not None:
        ready.append("compare")
    if session.clusters is not None and session.clusters.fov == name:
        ready.append("clusters")
    if session.stream is not None and session.stream.fov == name:
        ready.append("attention")
    for what in ("influence", "partners", "ligand"):
        if getattr(session, what) is not None:
            ready.append(what)
    if embedding.ready(session):
        ready.append("embedding")
    return ready


def check_available(session: Session, what: str) -> None:
    """Refuse panels that nothing has been computed for.

    Raises
    ------
    SlideError
        With what to do first.
    """
    if session.fov is None:
        raise SlideError("There is nothing to export.", "Open a slide first.")
    if what not in available(session):
        lack, step = {
            "compare": (_lacking_comparison(session), _TO_COMPARE),
            "clusters": ("no clusters", "Press Cluster in step 6 first."),
            "attention": ("no model attention", "Press Draw streams in step 7 first."),
            "influence": ("no knock-outs", "Select a cell and ask its card."),
            "partners": ("no attention of one cell", _TO_PARTNERS),
            "ligand": ("no ligand and receptor", _TO_LIGAND),
            "embedding": ("no embedding", "Press Draw in the Embedding dock first."),
        }[what]
        name = session.fov.name
        raise SlideError(f"Field of view {name} has {lack} to export.", step)


def _lacking_comparison(session: Session) -> str:
    made = comparison_of(session)
    return "no prediction" if made is None else "no prediction of the gene on show"


def write_figure(
    session: Session, what: str, path: Path, dpi: int = 200
) -> Callable[[], Path]:
    """Return a function that writes a figure of what the session shows now.

    Parameters
    ----------
    what
        One of :data:`WHAT`.
    path
        PNG, TIFF, PDF or SVG.

    Raises
    ------
    SlideError
        If there is nothing to draw yet.
    """
    from napari_scfm.figures.export import export_figure

    panels = panels_of(session, what)
    fov, title = session.fov, f"{session.slide.name}, {session.fov.name}"
    about = about_figure(session, what)

    def draw() -> Path:
        return export_figure(fov, panels, path, title=title, dpi=dpi, provenance=about)

    return draw


def about_figure(session: Session, what: str) -> dict[str, Any]:
    """Return what a figure says of itself: the model behind it, mask, seed, versions.

    Of a result it is what held when the result was made, whatever is loaded now.
    """
    sources = {
        "compare": session.comparison,
        "clusters": session.clusters,
        "attention": session.stream,
        "partners": session.partners,
        "ligand": session.ligand,
        "embedding": session.embedding,
    }
    if what == "view" and session.partners is not None:
        what = "partners"
    elif what == "view":
        guess = session.colour_by == "gene" and session.shown == "prediction"
        if (guess and compared_gene(session)) or curtained(session):
            what = "compare"
        elif session.colour_by == "clusters" and "clusters" in available(session):
            what = "clusters"
    source = sources.get(what)
    if what == "influence":
        about = {"slide": session.slide.name, "fov": session.fov.name}
        return about | session.influence.provenance
    if source is not None and source.about:
        return dict(source.about)
    return {"slide": session.slide.name, "versions": versions()}


def panels_of(session: Session, what: str) -> list[Panel]:
    """Return the panels of a figure, as the session shows things now.

    Raises
    ------
    SlideError
        If there is nothing to draw yet.
    """
    check_available(session, what)
    makers = {
        "view": _view,
        "compare": _compare,
        "clusters": _clusters,
        "attention": _attention,
        "influence": _influence,
        "partners": lambda session: [partner_panel(session)],
        "ligand": lambda session: [ligand_panel(session)],
        "embedding": lambda session: [embedding.embedding_panel(session)],
    }
    return [_with_hidden(session, panel) for panel in makers[what](session)]


def _with_hidden(session: Session, panel: Panel) -> Panel:
    """Return a panel of the tissue with the cells of hidden classes only outlined.

    Its legend lists the classes that are seen.
    """
    from dataclasses import replace

    if panel.places is not None:
        return panel
    panel = replace(panel, unlisted=_unlisted(session, panel))
    if not session.hidden_classes:
        return panel
    veil = note(session)
    text = f"{panel.note.rstrip('.')}; {veil}." if panel.note else veil
    return replace(panel, hollow=hidden_here(session), note=text)


def _unlisted(session: Session, panel: Panel) -> frozenset[str]:
    """Return the classes of a panel that are hidden, or of which it has no cell."""
    legend = look(session).legend
    sizes, hidden = legend.sizes, legend.hidden
    if panel.categories is not None:
        codes = np.asarray(panel.categories)
        sizes = tuple(np.bincount(codes[codes >= 0], minlength=len(panel.names)))
        hidden = hidden_in(session, "clusters")
    elif panel.names != tuple(name for name, _ in legend.categories):
        return frozenset()
    none = [name for name, size in zip(panel.names, sizes, strict=False) if not size]
    return hidden | frozenset(none)


def _view(session: Session) -> list[Panel]:
    from napari_scfm.figures.panel import Channel, Panel

    if session.partners is not None:
        return [partner_panel(session)]
    seen = look(session)
    channels = tuple(Channel(name, colour_of(name)) for name in session.fov.images)
    legend = seen.legend
    if not legend.title:
        return [Panel(title=session.fov.name, channels=channels)]
    return [_coloured(session, seen)]


def _coloured(session: Session, seen: Look) -> Panel:
    """Return a panel of the cells in the colours of the canvas."""
    from napari_scfm.figures.panel import Panel

    legend = seen.legend
    if legend.categories:
        return Panel(
            title=legend.title,
            colours=_opaque(seen.rgba),
            names=tuple(name for name, _ in legend.categories),
            palette=np.array([colour for _, colour in legend.categories]),
            note=legend.note,
        )
    compared = compared_gene(session)
    if curtained(session) is not None:
        return _parted(session)
    if session.shown == "prediction" and compared is not None:
        return _prediction(session)
    values = totals(session.fov.table)
    if session.colour_by == "gene":
        values = counts_of(session.fov.table, session.gene)
    return Panel(
        title=legend.title.partition(",")[0],
        values=scaled(session, values),
        limits=legend.limits,
        colormap=session.colormap,
        colourbar_label=unit_of(session),
    )


def _opaque(rgba: np.ndarray) -> np.ndarray:
    """Return the colours on white paper: faint cells are pale, not see-through."""
    solid = np.ones_like(rgba)
    solid[:, :3] = rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]
    return solid


def unit_of(session: Session) -> str:
    """Return the unit of the colour bar."""
    return "log1p counts" if session.log else "counts"


def _prediction(session: Session) -> Panel:
    return _compare(session)[1]


def _parted(session: Session) -> Panel:
    """Return truth left of the curtain and prediction right of it, as on the canvas."""
    from dataclasses import replace

    truth, guess, _ = _compare(session)
    return replace(
        guess,
        title=f"{session.gene}: truth | prediction",
        values=np.where(shows_truth(session), truth.values, guess.values),
        note=f"Truth left of x = {curtain_at(session):.0f} µm. {guess.note}",
    )


def _influence(session: Session) -> list[Panel]:
    """Return the neighbours of a cell by how much its guess moved without them."""
    from napari_scfm.figures.panel import Panel, Streams

    made = session.influence
    moved = changes(made)
    values = np.full(session.n_cells, np.nan)
    values[made.near.rows] = moved
    xy = centroids(session.fov.table)
    start, ahead = xy[made.near.rows], xy[made.row] - xy[made.near.rows]
    # to half the way, so that the heads do not meet in the cell
    lines = tuple(np.stack([start, start + ahead / 2], axis=1))
    high = limits_of(made)[1]
    return [
        Panel(
            title=f"Which cells mattered for {made.cell}",
            values=values,
            colormap=COLORMAP,
            limits=(0.0, high),
            streams=Streams(lines, tuple(np.full(2, one / high) for one in moved)),
            predicted=True,
            colourbar_label=UNIT,
            unknown="not hidden in turn",
            note=made.sentence,
        )
    ]


def _compare(session: Session) -> list[Panel]:
    """Return truth, prediction and error, on the scales of the window."""
    from dataclasses import replace

    from napari_scfm.figures.panels import compare_panels

    made, column = compared_gene(session)
    hidden = made.hidden[:, column]
    truth, guess, error = compare_panels(
        session.fov,
        np.where(hidden, made.truth[:, column], np.nan),
        made.prediction[:, column],
        session.gene,
        model=made.model,
        log=session.log,
        colormap=session.colormap,
    )
    limits = gene_limits(session)
    reach = error_reach(limits)
    other = {} if made.guessed(session.gene) else {"unknown": "not known to the model"}
    return [
        replace(truth, limits=limits, unknown="not hidden"),
        replace(guess, limits=limits, **other),
        replace(error, limits=(-reach, reach), **other),
    ]


def _clusters(session: Session) -> list[Panel]:
    from napari_scfm.figures.panel import Panel

    made = session.clusters
    return [
        Panel(
            title=made.title,
            categories=made.values,
            names=made.classes,
            palette=made.palette,
            note=made.note,
        )
    ]


def _attention(session: Session) -> list[Panel]:
    return [stream_panel(session, _view(session)[0], SOFT)]


def colour_of(channel: str) -> str:
    """Return the colour of a channel on paper, as on the canvas."""
    named = {"red": "#ff0000", "green": "#00ff00", "blue": "#0000ff"}
    return named.get(channel_colormap(channel), "#ffffff")
