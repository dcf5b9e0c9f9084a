"""The parts of an experiment: tables that are tested one by one, each with its mask.

A field of view is a part. With bags it is random neighbourhoods of it, each of which
is read alone; neighbourhoods that share a cell never lie in one part, so that no cell
is visible in one place and hidden in another of the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import MaskError, SpecError
from napari_scfm.experiments.localise import (
    Place,
    columns_of,
    refuse_unknown,
    skipped_note,
    within,
)
from napari_scfm.masks.neighbourhoods import neighbourhood_bags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from napari_scfm.experiments.spec import Bags, ExperimentSpec
    from napari_scfm.masks.mask import Mask


@dataclass(frozen=True)
class Part:
    """What is tested at once.

    Attributes
    ----------
    fov
        The field of view that it comes from; "" for a table without a slide.
    table
        Raw counts.
    spec
        With the mask of this part.
    mask
        The same, resolved.
    """

    fov: str
    table: AnnData
    spec: ExperimentSpec
    mask: Mask


def parts_of(
    tables: Mapping[str, AnnData], spec: ExperimentSpec
) -> tuple[list[Part], list[str]]:
    """Return the parts of an experiment, and what to say of those left out.

    Parameters
    ----------
    tables
        Field of view -> its cells.
    spec
        What is hidden. Of several parts each is asked for the names that it holds;
        parts in which nothing is hidden are left out.

    Raises
    ------
    SpecError
        If nothing is hidden in any part.
    MaskError
        If a name is in none of the parts.
    """
    pieces: list[tuple[str, AnnData]] = []
    faults: dict[str, MaskError | SpecError] = {}
    for fov, table in tables.items():
        try:
            pieces += [(fov, piece) for piece in _pieces(table, spec)]
        except MaskError as fault:
            faults[fov] = fault
    if len(pieces) == 1 and len(tables) == 1 and spec.bags is None:
        fov, table = pieces[0]
        return [Part(fov, table, spec, hidden_of(table, spec))], []
    columns = columns_of(spec.mask)
    places = [Place.of(table.obs, columns) for _, table in pieces]
    if places:
        refuse_unknown(spec.mask, places)
    parts = []
    for (fov, table), place in zip(pieces, places, strict=True):
        own = spec.model_copy(update={"mask": within(spec.mask, place)})
        try:
            parts.append(Part(fov, table, own, hidden_of(table, own)))
        except (SpecError, MaskError) as fault:
            faults.setdefault(fov, fault)
    if not parts:
        raise next(iter(faults.values()))
    tested = {part.fov for part in parts}
    left = {
        fov: fault.message.rstrip(".")
        for fov, fault in faults.items()
        if fov not in tested
    }
    return parts, [skipped_note(left)] if left else []


def hidden_of(table: AnnData, spec: ExperimentSpec) -> Mask:
    """Return what a spec hides of a table.

    Raises
    ------
    SpecError
        If that is nothing, or the table has fewer than 2 cells.
    MaskError
        If the table does not hold a name.
    """
    if table.n_obs < 2:
        raise SpecError(
            f"An experiment needs at least 2 cells; this table has {table.n_obs}.",
            "Choose another field of view.",
        )
    mask = spec.mask.resolve(table)
    if mask.n_hidden == 0:
        raise SpecError(
            "The experiment hides nothing.", "Name genes, cells or entries to hide."
        )
    return mask


def _pieces(table: AnnData, spec: ExperimentSpec) -> list[AnnData]:
    return [table] if spec.bags is None else bag_tables(table, spec.bags, spec.seed)


def bag_tables(table: AnnData, bags: Bags, seed: int) -> list[AnnData]:
    """Return random neighbourhoods as tables whose ``obs["fov"]`` names the bag.

    Parameters
    ----------
    table
        Raw counts of one or more fields of view.
    bags
        How many neighbourhoods, of how many cells.
    seed
        Of their seed cells.

    Returns
    -------
    As few tables as leave every cell at most once in each.

    Raises
    ------
    MaskError
        If there are too few cells.
    """
    rows, names = neighbourhood_bags(table, bags.count, bags.size, seed)
    rounds: list[list[int]] = []
    held: list[set[int]] = []
    for number in range(bags.count):
        cells = set(rows[number * bags.size : (number + 1) * bags.size].tolist())
        free = [place for place, other in enumerate(held) if not other & cells]
        if not free:
            rounds.append([])
            held.append(set())
        place = free[0] if free else -1
        rounds[place].append(number)
        held[place] |= cells
    found = []
    for numbers in rounds:
        at = np.isin(np.arange(len(rows)) // bags.size, numbers)
        piece = table[rows[at]].copy()
        piece.obs[keys.FOV] = names[at]
        found.append(piece)
    return found
