"""Ligand-receptor pairs beside attention, over neighbouring cells.

Attention names no molecule. Here a pair of molecules is laid beside it as a layer of
its own: how much ligand a sender holds times how much receptor a receiver holds, and
the rank correlation of that product with the model's attention over the same pairs of
neighbours. Chance is what the field's null calls chance, inside cell types: receivers
stay, the keys change places. A model reads both genes, so that a correlation beyond
chance says what its attention follows; it is not evidence of communication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.correlation import (
    adjusted,
    correlate,
    over,
)
from napari_scfm.experiments.attention.molecules import (
    Levels,
    held_molecules,
    molecules,
)
from napari_scfm.experiments.attention.near import (
    NEIGHBOURS,
    NearAttention,
    NearPairs,
    Null,
    near_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.models.attention import Attention
    from napari_scfm.progress import ProgressCallback

NULL: Final[Null] = "shift"
LEVEL: Final = 0.05
UNTESTED: Final = (
    "Chance is not known: the model read the cells in windows, so keys cannot change "
    "places."
)
_NULL_WORDS: Final = {
    "shift": "shifts of the map of keys inside cell types",
    "keys": "exchanges of keys between cells of a kind",
}


@dataclass(frozen=True, eq=False)
class LigandReceptor:
    """One ligand-receptor pair beside the attention of the same cells.

    Attributes
    ----------
    ligand, receptor
        As asked for.
    genes
        The table's names of the ligand's subunits, and of the receptor's.
    pairs
        Receivers and senders.
    product
        (m,) level of the ligand in the sender times that of the receptor in the
        receiver; levels are log1p of counts at equal depth.
    attention
        (m,) attention of the pairs in multiples of an even share, less what popular
        keys and the layout of cell types explain.
    levels
        (n, 2) how much ligand and how much receptor each cell holds.
    received, sent
        (n,) mean product over a cell's senders, and over its receivers; NaN without.
    spearman
        Rank correlation of product and attention; NaN where either is constant.
    expected
        Its mean under the null.
    p_value
        ``(1 + b) / (1 + B)``, two-sided around that mean; NaN where there is no
        correlation, or without permutations.
    permutations, null
        B, and what was exchanged.
    untested
        Why nothing was exchanged though it was asked for.
    """

    ligand: str
    receptor: str
    genes: tuple[tuple[str, ...], tuple[str, ...]]
    pairs: NearPairs
    product: np.ndarray
    attention: np.ndarray
    levels: np.ndarray
    received: np.ndarray
    sent: np.ndarray
    spearman: float
    expected: float
    p_value: float
    permutations: int
    null: Null
    untested: str = ""

    @property
    def n_pairs(self) -> int:
        """Number of pairs of neighbours."""
        return len(self.pairs)

    @property
    def name(self) -> str:
        """Both molecules: ``CXCL12 → CXCR4``."""
        return f"{self.ligand} → {self.receptor}"

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        if np.isnan(self.spearman):
            return (
                f"{self.name}: no rank correlation with model attention, as one of "
                f"them is the same over all {self.n_pairs:,} pairs of neighbours."
            )
        text = (
            f"{self.name}: rank correlation with model attention "
            f"{self.spearman:+.3f} over {self.n_pairs:,} pairs of neighbours"
        )
        if np.isnan(self.p_value):
            return f"{text}. {self.untested}".strip()
        return (
            f"{text}, {self.expected:+.3f} by chance (p = {self.p_value:.2g}, "
            f"{self.permutations} {_NULL_WORDS[self.null]})."
        )

    def per_cell(self, table: AnnData) -> pd.DataFrame:
        """Return one row per cell of the table it was made from.

        Columns: cell, x_um, y_um, ligand and receptor (levels), neighbours, received
        and sent.
        """
        import pandas as pd

        xy = np.asarray(table.obsm[keys.SPATIAL])
        return pd.DataFrame(
            {
                "cell": table.obs_names.to_numpy(),
                "x_um": xy[:, 0],
                "y_um": xy[:, 1],
                "ligand": self.levels[:, 0],
                "receptor": self.levels[:, 1],
                "neighbours": self.pairs.partners(),
                "received": self.received,
                "sent": self.sent,
            }
        )


def ligand_receptor(
    table: AnnData,
    attention: Attention,
    ligand: str,
    receptor: str,
    *,
    neighbours: int | None = NEIGHBOURS,
    radius: float | None = None,
    permutations: int = 99,
    seed: int = 0,
    strata: Sequence[object] | np.ndarray | None = None,
    null: Null = NULL,
    progress: ProgressCallback | None = None,
) -> LigandReceptor:
    """Lay a ligand-receptor pair beside attention, and say how they correlate.

    Parameters
    ----------
    table
        Raw counts, with ``obsm["spatial"]`` in um.
    attention
        (n, n) of the same cells.
    ligand, receptor
        Genes, or complexes with subunits joined by "_".
    neighbours
        Senders of each cell: so many nearest cells of its FOV.
    radius
        All cells within this many um instead.
    permutations, seed
        B of the null, and its seed.
    strata
        (n,) cell types or clusters whose layout counts as explained; default: the
        table's cell types, where it has them.
    null
        "shift" or "keys", see :meth:`.NearAttention.exchanged`.
    progress
        Told after each permutation; Cancelled raised in it stops.

    Raises
    ------
    ScfmError
        If the panel lacks a gene (all that it lacks are named), no cell has a
        neighbour, or lengths do not fit.
    """
    found = molecules(table, [ligand, receptor])
    near = _near(table, attention, neighbours, radius, strata)
    levels, pairs = Levels(table), near.near
    held = np.stack([levels.of(found[name]) for name in (ligand, receptor)], axis=1)
    product = held[pairs.senders, 0] * held[pairs.receivers, 1]
    rest = near.residual()
    drawn = permutations if attention.all_seen else 0
    made = correlate(near, [product], rest, null, drawn, seed, progress)
    names = table.var_names
    return LigandReceptor(
        ligand=ligand,
        receptor=receptor,
        genes=(tuple(names[[*found[ligand]]]), tuple(names[[*found[receptor]]])),
        pairs=pairs,
        product=product,
        attention=rest,
        levels=held,
        received=pairs.received(product),
        sent=pairs.sent(product),
        spearman=float(made.observed[0]),
        expected=float(made.expected[0]),
        p_value=float(made.p_value[0]),
        permutations=drawn,
        null=null,
        untested=UNTESTED if drawn < permutations else "",
    )


def rank_pairs(
    table: AnnData,
    attention: Attention,
    pairs: Iterable[tuple[str, str]],
    *,
    neighbours: int | None = NEIGHBOURS,
    radius: float | None = None,
    permutations: int = 99,
    seed: int = 0,
    strata: Sequence[object] | np.ndarray | None = None,
    null: Null = NULL,
    decoys: int = 0,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Rank all ligand-receptor pairs that the panel holds by their correlation.

    One set of permutations serves all pairs. With B permutations no p-value is
    below ``1 / (1 + B)``, and no q-value below that times the pairs over those that
    reach it: for hundreds of pairs ask for 999.

    Parameters
    ----------
    pairs
        (ligand, receptor); those of which the panel lacks a gene are left out.
    table, attention, neighbours, radius, permutations, seed, strata, null, progress
        See :func:`ligand_receptor`.
    decoys
        So many mismatched pairs as well, a ligand and a receptor of two different
        pairs: what any two such genes show. A model knows cells finer than by type,
        and follows genes that mark them whether or not they bind.

    Where the cells were read in windows nothing is exchanged, and p is NaN.

    Returns
    -------
    DataFrame, the surest pair first, decoys last: ligand, receptor, ligand_genes,
    receptor_genes (the table's names), spearman, expected (mean under the null), z
    (difference in the null's standard deviations), p_value, q_value (Benjamini and
    Hochberg 1995), n_pairs, n_both (pairs of cells with both molecules),
    mean_product, decoy.

    Raises
    ------
    ScfmError
        If the panel holds none of the pairs, or as in :func:`ligand_receptor`.
    """
    import pandas as pd

    asked = list(dict.fromkeys((str(a).strip(), str(b).strip()) for a, b in pairs))
    found = held_molecules(table, [name for pair in asked for name in pair])
    held = [pair for pair in asked if pair[0] in found and pair[1] in found]
    if not held:
        raise ScfmError(
            f"The panel of {table.n_vars} genes holds both genes of none of the "
            f"{len(asked)} pairs.",
            "Name another resource, or one for this species.",
        )
    listed = len(held)
    held += _mismatched(held, asked, decoys, seed)
    near = _near(table, attention, neighbours, radius, strata)
    levels, places = Levels(table), near.near
    products = (_product(levels, found[a], found[b], places) for a, b in held)
    drawn = permutations if attention.all_seen else 0
    made = correlate(near, products, near.residual(), null, drawn, seed, progress)
    frame = pd.DataFrame(held, columns=["ligand", "receptor"])
    names = table.var_names
    for side, place in (("ligand_genes", 0), ("receptor_genes", 1)):
        frame[side] = ["+".join(names[[*found[pair[place]]]]) for pair in held]
    frame["spearman"], frame["expected"] = made.observed, made.expected
    frame["z"] = over(made.observed - made.expected, made.spread)
    frame["p_value"] = made.p_value
    parts = (made.p_value[:listed], made.p_value[listed:])
    frame["q_value"] = np.concatenate([adjusted(part) for part in parts])
    frame["n_pairs"] = len(places)
    frame["n_both"], frame["mean_product"] = made.n_both, made.mean
    frame["decoy"] = np.arange(len(held)) >= listed
    sure = -frame["z"].fillna(frame["spearman"]).abs().fillna(0)
    order = np.lexsort((sure, frame["p_value"].fillna(2), frame["decoy"]))
    return frame.iloc[order].reset_index(drop=True)


def yardstick(rows: pd.DataFrame) -> str:
    """Return in one sentence how many pairs go with attention, and how many decoys do.

    Parameters
    ----------
    rows
        From :func:`rank_pairs`.
    """
    if rows["p_value"].isna().all():
        return UNTESTED
    listed, decoys = rows[~rows["decoy"]], rows[rows["decoy"]]
    text = f"{_beyond(listed)} go with the attention beyond chance (p <= {LEVEL:g})"
    if not len(decoys):
        return text + "."
    return (
        f"{text}; so do {_beyond(decoys)} mismatched pairs, a ligand and a receptor of "
        "two different pairs."
    )


def _beyond(rows: pd.DataFrame) -> str:
    sure = int((rows["p_value"] <= LEVEL).sum())
    return f"{sure} of {len(rows)} ({100 * sure / max(len(rows), 1):.0f} %)"


def _mismatched(
    held: Sequence[tuple[str, str]],
    known: Iterable[tuple[str, str]],
    count: int,
    seed: int,
) -> list[tuple[str, str]]:
    """Return pairs of a ligand and a receptor that are not listed as a pair."""
    ligands, receptors = (sorted({pair[side] for pair in held}) for side in (0, 1))
    taken = {frozenset(pair) for pair in known}
    free = [
        (one, other)
        for one in ligands
        for other in receptors
        if one != other and frozenset((one, other)) not in taken
    ]
    drawn = np.random.default_rng(seed).permutation(len(free))[:count]
    return [free[at] for at in sorted(drawn.tolist())]


def _near(
    table: AnnData,
    attention: Attention,
    neighbours: int | None,
    radius: float | None,
    strata: Sequence[object] | np.ndarray | None,
) -> NearAttention:
    labels = None if strata is None else np.asarray(strata)
    if labels is None and keys.CELL_TYPE in table.obs:
        labels = np.asarray(table.obs[keys.CELL_TYPE].astype(str))
    n = attention.n_cells
    given = {table.n_obs, n if labels is None else len(labels)}
    if given != {n}:
        raise ScfmError(
            f"The attention has {n} cells, but there are {table.n_obs} rows in the "
            f"table{'' if labels is None else f' and {len(labels)} strata'}.",
            "Give one of each per cell.",
        )
    if keys.SPATIAL not in table.obsm:
        raise ScfmError(
            "The table has no positions.", f"Put um into obsm[{keys.SPATIAL!r}]."
        )
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    near = near_pairs(xy, attention.homes(), neighbours, radius, attention.seen())
    return NearAttention(attention, near, xy, labels)


def _product(
    levels: Levels, ligand: Sequence[int], receptor: Sequence[int], pairs: NearPairs
) -> np.ndarray:
    return np.asarray(
        levels.of(ligand)[pairs.senders] * levels.of(receptor)[pairs.receivers]
    )
