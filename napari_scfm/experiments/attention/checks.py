"""Is the picture the model's? The same attention field, with something broken.

Each check changes one thing and draws the same field again, with the same options. Two
fields are compared by the cosine between their smooth residuals over the nodes with
tissue: what is compared is what is drawn.

* random weights: the same network with weights drawn anew (Adebayo et al., NeurIPS
  2018). What such a network draws too was not learned.
* expression exchanged: cells of one kind exchange their counts, through the model. The
  only test that also covers how a model reads places; its p-value is that of the
  energy of the smooth residual.
* uniform attention: every cell attends alike to all its partners (Wiegreffe and
  Pinter, EMNLP 2019); its raw arrows are compared with the cells' raw arrows, since
  no residual is left of it.
* coordinates: the model is told that cells lie elsewhere; drawn where they lie.
* other checkpoint: another training of the model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.attention.null import p_value, stratify
from napari_scfm.errors import ScfmError, named
from napari_scfm.experiments.attention.asked import (
    FieldOptions,
    Kinds,
    attend_as,
    cell_kinds,
    field_as,
    sees_places,
)
from napari_scfm.experiments.attention.verdicts import (
    CHECKS,
    EXCHANGED,
    OTHER,
    PLACES,
    RANDOM,
    UNIFORM,
    Outcome,
    sentence,
    warns,
)
from napari_scfm.models.base import CellModel
from napari_scfm.models.hub import load_model
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention import Attention
    from napari_scfm.progress import ProgressCallback

SEEDS = 3
"""Networks with new weights."""

ROUNDS = 20
"""Exchanges of expression: the smallest p-value is 1 / 21."""


@dataclass(frozen=True, eq=False)
class _Case:
    """What all checks share: the picture, and how to draw another one like it."""

    model: CellModel
    table: AnnData
    mask: Mask | None
    options: FieldOptions
    kinds: Kinds
    attention: Attention
    field: AttentionField
    xy: np.ndarray
    other: CellModel | None
    tick: Callable[[str], None]

    def attended(
        self, model: CellModel | None = None, table: AnnData | None = None
    ) -> Attention:
        """Return the attention of another model, or in another table."""
        return attend_as(
            model or self.model,
            self.table if table is None else table,
            self.options,
            mask=self.mask,
        )

    def drawn(self, attention: Attention, *, tested: bool = True) -> AttentionField:
        """Return the field of another attention, where the cells lie."""
        options = self.options if tested else replace(self.options, permutations=0)
        return field_as(attention, self.xy, self.kinds, options)

    def compared(self, check: str, fields: Sequence[AttentionField]) -> Outcome:
        """Return how other fields meet the picture."""
        found = [correlation(self.field, field) for field in fields]
        p = float(np.median([field.p_value for field in fields]))
        return Outcome(
            check,
            float(np.mean(found)),
            min(found),
            max(found),
            p,
            repeats=len(found),
            pattern=float(np.mean(np.abs(found))),
        )


def check_attention(
    model: CellModel,
    table: AnnData,
    options: FieldOptions | None = None,
    which: Sequence[str] = CHECKS[:4],
    *,
    other: str | Path | CellModel = "",
    mask: Mask | None = None,
    kinds: Kinds | None = None,
    attention: Attention | None = None,
    field: AttentionField | None = None,
    device: str = "auto",
    seeds: int = SEEDS,
    rounds: int = ROUNDS,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Return what is left of a picture of attention when something is broken.

    Parameters
    ----------
    model
        The model of the picture.
    table, mask
        One field of view, and what is hidden of it.
    options
        Of the picture.
    which
        Some of :data:`.CHECKS`.
    other
        Model, name or folder for the check with another checkpoint.
    kinds
        As in the picture; found as :func:`.cell_kinds` does when None.
    attention, field
        Of the picture, where they are known: neither is then computed again.
    device
        Where the other model runs when it is loaded.
    seeds, rounds
        Networks with new weights, and exchanges of expression.
    progress
        Told after each run of a model.

    Returns
    -------
    DataFrame with check, correlation (mean over repeats), lowest, highest, p_value,
    repeats, changed, pattern, warns and sentence; see :class:`.Outcome`.

    Raises
    ------
    ScfmError
        If a check is not known, or lacks its other checkpoint.
    """
    import pandas as pd

    second = _second(which, other, device)
    runs = {RANDOM: seeds, EXCHANGED: rounds}
    total = sum(runs.get(check, 1) for check in which) + 1
    ticks = iter(range(1, total + 1))

    def tick(what: str) -> None:
        report(progress, next(ticks, total), total, what)

    asked = options or FieldOptions()
    if kinds is None:
        kinds = cell_kinds(
            table, lambda: model.embed(table, mask=mask), asked.strata, asked.seed
        )
    if attention is None:
        attention = attend_as(model, table, asked, mask=mask)
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    field = field or field_as(attention, xy, kinds, asked)
    tick("the picture itself")
    case = _Case(model, table, mask, asked, kinds, attention, field, xy, second, tick)
    run = {
        RANDOM: lambda: _random(case, seeds),
        EXCHANGED: lambda: _exchanged(case, rounds),
        UNIFORM: lambda: _uniform(case),
        PLACES: lambda: _places(case),
        OTHER: lambda: _other(case),
    }
    found = [run[check]() for check in CHECKS if check in which]
    return pd.DataFrame([_row(one) for one in found])


def _row(found: Outcome) -> dict[str, object]:
    return asdict(found) | {"warns": warns(found), "sentence": sentence(found)}


def _second(
    which: Sequence[str], other: str | Path | CellModel, device: str
) -> CellModel | None:
    unknown = [check for check in which if check not in CHECKS]
    if unknown:
        raise ScfmError(
            f"There is no check {named(unknown)}.", f"Checks are: {', '.join(CHECKS)}."
        )
    if OTHER not in which:
        return None
    if isinstance(other, CellModel):
        return other
    if not str(other):
        raise ScfmError(
            "The check with another checkpoint needs one.", "Name a second model."
        )
    return load_model(other, device)


def correlation(one: AttentionField, two: AttentionField) -> float:
    """Return the cosine between two smooth residual fields on one grid.

    ``sum <a, b> / sqrt(sum |a|^2 sum |b|^2)`` over the nodes with tissue; NaN where
    one of the fields is empty.
    """
    smooth = [np.stack([field.grid_u, field.grid_v]) for field in (one, two)]
    return _cosine(*smooth)


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    a, b = np.nan_to_num(one), np.nan_to_num(two)
    size = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / size if size > 0 else float("nan")


def _energy(field: AttentionField) -> float:
    return float(np.nansum(np.square(field.grid_u) + np.square(field.grid_v)))


def _random(case: _Case, seeds: int) -> Outcome:
    from napari_scfm.models.cellplm.anew import with_new_weights

    fields = []
    for seed in range(seeds):
        drawn = with_new_weights(case.model, case.table, mask=case.mask, seed=seed)
        fields.append(case.drawn(case.attended(drawn)))
        case.tick(f"random weights, draw {seed + 1}")
    return case.compared(RANDOM, fields)


def _exchanged(case: _Case, rounds: int) -> Outcome:
    fields = []
    for number, order in enumerate(_orders(case, case.kinds.labels, rounds), start=1):
        table = _changed(case.table, order, np.arange(len(order)))
        fields.append(case.drawn(case.attended(table=table), tested=False))
        case.tick(f"expression exchanged, {number} of {rounds}")
    found = case.compared(EXCHANGED, fields)
    energies = np.array([_energy(field) for field in fields])
    return replace(found, p_value=p_value(_energy(case.field), energies))


def _uniform(case: _Case) -> Outcome:
    field = case.drawn(case.attention.even())
    case.tick("uniform attention")
    found = _cosine(case.field.vectors, field.vectors)
    return Outcome(UNIFORM, found, found, found, field.p_value)


def _places(case: _Case) -> Outcome:
    order = next(_orders(case, None, 1))
    table = _changed(case.table, np.arange(len(order)), order)
    attention = case.attended(table=table)
    found = case.compared(PLACES, [case.drawn(attention)])
    case.tick("coordinates exchanged")
    return replace(found, changed=sees_places(case.model, case.table, case.options))


def _other(case: _Case) -> Outcome:
    found = case.compared(OTHER, [case.drawn(case.attended(case.other))])
    case.tick("other checkpoint")
    return found


def _orders(case: _Case, labels: np.ndarray | None, count: int) -> Iterator[np.ndarray]:
    """Yield orders in which cells of a bag, and of a kind, change places."""
    strata = stratify(case.attention.homes(), case.xy, labels)
    return strata.permutations(count, case.options.seed)


def _changed(table: AnnData, counts: np.ndarray, places: np.ndarray) -> AnnData:
    """Return a table in which cell i has the counts and the place of others.

    Parameters
    ----------
    table
        Not changed.
    counts, places
        (n,) whose counts, and whose place.
    """
    import anndata

    xy = np.asarray(table.obsm[keys.SPATIAL])
    return anndata.AnnData(
        table.X[counts], obs=table.obs, var=table.var, obsm={keys.SPATIAL: xy[places]}
    )
