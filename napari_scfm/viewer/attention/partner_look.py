"""Whose attention a clicked cell shows, and on which scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PartnerWay = Literal["off", "from", "by"]
PartnerScale = Literal["even", "usual"]


@dataclass(frozen=True)
class PartnerLook:
    """Whose attention a clicked cell shows.

    Attributes
    ----------
    way
        "from": whom it attends to; "by": who attends to it; "off": neither.
    scale
        In multiples of an "even" share, or of the key's "usual" one.
    """

    way: PartnerWay = "from"
    scale: PartnerScale = "even"
