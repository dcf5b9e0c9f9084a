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

from napari_scfm.experiments.attention.near import near_pairs
from napari_scfm.experiments.provenance import versions
from napari_scfm.viewer.attention.partner_map import UNIT, Partners
from napari_scfm.viewer.card import described, distances
from napari_scfm.viewer.cells import cell_names, centroids

if TYPE_CHECKING:
    from napari_scfm.experiments.attention.near import NearPairs
    from napari_scfm.models.attention import Attention
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.attention.partner_look import (
        PartnerLook,
        PartnerScale,
        PartnerWay,
    )
    from napari_scfm.viewer.session import Session
    from napari_scfm.viewer.tasks import Work

TOP = 8
"""Partners that are listed, and linked to the cell."""


class Shares:
    """What each query gives to each key, read a cell at a time; linear in the cells.

    Parameters
    ----------
    attention
        Rows are the queries.
    near
        The pairs that count, where cells have only near partners; None for all.
    """

    def __init__(self, attention: Attention, near: NearPairs | None = None) -> None:
        self.attention, self.near = attention, near
        if near is None:
            self._homes = attention.homes()
            sizes = np.bincount(self._homes + 1, minlength=2)
            self.partners = np.maximum(sizes[self._homes + 1] - 1, 0)
            self._own = attention.diagonal()
            given = attention.row_sums() - self._own
        else:
            self.partners = near.partners()
            self._weights = attention.pairs(near.receivers, near.senders)
            given = np.bincount(near.receivers, self._weights, near.n_cells)
        # what a weight of each query is worth, in even shares
        out = np.zeros(attention.n_cells)
        self._worth = np.divide(self.partners, given, out=out, where=given > 0)

    @cached_property
    def usual(self) -> np.ndarray:
        """(n,) what a key gets from an average partner, in even shares."""
        if self.near is not None:
            return np.nan_to_num(self.near.sent(self._near_times))
        got = self.attention.apply_transposed(self._worth) - self._own * self._worth
        return np.asarray(got / np.maximum(self.partners, 1))

    @cached_property
    def _near_times(self) -> np.ndarray:
        return np.asarray(self._weights * self._worth[self.near.receivers])

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
        out = self._of(row, way)
        if scale == "usual":
            keys = self.usual if way == "from" else self.usual[row]
            out = np.divide(out, keys, out=np.full(len(out), np.nan), where=keys > 0)
        out[row] = np.nan
        return np.asarray(out)

    def _of(self, row: int, way: PartnerWay) -> np.ndarray:
        if self.near is not None:
            near, out = self.near, np.full(self.near.n_cells, np.nan)
            ours, theirs = near.receivers, near.senders
            if way == "by":
                ours, theirs = theirs, ours
            out[theirs[ours == row]] = self._near_times[ours == row]
            return out
        if way == "from":
            out = self.attention.row(row) * self._worth[row]
        else:
            out = self.attention.column(row) * self._worth
        out[(self._homes != self._homes[row]) | (self._homes < 0)] = np.nan
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


@dataclass(frozen=True, eq=False)
class Found:
    """An attention that can be read without a run of the model.

    Attributes
    ----------
    model, about
        Whose, and how it was made.
    neighbours, radius
        Near partners, as the streams were asked for; None for all cells.
    """

    attention: Attention
    model: str
    about: dict[str, Any]
    neighbours: int | None = None
    radius: float | None = None

    @property
    def among(self) -> str:
        """Among whom attention is shared out."""
        if self.radius is not None:
            return f"among cells within {self.radius:g} µm"
        if self.neighbours is not None:
            return f"among the {self.neighbours} nearest cells"
        return ""

    def shares(self, xy: np.ndarray) -> Shares:
        """Return what the cells at (n, 2) positions give to each other."""
        if not self.among:
            return Shares(self.attention)
        homes, seen = self.attention.homes(), self.attention.seen()
        near = near_pairs(xy, homes, self.neighbours, self.radius, seen)
        return Shares(self.attention, near)


def at_hand(session: Session) -> Found | None:
    """Return the attention of the FOV on show: that of the streams, or of a card.

    None if the model would have to run.
    """
    stream, fov = session.stream, session.fov
    if fov is None:
        return None
    if stream is not None and stream.fov == fov.name and stream.attention is not None:
        near = [
            getattr(stream.options, name, None) for name in ("neighbours", "radius")
        ]
        return Found(stream.attention, stream.model, stream.about, *near)
    kept = session.parts.get(ATTENTION)
    same = kept is not None and kept.fov is fov and kept.model is session.model
    if same and kept.mask is session.mask:
        return Found(kept.attention, kept.model.info.name, kept.about)
    return None


def shares_of(session: Session, found: Found) -> Shares:
    """Return what an attention gives from cell to cell, kept while it is on show."""
    asked = (found.attention, found.neighbours, found.radius)
    kept = session.parts.get(SHARES)
    if kept is None or kept[0] != asked:
        made = found.shares(centroids(session.fov.table))
        kept = session.parts[SHARES] = (asked, made)
    return kept[1]


def partners_of(session: Session, row: int, look: PartnerLook) -> Partners | None:
    """Return the partners of a cell; None if no attention is at hand or asked for.

    What is on show already is returned as it is.
    """
    found = at_hand(session)
    if found is None or look.way == "off":
        return None
    if found.attention.n_cells != session.n_cells:
        return None
    shares, shown = shares_of(session, found), session.partners
    same = shown is not None and shown.shares is shares
    if same and (shown.row, shown.look) == (row, look):
        return shown
    times = shares.times(row, look.way, look.scale)
    table = session.fov.table
    order = np.argsort(-np.nan_to_num(times, nan=-1.0), kind="stable")[:TOP]
    order = order[np.nan_to_num(times[order]) > 0]
    far = distances(table, row)[order]
    return Partners(
        fov=session.fov.name,
        model=found.model,
        row=row,
        cell=str(cell_names(table)[row]),
        look=look,
        times=times,
        top=described(table, session.mask, order, far, times[order]),
        among=found.among,
        said=worth(shares, row, look),
        about=_about(session, found, row, look),
        shares=shares,
    )


def _about(
    session: Session, found: Found, row: int, look: PartnerLook
) -> dict[str, Any]:
    return {
        **(found.about or {"versions": versions()}),
        "cell": str(cell_names(session.fov.table)[row]),
        "shows": "attends to" if look.way == "from" else "attended by",
        "unit": UNIT[look.scale],
    }


def worth(shares: Shares, row: int, look: PartnerLook) -> str:
    """Return what the numbers of a cell are worth: how uneven, how much its own."""
    given = shares.times(row, look.way, "even")
    known = np.isfinite(given)
    given, usual = given[known], shares.usual[known]
    if not given.any():
        return "There is nobody to attend to." if look.way == "from" else (
            "No other cell attends to it."
        )  # fmt: skip
    if look.way == "by":
        rank = 1 + int((shares.usual > shares.usual[row]).sum())
        return (
            f"On average it gets {shares.usual[row]:.2g} times an even share: number "
            f"{rank:,} of {len(shares.usual):,} cells."
        )
    spread = given.sum() ** 2 / np.square(given).sum()
    text = f"Shared out as if evenly over {spread:,.0f} of {len(given):,} cells."
    same = _same(given, usual)
    if np.isfinite(same):
        text += f" {_percent(same)} of the differences are the same whichever cell is "
        text += "clicked"
        text += "; that part is taken out." if look.scale == "usual" else "."
    return text


def _same(given: np.ndarray, usual: np.ndarray) -> float:
    """Return the share of what a cell gives that all cells give alike; NaN if even."""
    if len(given) < 3 or not np.ptp(usual) > 0 or not np.ptp(given) > 0:
        return float("nan")
    return float(np.corrcoef(given, usual)[0, 1]) ** 2


def _percent(share: float) -> str:
    return "More than 99%" if 0.99 < share < 1 - 1e-9 else f"{share:.0%}"
