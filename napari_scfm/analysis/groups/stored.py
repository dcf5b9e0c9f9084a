"""Groupings in a table, under the keys that scanpy, squidpy and CELLxGENE read.

``obs[key]`` is a categorical whose categories are the names in the order of the
legend; ``uns[f"{key}_colors"]`` holds a "#rrggbb" for each of them, and
``obs[f"{key}_confidence"]`` how sure each cell's class is, where that is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.groups.colours import unused
from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.errors import ScfmError, named
from napari_scfm.slides.results import forget_kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def to_obs(grouping: Grouping, table: AnnData) -> None:
    """Write a grouping to ``obs`` and its colours to ``uns``; in no class = missing.

    What scanpy and squidpy found of former classes of that name goes.

    Raises
    ------
    ScfmError
        If the table has other cells.
    """
    import pandas as pd

    if len(grouping.labels) != table.n_obs:
        raise ScfmError(
            f"{grouping.key} has {len(grouping.labels)} cells, the table "
            f"{table.n_obs}.",
            "Write it to the table of the whole slide.",
        )
    forget_kinds(table.uns, grouping.key)
    table.obs[grouping.key] = pd.Categorical.from_codes(
        grouping.labels, categories=pd.Index(list(grouping.names), dtype=object)
    )
    table.uns[keys.colours(grouping.key)] = np.array(hexes(grouping.colours))
    if grouping.confidence is not None:
        table.obs[keys.confidence(grouping.key)] = grouping.confidence.copy()
    if grouping.about:
        ours = dict(table.uns.get(keys.UNS, {}))
        ours[keys.GROUPINGS] = {
            **ours.get(keys.GROUPINGS, {}),
            grouping.key: grouping.about,
        }
        table.uns[keys.UNS] = ours


def from_obs(table: AnnData, column: str) -> Grouping:
    """Return the grouping in a column of a table.

    Colours are those of ``uns``; categories for which there is none, or none that can
    be read, get colours nobody has. Categories without a cell are left out.

    Raises
    ------
    ScfmError
        If there is no such column, or it holds measurements.
    """
    if column not in table.obs:
        raise ScfmError(
            f"The table has no column {column!r}.",
            f"It has {named(table.obs.columns, 12)}.",
        )
    values = table.obs[column]
    if values.dtype.kind == "f":
        raise ScfmError(
            f"Column {column!r} holds numbers with decimals, not classes.",
            "Choose a column of names.",
        )
    found = values.astype("category").cat
    stored = table.uns.get(keys.colours(column), [])
    colours = palette(stored, len(found.categories))
    about = table.uns.get(keys.UNS, {}).get(keys.GROUPINGS, {}).get(column, "")
    names = [str(category) for category in found.categories]
    made = Grouping.of(column, np.asarray(found.codes), names, colours, str(about))
    sure = table.obs.get(keys.confidence(column))
    if sure is None or sure.dtype.kind != "f":
        return made
    return replace(made, confidence=sure.to_numpy(dtype=np.float32))


def palette(stored: Sequence[object], count: int) -> np.ndarray:
    """Return (count, 4) RGBA of a stored list of colours.

    Where there is none, or none that can be read, a colour that nobody has.
    """
    known = _read(stored, count)
    colours = np.ones((count, 4), dtype=np.float32)
    free = unused(np.array([c for c in known if c]).reshape(-1, 3), known.count(None))
    left = iter(free[:, :3].tolist())
    for place, colour in enumerate(known):
        colours[place, :3] = colour or next(left)
    return colours


def hexes(colours: np.ndarray) -> list[str]:
    """Return "#rrggbb" of (n, 3 or 4) colours from 0 to 1."""
    whole = np.rint(np.asarray(colours)[:, :3] * 255).astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in whole.tolist()]


def _read(
    stored: Sequence[object], count: int
) -> list[tuple[float, float, float] | None]:
    """Return the colours of a list of their names; None where one cannot be read."""
    from matplotlib.colors import is_color_like, to_rgb

    texts = [str(value) for value in list(stored)[:count]]
    texts += [""] * (count - len(texts))
    return [to_rgb(text) if is_color_like(text) else None for text in texts]
