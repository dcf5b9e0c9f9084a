"""What a training step of sCT hides: strata of single entries, and whole cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.sct.tokens import PAD, ZERO

if TYPE_CHECKING:
    from napari_scfm.training.sct.settings import SCTSettings

GENES = (0.05, 0.4)
"""Bounds of the share of genes that a step hides in all its cells, where it does."""
SHARES = (0.05, 0.9)
"""Bounds of the share of all entries that a step hides, where it draws one."""


@dataclass(frozen=True)
class Hidden:
    """What is hidden of some cells.

    Attributes
    ----------
    mask
        (cells, positions) bool; never a pad.
    weight
        (cells, positions) float32: how much a hidden entry counts.
    """

    mask: np.ndarray
    weight: np.ndarray


def draw(tokens: np.ndarray, rng: np.random.Generator, settings: SCTSettings) -> Hidden:
    """Draw what one window hides.

    Zeros are hidden with one chance, expressed genes with another (paper: 0.01 and
    0.15). Ours: some windows hide whole cells as well, some whole genes, some a drawn
    share of all entries instead of the strata.

    Parameters
    ----------
    tokens
        (cells, positions) with pads.
    rng
        Source of the draws.
    settings
        The chances.
    """
    zero, expressed = settings.hide_chances
    whole, share = rng.random() < settings.whole_cells, 0.0
    if rng.random() < settings.more_entries:
        share = rng.uniform(*SHARES)
        zero = expressed = share
    chance = np.where(tokens == ZERO, zero, expressed)
    mask = rng.random(tokens.shape) < chance
    weight = np.ones(tokens.shape, dtype=np.float32)
    if settings.even:
        weight[tokens == ZERO] = expressed / zero
    if rng.random() < settings.more_genes:
        genes = rng.random(tokens.shape[1]) < rng.uniform(*GENES)
        mask[:, genes], weight[:, genes] = True, 1.0
    if whole:
        rows = _some(len(tokens), rng, settings.most_cells)
        mask[rows], weight[rows] = True, 1.0
    mask &= tokens != PAD
    return Hidden(mask, weight)


def _some(cells: int, rng: np.random.Generator, most: float) -> np.ndarray:
    """Draw cells: at least one, at most a share, and leave one where there are two."""
    largest = max(1, min(round(most * cells), cells - 1))
    return rng.choice(cells, rng.integers(1, largest + 1), replace=False)


def held_out_mask(tokens: np.ndarray, rng: np.random.Generator) -> Hidden:
    """Draw what scoring hides: a fifth of the cells, 15 % of the others' entries."""
    genes = int((tokens[0] != PAD).sum())
    mask = np.zeros(tokens.shape, dtype=bool)
    mask[:, :genes] = rng.random((len(tokens), genes)) < 0.15
    rows = rng.choice(len(tokens), max(1, len(tokens) // 5), replace=False)
    mask[rows, :genes] = True
    return Hidden(mask, np.ones(tokens.shape, dtype=np.float32))
