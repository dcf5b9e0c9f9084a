"""What the numbers of a stream say, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.attention_field import LEVEL, region_p
from napari_scfm.experiments.attention.asked import CLUSTERS
from napari_scfm.keys import CELL_TYPE

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Stream

SMALL = 0.01
"""A share of the energy that should be said to be small."""

FEWEST = 10
"""Cells that make a region; fewer are single cells, of which nothing is said."""

CAVEAT = (
    "Model attention, key to query, residual after cell-type layout. It says where "
    "the model looks; it is not evidence of communication."
)
BLIND = (
    "This model does not read coordinates: it attends to cells by their expression, "
    "wherever they lie."
)
REFUSED = "Among near cells its arrows have no direction, so all cells were taken."
RAW = (
    "Raw: mostly geometry. Whatever the model does, these arrows point from or to the "
    "middle of the tissue; nothing of this is tested."
)
NOTHING = (
    "There is no stream to draw: these cells do not attend to each other, or the "
    "cut-off is too high."
)
CHANCE = {
    "strata": "keys exchanged within {kinds}",
    "rings": "weights shuffled within rings of like distance",
    "keys": "keys exchanged within {kinds}",
    "shift": "the map of keys shifted as a whole",
}
CAUTION = {
    "strata": "Gradients inside {kinds} beat this chance too.",
    "rings": "Where neighbours are alike, this chance is beaten too easily.",
}
"""What else beats a chance; the strict ones say nothing."""


def verdict(stream: Stream) -> str:
    """Return what the permutation test says, and how much there is of it."""
    field = stream.field
    value = field.p_value
    if not stream.lines:
        return NOTHING
    if value is None or value != value:
        return "The streams were not tested against chance."
    test = p_words(value, field.permutations)
    against = f"Chance: {chance_of(stream)}."
    if not field.significant:
        text = f"The rest does not beat chance ({test})"
        share = _share(stream)
        if share:
            return (
                f"{text} as a whole; place by place {share:.0%} of the tissue does, "
                f"elsewhere the streams are grey. {against}"
            )
        return f"{text}, so the streams are drawn grey. {against}"
    text = f"The rest beats chance ({test})"
    rest = field.shares[2]
    if rest < SMALL:
        size = "less than 0.1%" if rest < 0.001 else f"only {rest:.1%}"
        text += f", but is {size} of the arrows' energy"
    caution = CAUTION.get(null_of(stream), "").format(kinds=kinds_of(stream))
    return f"{text}. {_where(stream)}{against} {caution}".strip()


def said(stream: Stream) -> str:
    """Return the verdict in a few words."""
    value = stream.field.p_value
    if not stream.lines or value is None or value != value:
        return verdict(stream)
    does = "beats" if stream.field.significant else "does not beat"
    return f"The rest {does} chance, {p_words(value, stream.field.permutations)}."


def p_words(value: float, permutations: int) -> str:
    """Return p with what it is made of: (1 + b) / (1 + B)."""
    beaten = round(value * (1 + permutations)) - 1
    return f"p = {value:.2g} = (1 + {beaten}) / (1 + {permutations})"


def chance_of(stream: Stream) -> str:
    """Return what was shuffled."""
    return CHANCE[null_of(stream)].format(kinds=kinds_of(stream))


def null_of(stream: Stream) -> str:
    """Return the name of the null; older sessions had one only."""
    null = str(getattr(stream.field, "null", ""))
    return null if null in CHANCE else "strata"


def kinds_of(stream: Stream) -> str:
    """Return what the kinds of cells are called that chance keeps apart."""
    source = stream.about.get("strata", "")
    if source == CLUSTERS:
        return "clusters of the model's embedding"
    return f"the kinds of {source}" if source not in ("", CELL_TYPE) else "cell types"


def region_words(stream: Stream, rows: np.ndarray) -> str:
    """Return what the test says of a region of selected cells; "" for a few cells."""
    if len(rows) < FEWEST or not len(getattr(stream.field, "shuffled", ())):
        return ""
    p = region_p(stream.field, rows)
    if p != p:
        return ""
    verdict = "beats" if p <= LEVEL else "does not beat"
    return (
        f"The region of {len(rows)} selected cells {verdict} chance "
        f"({p_words(p, stream.field.permutations)}). This holds for a region that was "
        "not chosen for its streams."
    )


def _where(stream: Stream) -> str:
    """Return in how much of the tissue chance is beaten; "" where nobody knows."""
    share = _share(stream)
    if share is None:
        return ""
    if share > 0.995:
        return "It does so at every place. "
    if share == 0:
        return "No place does by itself, so the streams are grey. "
    return f"Place by place {share:.0%} of the tissue does; elsewhere they are grey. "


def _share(stream: Stream) -> float | None:
    """Return the share of the tissue that beats chance; None where nobody knows."""
    beats = getattr(stream.field, "beats_chance", None)
    if beats is None:
        return None
    tissue = np.isfinite(stream.field.grid_u)
    return float(beats[tissue].mean()) if tissue.any() else 0.0


def banner(stream: Stream) -> str:
    """Return what must be known first: whether places play a part at all."""
    if stream.about.get("reads_positions", True) is not False:
        return ""
    refused = stream.about.get("neighbours_refused", False)
    return f"{BLIND} {REFUSED}" if refused else BLIND


def pair_words(stream: Stream) -> str:
    """Return which pair of kinds the streams are restricted to; "" for all."""
    if stream.pair is None:
        return ""
    receiver, sender = stream.pair
    return f"Only what {receiver} (receiver) takes from {sender} (sender)."
