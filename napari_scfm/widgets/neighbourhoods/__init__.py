"""Which kinds of cells lie beside which: a part of the workbench."""

from __future__ import annotations

from napari_scfm.widgets.neighbourhoods.section import NeighbourhoodSection

__all__ = ["NeighbourhoodSection"]
