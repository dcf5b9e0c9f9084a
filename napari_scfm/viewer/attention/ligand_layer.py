"""A ligand and its receptor beside model attention, as layers of their own.

All cells coloured by how much they receive (or send): ligand in the sender times
receptor in the receiver, mean over a cell's neighbours; and a link for each of the
strongest pairs, from sender to receiver. What is drawn are counts, not attention; the
sentence says how the two correlate. While a cell's partners are on show these layers
are out of sight.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Labels, Surface

from napari_scfm.errors import ModelError
from napari_scfm.experiments.attention.ligands import ligand_receptor, rank_pairs
from napari_scfm.experiments.attention.near import NEIGHBOURS
from napari_scfm.viewer.attention.partner_layers import spacing
from napari_scfm.viewer.attention.partners import at_hand
from napari_scfm.viewer.cells import centroids, label_ids
from napari_scfm.viewer.colouring import auto_limits, label_colormap, value_rgba
from napari_scfm.viewer.fov_layers import metadata, placement
from napari_scfm.viewer.links import wedges, with_halo
from napari_scfm.viewer.session import Legend

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from napari.viewer import Viewer

    from napari_scfm.experiments.attention.ligands import LigandReceptor
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.attention.partners import Found
    from napari_scfm.viewer.session import Session

Side = Literal["received", "sent", "links"]

COLORMAP = "plasma"
MOST = 250
"""Pairs of cells that are linked."""

DECOYS = 100
"""Mismatched pairs that are ranked as well: what any two such genes show."""

CAVEAT = "A product of counts of two genes; not evidence of communication."
LAYERS = "ligand layers"
"""Key of ``session.parts``."""

_NOTHING = (0.34, 0.34, 0.36, 1.0)
"""Cells without any product."""

_LINK = (0.34, 0.71, 0.91, 0.95)
"""Sky blue: neither a colour of the cells nor that of the streams."""

_WIDEST, _THINNEST, _RIM = 0.3, 0.1, 0.04


@dataclass(frozen=True, eq=False)
class Beside:
    """What a ligand-receptor pair is laid beside, taken before a thread starts.

    Attributes
    ----------
    table
        The cells of the FOV.
    found
        Their attention.
    strata
        (n,) kind of each cell, as the streams have them; None for the cell types.
    """

    fov: Any
    found: Found
    strata: np.ndarray | None = None

    @property
    def near(self) -> dict[str, Any]:
        """Who is a neighbour: as for the streams, else the 30 nearest cells."""
        if self.found.radius is not None:
            return {"radius": self.found.radius}
        return {"neighbours": self.found.neighbours or NEIGHBOURS}


@dataclass(frozen=True, eq=False)
class LigandMap:
    """A ligand-receptor pair on show.

    Attributes
    ----------
    fov, model
        Names.
    result
        The :class:`~napari_scfm.experiments.attention.ligands.LigandReceptor`.
    attention
        What it was laid beside.
    side
        Whether cells are coloured by what they receive or send, or not: "links".
    about
        How it was made.
    """

    fov: str
    model: str
    result: LigandReceptor
    attention: Any
    side: Side = "received"
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> np.ndarray:
        """(n,) mean product over a cell's neighbours; NaN without any."""
        made = self.result
        return made.sent if self.side == "sent" else made.received

    @property
    def title(self) -> str:
        """What is on show."""
        side = "sent" if self.side == "sent" else "received"
        return f"{self.result.name}, {side}"

    @property
    def legend(self) -> Legend:
        """What the colours mean."""
        if self.side == "links":
            return Legend()
        ends = "senders" if self.side == "received" else "receivers"
        note = f"ligand × receptor, log1p levels, mean over a cell's {ends}; grey: 0"
        return Legend(self.title, auto_limits(self.values), COLORMAP, note=note)


def beside(session: Session) -> Beside:
    """Return what a pair would be laid beside now.

    Raises
    ------
    ModelError
        If no attention of the FOV on show is at hand.
    """
    found = at_hand(session)
    if found is None:
        raise ModelError(
            "There is no attention of this field of view to compare with.",
            "Press Draw streams in step 7 first.",
        )
    stream, strata = session.stream, None
    if stream is not None and stream.attention is found.attention and stream.kinds:
        strata = np.asarray(stream.kinds)[stream.codes]
    return Beside(session.fov, found, strata)


def lay(
    where: Beside, ligand: str, receptor: str, progress: ProgressCallback | None = None
) -> LigandMap:
    """Lay a ligand-receptor pair beside the attention."""
    found = where.found
    made = ligand_receptor(
        where.fov.table,
        found.attention,
        ligand,
        receptor,
        strata=where.strata,
        progress=progress,
        **where.near,
    )
    about = {
        **found.about,
        "ligand": made.ligand,
        "receptor": made.receptor,
        "spearman": made.spearman,
        "p_value": made.p_value,
        **where.near,
    }
    return LigandMap(where.fov.name, found.model, made, found.attention, about=about)


def rank(
    where: Beside,
    pairs: Iterable[tuple[str, str]],
    permutations: int,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Return all pairs that the panel holds, the surest first, mismatched ones last."""
    return rank_pairs(
        where.fov.table,
        where.found.attention,
        pairs,
        strata=where.strata,
        permutations=permutations,
        decoys=DECOYS,
        progress=progress,
        **where.near,
    )


def turn(session: Session, side: Side) -> None:
    """Colour the cells by what they receive, by what they send, or leave them."""
    if session.ligand is not None and session.ligand.side != side:
        session.ligand = replace(session.ligand, side=side)


def install(viewer: Viewer, session: Session) -> None:
    """Draw ``session.ligand`` whenever it changes; once per session."""
    if "on_ligand" in session.parts:
        return
    reference = weakref.ref(viewer)

    def on_ligand(*_: Any) -> None:
        there = reference()
        if there is not None:
            show(there, session)

    def on_fov(*_: Any) -> None:
        session.ligand = None

    def on_stream(*_: Any) -> None:
        found, made = at_hand(session), session.ligand
        if made is not None and (
            found is None or found.attention is not made.attention
        ):
            session.ligand = None

    def on_partners(*_: Any) -> None:
        _hide_behind_partners(session)

    session.parts["on_ligand"] = on_ligand, on_fov, on_stream, on_partners
    session.events.ligand.connect(on_ligand)
    session.events.fov.connect(on_fov)
    session.events.stream.connect(on_stream)
    session.events.partners.connect(on_partners)


def show(viewer: Viewer, session: Session) -> None:
    """Draw the session's ligand and receptor in place of those before."""
    made, old = session.ligand, session.parts.pop(LAYERS, [])
    if made is not None and _recoloured(session, made, old, viewer):
        return
    for layer in old:
        if layer in viewer.layers:
            viewer.layers.remove(layer)
    if made is None or session.fov is None or "painter" not in session.parts:
        return
    active = viewer.layers.selection.active
    cells, lines = layers = [_cells(session, made), _links(session, made)]
    outlines = session.parts["painter"].layers.outlines
    under = outlines in viewer.layers
    viewer.layers.insert(
        viewer.layers.index(outlines) if under else len(viewer.layers), cells
    )
    viewer.add_layer(lines)
    cells.editable = False
    session.parts[LAYERS] = layers
    _hide_behind_partners(session)
    session.parts["bind"](layers)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def _recoloured(session: Session, made: LigandMap, old: list[Any], viewer: Any) -> bool:
    """Colour the layers that are there by the other side of the same pair."""
    same = bool(old) and old[0].metadata.get("result") is made.result
    if not same or any(layer not in viewer.layers for layer in old):
        return False
    old[0].colormap = label_colormap(_rgba(made), label_ids(session.fov))
    old[0].name = made.title
    session.parts[LAYERS] = old
    _hide_behind_partners(session)
    return True


def _hide_behind_partners(session: Session) -> None:
    """Show the layers where no cell's partners are on show."""
    made, layers = session.ligand, session.parts.get(LAYERS, [])
    if made is None:
        return
    for layer, wanted in zip(layers, (made.side != "links", True), strict=True):
        layer.visible = wanted and session.partners is None


def _about(session: Session, made: LigandMap) -> dict[str, Any]:
    return metadata(session.slide, session.fov, "ligand") | {
        "description": f"{made.result.sentence} {CAVEAT}",
        "model": made.model,
        "orientation": "sender -> receiver",
        "result": made.result,
    }


def _rgba(made: LigandMap) -> np.ndarray:
    """Return (n, 4) colours, opaque: what lies below has a scale of its own."""
    rgba = value_rgba(made.values, auto_limits(made.values), COLORMAP)
    rgba[~(made.values > 0)] = _NOTHING
    return rgba


def _cells(session: Session, made: LigandMap) -> Labels:
    return Labels(
        np.asarray(session.parts["painter"].layers.cells.data),
        name=made.title,
        colormap=label_colormap(_rgba(made), label_ids(session.fov)),
        metadata=_about(session, made),
        opacity=1.0,
        **placement(session.fov),
    )


def _links(session: Session, made: LigandMap) -> Surface:
    receivers, senders, strength = strongest(made.result)
    xy, room = centroids(session.fov.table), spacing(session)
    wide = room * (_THINNEST + (_WIDEST - _THINNEST) * strength)
    vertices, faces, values = wedges(xy[senders], xy[receivers], wide, _RIM * room)
    return Surface(
        (vertices[:, ::-1], faces, values),
        name=f"{made.result.name}, strongest pairs",
        colormap=with_halo(_LINK),
        contrast_limits=(0, 1),
        shading="none",
        blending="translucent_no_depth",
        metadata=_about(session, made),
        units=("um", "um"),
    )


def strongest(made: LigandReceptor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return receivers, senders and strength, 0..1, of the pairs that are linked."""
    order = np.argsort(-made.product, kind="stable")[:MOST]
    order = order[made.product[order] > 0]
    top = float(made.product[order[0]]) if len(order) else 1.0
    pairs = made.pairs
    return pairs.receivers[order], pairs.senders[order], made.product[order] / top
