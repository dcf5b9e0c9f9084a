"""Genes by sparsity: the four strata of the fixed-genes protocol.

Groups follow the text of CellPLM (Wen et al., ICLR 2024, appendix F.2): share of
zeros below .75, .75 to .90, .90 to .95, .95 and above, left-closed. The released
sampler is right-closed and drops genes without a zero; that is not followed. Genes
without any count cannot be scored and belong to no stratum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import MaskError, counted
from napari_scfm.masks.counts import cells_per_gene
from napari_scfm.masks.make import mask_genes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.masks.spec import MaskSpec

StratumName = Literal["low", "moderate", "high", "very high"]
STRATA = ("low", "moderate", "high", "very high")
_EDGES = np.array([0.75, 0.90, 0.95])


def strata(table: AnnData) -> pd.Series:
    """Return each gene's stratum, a categorical; missing for genes without counts."""
    import pandas as pd

    expressed = cells_per_gene(table)
    share_of_zeros = 1 - expressed / max(table.n_obs, 1)
    codes = np.searchsorted(_EDGES, share_of_zeros, side="right")
    names = np.array(STRATA, dtype=object)[codes]
    names[expressed == 0] = None
    values = pd.Categorical(names, categories=list(STRATA), ordered=True)
    return pd.Series(values, index=table.var_names, name="stratum")


def mask_strata(table: AnnData, per_stratum: int = 25, seed: int = 0) -> Mask:
    """Hide up to ``per_stratum`` genes of each sparsity stratum in every cell.

    A stratum with fewer genes gives all it has.

    Raises
    ------
    MaskError
        If the number is below 1 or no gene has a count.
    """
    if per_stratum < 1:
        raise MaskError(
            f"{per_stratum} genes per stratum hide nothing.", "Ask for 1 or more."
        )
    rng = np.random.default_rng(seed)
    group = strata(table)
    chosen: list[str] = []
    for name in STRATA:
        pool = np.asarray(group.index[group == name])
        number = min(per_stratum, len(pool))
        chosen += sorted(rng.choice(pool, number, replace=False)) if number else []
    if not chosen:
        raise MaskError(
            "No gene of this table has a count, so none can be hidden.",
            "Choose a table with counts.",
        )
    return mask_genes(table, chosen)


def drawn_notes(table: AnnData, spec: MaskSpec) -> list[str]:
    """Return how many genes each stratum gave, where a spec asks for so many of each.

    Panels of a few hundred genes often hold fewer than 25 of a kind, and a number over
    fewer genes must say so.
    """
    notes = []
    for part in _all_parts(spec):
        if not part.per_stratum:
            continue
        held = strata(table).value_counts(sort=False)
        given = [
            f"{name} {min(part.per_stratum, size)}"
            + (" (all there are)" if 0 < size < part.per_stratum else "")
            for name, size in held.items()
        ]
        empty = int(strata(table).isna().sum())
        never = (
            f"; {counted(empty, 'gene')} without any count left out" if empty else ""
        )
        notes.append(
            f"Genes drawn of each sparsity stratum, {part.per_stratum} asked: "
            f"{', '.join(given)}{never}{_of_fov(table)}."
        )
    return notes


def _all_parts(spec: MaskSpec) -> Iterator[MaskSpec]:
    yield spec
    for part in spec.also:
        yield from _all_parts(part)


def _of_fov(table: AnnData) -> str:
    fovs = table.obs[keys.FOV].unique() if keys.FOV in table.obs else []
    return f" ({fovs[0]})" if len(fovs) == 1 else ""
