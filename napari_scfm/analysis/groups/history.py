"""Undo and redo of groupings: a list of them and a place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.analysis.groups.grouping import Grouping

DEPTH = 100


class GroupingHistory:
    """Groupings in the order in which they were made, each with what was done.

    Parameters
    ----------
    grouping
        The first; undo never goes behind it.
    """

    def __init__(self, grouping: Grouping) -> None:
        self._steps = [(grouping, "")]
        self._at = 0

    @property
    def current(self) -> Grouping:
        """The grouping that holds now."""
        return self._steps[self._at][0]

    @property
    def steps(self) -> tuple[Grouping, ...]:
        """All groupings, oldest first; those after the current one were undone."""
        return tuple(grouping for grouping, _ in self._steps)

    @property
    def at(self) -> int:
        """Position of the current grouping in :attr:`steps`."""
        return self._at

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier grouping."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether an undone grouping can come back."""
        return self._at < len(self._steps) - 1

    @property
    def undoes(self) -> str:
        """What was done last, for a button; "" if there is nothing to undo."""
        return self._steps[self._at][1] if self.can_undo else ""

    @property
    def redoes(self) -> str:
        """What was undone last; "" if nothing was."""
        return self._steps[self._at + 1][1] if self.can_redo else ""

    def push(self, grouping: Grouping, said: str = "") -> Grouping:
        """Make a grouping the current one; what was undone is forgotten.

        A grouping equal to the current one adds no step.

        Parameters
        ----------
        grouping
            What an act returned.
        said
            What was done, in words: "merged 3 and 7".
        """
        if grouping == self.current:
            return self.current
        del self._steps[self._at + 1 :]
        self._steps.append((grouping, said))
        del self._steps[: max(0, len(self._steps) - DEPTH)]
        self._at = len(self._steps) - 1
        return grouping

    def undo(self) -> Grouping:
        """Go one step back, if there is one; return the current grouping."""
        self._at -= self.can_undo
        return self.current

    def redo(self) -> Grouping:
        """Go one step forward, if there is one; return the current grouping."""
        self._at += self.can_redo
        return self.current
