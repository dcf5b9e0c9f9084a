"""Which kinds of cells lie beside which, through squidpy, each FOV by itself.

squidpy takes seconds to import, so that it is imported when it is first asked.
"""

from __future__ import annotations

from napari_scfm.analysis.neighbourhoods.co_occurrence import (
    CoOccurrence,
    co_occurrence,
)
from napari_scfm.analysis.neighbourhoods.enrichment import Enrichment, enrichment
from napari_scfm.analysis.neighbourhoods.graph import (
    SpatialGraph,
    pairs_of_kinds,
    spatial_graph,
)
from napari_scfm.analysis.neighbourhoods.kinds import Kinds, kinds_of
from napari_scfm.analysis.neighbourhoods.ligrec import (
    LigandReceptorTest,
    ligand_receptor_test,
    ligrec_of,
)
from napari_scfm.analysis.neighbourhoods.moran import moran, store_moran

__all__ = [
    "CoOccurrence",
    "Enrichment",
    "Kinds",
    "LigandReceptorTest",
    "SpatialGraph",
    "co_occurrence",
    "enrichment",
    "kinds_of",
    "ligand_receptor_test",
    "ligrec_of",
    "moran",
    "pairs_of_kinds",
    "spatial_graph",
    "store_moran",
]
