"""Keeping what a network computes on its way, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Stages(dict[str, "Tensor"]):
    """Named arrays of one pass; see :meth:`.network.SCTNetwork.stages`.

    Names are those of the recorded arrays of the released program; arrays of the
    towers are (B, L, C) here.
    """

    def keep(self, name: str, value: Tensor) -> Tensor:
        """Keep an array under a name and hand it on."""
        self[name] = value
        return value


class NoStages(Stages):
    """Keeps nothing."""

    def keep(self, name: str, value: Tensor) -> Tensor:
        """Hand the array on."""
        return value


NOTHING = NoStages()
