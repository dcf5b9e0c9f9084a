"""Undo and redo of masks: a list of values and a place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.masks.mask import Mask

DEPTH = 100


class MaskHistory:
    """Masks in the order in which they were made.

    Parameters
    ----------
    start
        The first mask; undo never goes behind it.
    """

    def __init__(self, start: Mask) -> None:
        self._masks = [start]
        self._at = 0

    @property
    def current(self) -> Mask:
        """The mask that holds now."""
        return self._masks[self._at]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier mask."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether an undone mask can come back."""
        return self._at < len(self._masks) - 1

    def push(self, mask: Mask) -> Mask:
        """Make a mask the current one; what was undone is forgotten.

        A mask equal to the current one adds no step.
        """
        if mask == self.current:
            return self.current
        del self._masks[self._at + 1 :]
        self._masks.append(mask)
        del self._masks[: max(0, len(self._masks) - DEPTH)]
        self._at = len(self._masks) - 1
        return mask

    def undo(self) -> Mask:
        """Go one step back, if there is one; return the current mask."""
        self._at = max(0, self._at - 1)
        return self.current

    def redo(self) -> Mask:
        """Go one step forward, if there is one; return the current mask."""
        self._at = min(len(self._masks) - 1, self._at + 1)
        return self.current
