"""The knobs of an sct-panel and of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_scfm.errors import SpecError
from napari_scfm.models.sct.config import ENCODINGS, NORMS
from napari_scfm.training.settings import TrainSettings

SIZES: dict[str, dict[str, int]] = {"small": {}, "base": {"width": 128, "hidden": 256}}
"""Sizes of a new network by name."""
MASKINGS = ("stratified", "uniform")
_SHARES = (
    *("hide_zeros", "hide_expressed", "whole_cells", "most_cells"),
    *("more_entries", "more_genes"),
)


@dataclass(frozen=True)
class SCTSettings(TrainSettings):
    """How an sct-panel is built and trained; the rest is as for other networks.

    Attributes
    ----------
    width, layers, heads, hidden
        Of the transformer over the bottleneck tokens, and of its feed-forward.
    first_width, halvings
        Channels of the first level, and how often the encoder halves the genes.
    cells
        Cells that are read together.
    sequences
        Windows of so many cells in each step.
    norm, encoding, surroundings
        See :class:`napari_scfm.models.sct.config.SCTConfig`.
    masking
        "stratified" (paper): zeros are hidden with chance ``hide_zeros``, expressed
        genes with ``hide_expressed``; or "uniform": all with ``hide_expressed``.
    whole_cells, most_cells
        Ours: chance that a step hides whole cells as well, and the largest share.
    more_entries
        Ours: chance that a step hides a drawn share of all entries instead.
    more_genes
        Ours: chance that a step hides some genes in all its cells as well.
    even
        Ours: whether hidden zeros count for those that the strata leave visible, so
        that chances are those of any hidden entry; False: each hidden entry counts
        alike (paper), and a partly hidden cell is told to express most of what it
        hides.
    scored
        Windows of a held-out FOV that are scored after each epoch.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    average: float = 0.98
    patience: int = 12
    first_width: int = 32
    halvings: int = 5
    cells: int = 50
    sequences: int = 1
    norm: str = "shared"
    encoding: str = "paper"
    surroundings: tuple[float, ...] = (1.0, 50.0)
    masking: str = "stratified"
    hide_zeros: float = 0.01
    hide_expressed: float = 0.15
    whole_cells: float = 0.5
    most_cells: float = 0.9
    more_entries: float = 0.2
    more_genes: float = 0.25
    even: bool = True
    scored: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        problems = [
            f"{name} is {getattr(self, name)!r}, not one of {', '.join(known)}"
            for name, known in (
                ("norm", NORMS),
                ("encoding", ENCODINGS),
                ("masking", MASKINGS),
            )
            if getattr(self, name) not in known
        ]
        problems += [
            f"{name} is {getattr(self, name):g}, no share"
            for name in _SHARES
            if not 0 <= getattr(self, name) <= 1
        ]
        if min(self.hide_zeros, self.hide_expressed) <= 0:
            problems.append("nothing is hidden of zeros or of what is expressed")
        problems += [
            f"{name} is {getattr(self, name)}, not at least 1"
            for name in ("cells", "sequences", "scored")
            if getattr(self, name) < 1
        ]
        if problems:
            raise SpecError(
                f"An sct-panel cannot be trained so: {'; '.join(problems)}.",
                "Correct these settings.",
                problems,
            )

    @classmethod
    def _named(cls) -> dict[str, dict[str, int]]:
        return SIZES

    @property
    def hide_chances(self) -> tuple[float, float]:
        """Chance that a zero, and that an expressed gene, is hidden."""
        if self.masking == "uniform":
            return self.hide_expressed, self.hide_expressed
        return self.hide_zeros, self.hide_expressed


def settings_of(model: Any, size: str) -> TrainSettings:
    """Return the settings of a size for a model, by name or loaded.

    Raises
    ------
    SpecError
        If there is no such size.
    """
    from napari_scfm.training.sct.start import learns_as_sct

    kind = SCTSettings if learns_as_sct(model) else TrainSettings
    return kind.of_size(size)
