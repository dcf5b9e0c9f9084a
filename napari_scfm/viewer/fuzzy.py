"""Fuzzy search over names: what somebody types is rarely the whole gene symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rank(query: str, names: Sequence[str]) -> list[str]:
    """Return the names that match a query, best first.

    Exact matches come first, then prefixes, substrings, and names that hold the
    letters in order; shorter names first within each.
    """
    wanted = query.strip().casefold()
    if not wanted:
        return list(names)
    scored = []
    for place, name in enumerate(names):
        score = _score(wanted, name.casefold())
        if score is not None:
            scored.append((*score, len(name), place, name))
    return [entry[-1] for entry in sorted(scored)]


def _score(wanted: str, name: str) -> tuple[int, int] | None:
    if name == wanted:
        return 0, 0
    at = name.find(wanted)
    if at >= 0:
        return (1, 0) if at == 0 else (2, at)
    place, first, last = 0, -1, -1
    for letter in wanted:
        place = name.find(letter, place)
        if place < 0:
            return None
        first = place if first < 0 else first
        last = place
        place += 1
    return 3, last - first
