"""Whom one cell attends to, and who attends to it, as a number per cell.

The number is the same for a pair of cells from either side: the share of the query's
attention that the key gets, in multiples of an even share; or of what that key
usually gets, since most keys get about the same from every cell and would look the
same whichever cell is clicked. The cell itself is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.experiments.provenance import versions
from napari_scfm.viewer.attention.partner_map import Partners
from napari_scfm.viewer.card import described, distances
from napari_scfm.viewer.cells import cell_names

if TYPE_CHECKING:
    from napari_scfm.models.attention import Attention
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import (
        PartnerLook,
        PartnerScale,
        PartnerWay,
        Session,
    )
    from napari_scfm.viewer.tasks import Work

TOP = 8
"""Partners that are listed, and linked to the cell."""


class Shares:
    """What each query gives to each key, read a cell at a time; linear in the cells.

    Parameters
    ----------
    attention
        Rows are the queries.
    """

    def __init__(self, attention: Attention) -> None:
        self.attention = attention
        self._own = attention.diagonal()
        given = attention.row_sums() - self._own
        homes = attention.homes()
        sizes = np.bincount(homes + 1, minlength=2)
        self._homes = homes
        self._others = np.maximum(sizes[homes + 1] - 1, 0)
        # what a weight of each query is worth, in even shares
        self._worth = np.divide(
            self._others, given, out=np.zeros(len(given)), where=given > 0
        )

    @cached_property
    def usual(self) -> np.ndarray:
        """(n,) what a key gets from an average other cell, in even shares."""
        got = self.attention.apply_transposed(self._worth) - self._own * self._worth
        return np.asarray(got / np.maximum(self._others, 1))

    def times(self, row: int, way: PartnerWay, scale: PartnerScale) -> np.ndarray:
        """Return (n,) the numbers of the pairs of one cell with all others.

        Parameters
        ----------
        row
            The cell.
        way
            "from": the cell is the query; "by": it is the key.
        scale
            "even" or "usual".
        """
        if way == "from":
            out = self.attention.row(row) * self._worth[row]
        else:
            out = self.attention.column(row) * self._worth
        if scale == "usual":
            keys = self.usual if way == "from" else self.usual[row]
            out = np.divide(out, keys, out=np.full(len(out), np.nan), where=keys > 0)
        out[(self._homes != self._homes[row]) | (self._homes < 0)] = np.nan
        out[row] = np.nan
        return np.asarray(out)


@dataclass(eq=False)
class Kept:
    """An attention that was asked from a card, for the cells that are clicked next.

    Attributes
    ----------
    fov, model, mask
        What it was made of; of other ones it says nothing.
    """

    attention: Attention
    fov: Any
    model: Any
    mask: Any
    about: dict[str, Any]


ATTENTION, SHARES = "attention", "attention shares"
"""Keys of ``session.parts``: a :class:`Kept`, and the :class:`Shares` read last."""


def attend(work: Work, progress: ProgressCallback | None = None) -> Kept:
    """Run the model for its attention in the last layer, head mean."""
    from napari_scfm.viewer.tasks import about_of

    made = work.model.attend(work.fov.table, mask=work.mask, progress=progress)
    return Kept(made, work.fov, work.model, work.mask, about_of(work, 0, layer=-1))


def at_hand(session: Session) -> tuple[Attention, str, dict[str, Any]] | None:
    """Return the attention of the FOV on show, its model's name and how it was made.

    That of the streams, else what was asked from a card; None if the model has to run.
    """
    stream, fov = session.stream, session.fov
    if fov is None:
        return None
    if stream is not None and stream.fov == fov.name and stream.attention is not None:
        return stream.attention, stream.model, stream.about
    kept = session.parts.get(ATTENTION)
    same = kept is not None and kept.fov is fov and kept.model is session.model
    if same and kept.mask is session.mask:
        return kept.attention, kept.model.info.name, kept.about
    return None


def partners_of(session: Session, row: int, look: PartnerLook) -> Partners | None:
    """Return the partners of a cell; None if no attention is at hand or asked for."""
    found = at_hand(session)
    if found is None or look.way == "off":
        return None
    attention, model, about = found
    if attention.n_cells != session.n_cells:
        return None
    shares, shown = session.parts.get(SHARES), session.partners
    if shares is None or shares.attention is not attention:
        shares = session.parts[SHARES] = Shares(attention)
    elif shown is not None and (shown.fov, shown.row, shown.look) == (
        session.fov.name, row, look,
    ):  # fmt: skip
        return shown
    times = shares.times(row, look.way, look.scale)
    table = session.fov.table
    order = np.argsort(-np.nan_to_num(times, nan=-1.0), kind="stable")[:TOP]
    order = order[np.nan_to_num(times[order]) > 0]
    far = distances(table, row)[order]
    top = described(table, session.mask, order, far, times[order])
    name = str(cell_names(table)[row])
    made = about or {"versions": versions()}
    return Partners(session.fov.name, model, row, name, look, times, top, dict(made))
