"""A mask on one field of view of several: names that lie elsewhere fall away.

Cells, fields of view and values of ``obs`` belong to places. What a mask names must be
somewhere among the tested fields of view, but need not be in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_scfm import keys
from napari_scfm.errors import MaskError, counted, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from napari_scfm.masks.spec import MaskSpec


@dataclass(frozen=True)
class Place:
    """What can be named in a field of view.

    Attributes
    ----------
    cells
        Names.
    values
        Column of ``obs`` -> its values, as text.
    """

    cells: frozenset[str]
    values: dict[str, frozenset[str]]

    @classmethod
    def of(cls, obs: pd.DataFrame, columns: Iterable[str]) -> Place:
        """Return what some cells can be named by, in these columns and their FOVs."""
        held = {keys.FOV, *columns}.intersection(map(str, obs.columns))
        return cls(
            frozenset(map(str, obs.index)),
            {name: frozenset(obs[name].dropna().astype(str)) for name in held},
        )

    def holds(self, column: str, value: str) -> bool:
        """Return whether a name or a value is here; column "" is the cells."""
        if not column:
            return value in self.cells
        return value in self.values.get(column, frozenset())


def columns_of(spec: MaskSpec) -> set[str]:
    """Return the columns of ``obs`` that a mask reads."""
    parts = (*spec.also, *spec.minus)
    return set(spec.obs).union(*[columns_of(part) for part in parts])


def refuse_unknown(spec: MaskSpec, places: Iterable[Place]) -> None:
    """Refuse names that are in none of the places.

    Raises
    ------
    MaskError
        Naming all of them.
    """
    places = list(places)
    lost = [
        (column, value)
        for column, value in _names(spec)
        if not any(place.holds(column, value) for place in places)
    ]
    if not lost:
        return
    kinds: dict[str, list[str]] = {}
    for column, value in dict.fromkeys(lost):
        kinds.setdefault(column, []).append(value)
    problems = [
        f"no {column or 'cell'} {named(values)}" for column, values in kinds.items()
    ]
    raise MaskError(
        f"The tested cells have {problems[0]}.",
        "Check the spelling, or test the field of view that has them.",
        problems,
    )


def _names(spec: MaskSpec) -> Iterable[tuple[str, str]]:
    """Yield (column, value) of all that a mask names; column "" for cells."""
    for cell in spec.cells:
        yield "", cell
    for cells in spec.single.values():
        for cell in cells:
            yield "", cell
    for block in spec.blocks:
        for cell in block.cells:
            yield "", cell
    drawn = (*[disc.fov for disc in spec.discs], *[line.fov for line in spec.stripes])
    for fov in (*spec.fovs, *drawn):
        if fov:
            yield keys.FOV, fov
    for column, values in spec.obs.items():
        for value in values:
            yield column, value
    for part in (*spec.also, *spec.minus):
        yield from _names(part)


def within(spec: MaskSpec, place: Place) -> MaskSpec:
    """Return a mask without the cells, values and FOVs that a place does not hold."""

    def here(cells: Iterable[str]) -> tuple[str, ...]:
        return tuple(cell for cell in cells if cell in place.cells)

    single = {gene: here(cells) for gene, cells in spec.single.items()}
    blocks = [
        block.model_copy(update={"cells": here(block.cells)}) for block in spec.blocks
    ]
    obs = {
        column: tuple(value for value in values if place.holds(column, value))
        for column, values in spec.obs.items()
    }
    return spec.model_copy(
        update={
            "cells": here(spec.cells),
            "single": {gene: cells for gene, cells in single.items() if cells},
            "blocks": tuple(b for b in blocks if b.cells or b.cell_count),
            "obs": {column: values for column, values in obs.items() if values},
            "fovs": tuple(f for f in spec.fovs if place.holds(keys.FOV, f)),
            "discs": tuple(d for d in spec.discs if _covers(place, d.fov)),
            "stripes": tuple(s for s in spec.stripes if _covers(place, s.fov)),
            "also": tuple(within(part, place) for part in spec.also),
            "minus": tuple(within(part, place) for part in spec.minus),
        }
    )


def _covers(place: Place, fov: str) -> bool:
    return not fov or place.holds(keys.FOV, fov)


def skipped_note(skipped: dict[str, str]) -> str:
    """Return a sentence on the fields of view that were not tested, and why."""
    why: dict[str, list[str]] = {}
    for fov, reason in skipped.items():
        why.setdefault(reason, []).append(fov)
    said = "; ".join(f"{named(fovs, 8)} ({reason})" for reason, fovs in why.items())
    many = counted(len(skipped), "field of view was", "fields of view were")
    return f"{many} left out: {said}."
