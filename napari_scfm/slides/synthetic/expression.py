"""How much of each gene a cell expresses, and what the machine counts of it.

Log rates add up: a gene's own level, the markers of the type, the programs that the
cell runs (smooth in space plus a part of its own) and the signals it receives. Counts
are negative binomial, thinned by drop-out that spares the abundant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.slides.synthetic.cell_types import CELL_TYPES, NAMES, index
from napari_scfm.slides.synthetic.fields import RandomField
from napari_scfm.slides.synthetic.programs import (
    COMMON,
    INTERACTIONS,
    MARKERS,
    PROGRAMS,
    SPARSE,
    Interaction,
    Program,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LOADING: Final = 0.75
"""Natural-log change of a gene for one standard deviation of a program."""

DISPERSION: Final = 9.0
"""Shape of the gamma in the negative binomial."""

DROPOUT: Final = 0.2
"""Chance that an entry of vanishing rate is lost altogether."""


@dataclass(repr=False)
class Expression:
    """Rates and counts of the cells, with what made them.

    Attributes
    ----------
    rates
        (n, genes) float64 expected counts.
    counts
        (n, genes) int64 molecules.
    programs
        (n, programs) float64; NaN where a type does not run the program.
    signals
        (n, interactions) float64 in 0..1; NaN where a type does not answer.
    depth
        (n,) float64 transcripts relative to the mean cell.
    """

    rates: NDArray[np.float64]
    counts: NDArray[np.int64]
    programs: NDArray[np.float64]
    signals: NDArray[np.float64]
    depth: NDArray[np.float64]


def express(
    rng: np.random.Generator,
    genes: Sequence[str],
    xy: NDArray[np.float64],
    kind: NDArray[np.intp],
    area: NDArray[np.float64],
    vessel_distance: NDArray[np.float64],
    transcripts: float,
) -> Expression:
    """Draw the molecules of cells.

    Parameters
    ----------
    rng
        Source of everything random.
    genes
        Panel; genes that no table names are expressed nowhere.
    xy, kind, area
        (n, 2) centres in um, (n,) types, (n,) areas in um2.
    vessel_distance
        (n,) um to the nearest vessel: hypoxia rises with it.
    transcripts
        About the mean number of molecules in a cell, over the whole panel.
    """
    base = _type_levels(rng, genes)
    programs = _programs(rng, xy, kind, vessel_distance)
    log_rate = np.log(base)[kind]
    for column, program in enumerate(PROGRAMS):
        log_rate += _effect(genes, program, programs[:, column])
    signals = _signals(xy, kind, programs)
    for column, interaction in enumerate(INTERACTIONS):
        targets = np.isin(genes, interaction.targets.split())
        rise = interaction.strength * np.nan_to_num(signals[:, column])
        log_rate += rise[:, None] * targets
    own = np.array([one.depth for one in CELL_TYPES])[kind]
    size = np.sqrt(area / np.median(area))
    depth = own * size * rng.lognormal(0.0, 0.3, len(kind))
    rates = np.exp(log_rate)
    rates *= transcripts / rates.sum(axis=1).mean()
    rates *= (depth / depth.mean())[:, None]
    return Expression(rates, _count(rng, rates), programs, signals, depth)


def _type_levels(rng: np.random.Generator, genes: Sequence[str]) -> NDArray[np.float64]:
    """Return (types, genes) levels; each gene has its own, as probes do."""
    count = len(genes)
    base = np.full((len(NAMES), count), 0.03) * rng.lognormal(0.0, 0.6, count)
    base[:, np.isin(genes, SPARSE.split())] *= 1.3
    common = np.isin(genes, COMMON.split())
    base[:, common] += 3.0 * rng.lognormal(0.0, 0.5, int(common.sum()))
    base[:, list(genes).index("MALAT1")] += 12.0
    running = {gene for program in PROGRAMS for gene in program.loadings}
    base[:, np.isin(genes, sorted(running))] += 0.08
    strength = 1.7 * rng.lognormal(0.0, 0.85, count)
    for name, text in MARKERS.items():
        base[index(name), np.isin(genes, text.split())] += strength[
            np.isin(genes, text.split())
        ]
    for program in PROGRAMS:
        raised = np.isin(genes, [g for g, sign in program.loadings.items() if sign > 0])
        for name in program.types:
            base[index(name), raised] += 0.8 if len(program.types) < 4 else 0.35
    return base


def _programs(
    rng: np.random.Generator,
    xy: NDArray[np.float64],
    kind: NDArray[np.intp],
    vessel_distance: NDArray[np.float64],
) -> NDArray[np.float64]:
    values = np.full((len(xy), len(PROGRAMS)), np.nan)
    far = (vessel_distance - 55.0) / 30.0
    for column, program in enumerate(PROGRAMS):
        field = RandomField(rng, program.length).at(xy)
        if program.name == "hypoxia":
            field = np.clip(0.35 * field + far, -2.0, 2.0)
        private = rng.normal(0.0, 1.0, len(xy))
        value = np.sqrt(program.shared) * field + np.sqrt(1 - program.shared) * private
        runs = np.isin(kind, [index(name) for name in program.types])
        values[runs, column] = value[runs]
    return values


def _effect(
    genes: Sequence[str], program: Program, value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, genes) log changes that a program makes."""
    loading = np.array([program.loadings.get(gene, 0.0) for gene in genes])
    level = np.nan_to_num(np.clip(value, -2.2, 2.2))
    effect: NDArray[np.float64] = LOADING * level[:, None] * loading
    return effect


def _signals(
    xy: NDArray[np.float64],
    kind: NDArray[np.intp],
    programs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return saturating sums of exp(-distance / length) over the senders."""
    signals = np.full((len(xy), len(INTERACTIONS)), np.nan)
    for column, interaction in enumerate(INTERACTIONS):
        send = kind == index(interaction.sender)
        answer = np.isin(kind, [index(name) for name in interaction.receivers])
        apart = xy[answer][:, None, :] - xy[send][None, :, :]
        gap = np.hypot(apart[..., 0], apart[..., 1])
        loud = np.exp(LOADING * _ligand(interaction, programs[send]))
        total = np.exp(-gap / interaction.length) @ loud
        signals[answer, column] = total / (total + 1.5)
    return signals


def _ligand(
    interaction: Interaction, programs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the part of the senders' programs that moves the ligand."""
    loading = np.array([one.loadings.get(interaction.ligand, 0.0) for one in PROGRAMS])
    level: NDArray[np.float64] = np.nan_to_num(np.clip(programs, -2.2, 2.2)) @ loading
    return level


def _count(rng: np.random.Generator, rates: NDArray[np.float64]) -> NDArray[np.int64]:
    noisy = rates * rng.gamma(DISPERSION, 1.0 / DISPERSION, rates.shape)
    counts = rng.poisson(noisy)
    counts[rng.uniform(0.0, 1.0, rates.shape) < DROPOUT * np.exp(-rates)] = 0
    result: NDArray[np.int64] = counts.astype(np.int64)
    return result
