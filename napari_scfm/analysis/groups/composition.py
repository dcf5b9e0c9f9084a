"""How many cells of each class a field of view has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from napari_scfm.analysis.groups.grouping import Grouping


def composition(grouping: Grouping, fovs: ArrayLike) -> pd.DataFrame:
    """Return the cells of each class in each field of view.

    Parameters
    ----------
    grouping
        Of n cells.
    fovs
        (n,) name of each cell's FOV, or section.

    Returns
    -------
    DataFrame of counts: a row per FOV in order of appearance (index ``fov``), a column
    per class in the order of the legend. Cells in no class are not counted.
    """
    import pandas as pd

    codes, found = pd.factorize(np.asarray(fovs, dtype=object), use_na_sentinel=False)
    if len(codes) != len(grouping.labels):
        raise ScfmError(
            f"{grouping.key} has {len(grouping.labels)} cells, but there are FOVs of "
            f"{len(codes)}.",
            "Give the FOV of every cell.",
        )
    counts = np.zeros((len(found), len(grouping.names)), dtype=np.int64)
    inside = grouping.labels >= 0
    np.add.at(counts, (codes[inside], grouping.labels[inside]), 1)
    index = pd.Index([str(fov) for fov in found], name="fov")
    return pd.DataFrame(counts, index=index, columns=list(grouping.names))
