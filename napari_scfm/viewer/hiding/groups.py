"""Groups of cells to choose by: columns of the table, and the clusters on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import MaskError
from napari_scfm.masks.spec import MaskSpec

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Clusters, Session

CLUSTERS = "clusters"
MOST = 60
"""A column with more values than this names cells rather than groups."""
_NOT_GROUPS = (keys.FOV, keys.CELL_ID, keys.LABEL)


def groups_of(session: Session) -> dict[str, list[str]]:
    """Return the columns that cells can be chosen by, and the values of each.

    Cell types first, then the clusters on show, then other columns of words.
    """
    if session.fov is None:
        return {}
    obs = session.fov.table.obs
    found = {}
    for column in sorted(obs.columns, key=lambda name: name != keys.CELL_TYPE):
        if column in _NOT_GROUPS or obs[column].dtype.kind in "fiu":
            continue
        values = obs[column].astype("category").cat.categories
        if 0 < len(values) <= MOST:
            found[str(column)] = [str(value) for value in values]
    made = _clusters(session)
    if made is not None:
        found = {CLUSTERS: list(made.classes)} | found
        if keys.CELL_TYPE in found:
            found = {keys.CELL_TYPE: found[keys.CELL_TYPE]} | found
    return found


def rule_of_group(session: Session, column: str, value: str) -> MaskSpec | np.ndarray:
    """Return the spec of a group of cells; of a cluster, which no table knows, rows.

    Raises
    ------
    MaskError
        If there is no such group.
    """
    if value not in groups_of(session).get(column, []):
        raise MaskError(
            "There is no group of cells to choose.",
            "Open a slide with cell types, or cluster the cells in step 6.",
        )
    made = _clusters(session)
    if column == CLUSTERS and made is not None:
        return np.flatnonzero(made.values == made.classes.index(value))
    return MaskSpec(obs={column: (value,)})


def _clusters(session: Session) -> Clusters | None:
    made = session.clusters
    return made if made is not None and made.fov == session.fov.name else None
