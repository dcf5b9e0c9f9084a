"""Undo and redo of masks: a list of steps and a place in it.

A step is what was said (the spec) and what it hides (the mask). Only the current mask
is held whole; between steps the words of bits that changed are kept, so that a hundred
clicks on a slide of 100,000 cells take kilobytes, not a gigabyte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.masks.mask import Change, Mask
    from napari_scfm.masks.spec import MaskSpec

DEPTH = 100


@dataclass(frozen=True)
class Step:
    """What is hidden at one time.

    Attributes
    ----------
    spec
        How it was said.
    mask
        What it hides of the table.
    """

    spec: MaskSpec
    mask: Mask


class MaskHistory:
    """Masks in the order in which they were made, each with its spec.

    Parameters
    ----------
    spec, mask
        The first step; undo never goes behind it.
    """

    def __init__(self, spec: MaskSpec, mask: Mask) -> None:
        self._specs = [spec]
        self._changes: list[Change] = []
        self._mask = mask
        self._at = 0

    @property
    def current(self) -> Step:
        """The step that holds now."""
        return Step(self.spec, self.mask)

    @property
    def spec(self) -> MaskSpec:
        """How what is hidden now was said."""
        return self._specs[self._at]

    @property
    def mask(self) -> Mask:
        """What is hidden now."""
        return self._mask

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, oldest first; those after the current one were undone.

        Each mask is held whole here: do not keep them longer than needed.
        """
        masks = [self._mask]
        for change in reversed(self._changes[: self._at]):
            masks.insert(0, masks[0].changed(change))
        for change in self._changes[self._at :]:
            masks.append(masks[-1].changed(change))
        return tuple(map(Step, self._specs, masks))

    @property
    def at(self) -> int:
        """Position of the current step in :attr:`steps`."""
        return self._at

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier step."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether an undone step can come back."""
        return self._at < len(self._specs) - 1

    def push(self, spec: MaskSpec, mask: Mask) -> Step:
        """Make a step the current one; what was undone is forgotten.

        A mask equal to the current one adds no step.

        Raises
        ------
        MaskError
            If the mask is of another table.
        """
        if mask == self._mask:
            return self.current
        change = self._mask.change_to(mask)
        del self._specs[self._at + 1 :], self._changes[self._at :]
        self._specs.append(spec)
        self._changes.append(change)
        forgotten = max(0, len(self._specs) - DEPTH)
        del self._specs[:forgotten], self._changes[:forgotten]
        self._at = len(self._specs) - 1
        self._mask = mask
        return self.current

    def undo(self) -> Step:
        """Go one step back, if there is one; return the current step."""
        if self.can_undo:
            self._at -= 1
            self._mask = self._mask.changed(self._changes[self._at])
        return self.current

    def redo(self) -> Step:
        """Go one step forward, if there is one; return the current step."""
        if self.can_redo:
            self._mask = self._mask.changed(self._changes[self._at])
            self._at += 1
        return self.current
