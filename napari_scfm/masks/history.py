"""Undo and redo of masks: a list of steps and a place in it.

A step is what was said (the spec) and what it hides (the mask).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.masks.mask import Mask
    from napari_scfm.masks.spec import MaskSpec

DEPTH = 100


@dataclass(frozen=True, eq=False)
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
        self._steps = [Step(spec, mask)]
        self._at = 0

    @property
    def current(self) -> Step:
        """The step that holds now."""
        return self._steps[self._at]

    @property
    def spec(self) -> MaskSpec:
        """How what is hidden now was said."""
        return self.current.spec

    @property
    def mask(self) -> Mask:
        """What is hidden now."""
        return self.current.mask

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, oldest first; those after the current one were undone."""
        return tuple(self._steps)

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
        return self._at < len(self._steps) - 1

    def push(self, spec: MaskSpec, mask: Mask) -> Step:
        """Make a step the current one; what was undone is forgotten.

        A mask equal to the current one adds no step.
        """
        if mask == self.mask:
            return self.current
        del self._steps[self._at + 1 :]
        self._steps.append(Step(spec, mask))
        del self._steps[: max(0, len(self._steps) - DEPTH)]
        self._at = len(self._steps) - 1
        return self.current

    def undo(self) -> Step:
        """Go one step back, if there is one; return the current step."""
        self._at = max(0, self._at - 1)
        return self.current

    def redo(self) -> Step:
        """Go one step forward, if there is one; return the current step."""
        self._at = min(len(self._steps) - 1, self._at + 1)
        return self.current
