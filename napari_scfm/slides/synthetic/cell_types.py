"""The cell types of the simulated tissue: shape, nucleus and stains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class CellType:
    """How cells of one type look.

    Attributes
    ----------
    name
        Name as it stands in ``obs["cell_type"]``.
    radius
        Typical radius of an undisturbed cell in um.
    elongation
        Long axis over short axis.
    nucleus
        Radius of the nucleus over that of the cell.
    spindle
        True where the ends are drawn out.
    membrane, panck, cd45
        Brightness of the stains, 0 to 1.
    dapi
        Brightness of the nucleus, 0 to 1.
    depth
        Transcripts relative to the mean cell.
    """

    name: str
    radius: float
    elongation: float
    nucleus: float
    spindle: bool
    membrane: float
    panck: float
    cd45: float
    dapi: float
    depth: float


TUMOUR: Final = "tumour"
EPITHELIUM: Final = "epithelium"
FIBROBLAST: Final = "fibroblast"
ENDOTHELIUM: Final = "endothelium"
T_CELL: Final = "T cell"
B_CELL: Final = "B cell"
MACROPHAGE: Final = "macrophage"
PLASMA: Final = "plasma cell"

CELL_TYPES: Final[tuple[CellType, ...]] = (
    CellType(TUMOUR, 7.4, 1.2, 0.56, False, 0.75, 0.9, 0.0, 0.62, 1.35),
    CellType(EPITHELIUM, 6.6, 1.7, 0.52, False, 0.9, 0.6, 0.0, 0.7, 1.15),
    CellType(FIBROBLAST, 6.6, 3.1, 0.48, True, 0.3, 0.0, 0.0, 0.8, 0.9),
    CellType(ENDOTHELIUM, 5.6, 3.2, 0.52, True, 0.55, 0.0, 0.0, 0.85, 0.8),
    CellType(T_CELL, 4.8, 1.12, 0.72, False, 0.6, 0.0, 0.9, 1.0, 0.6),
    CellType(B_CELL, 4.9, 1.1, 0.72, False, 0.65, 0.0, 0.75, 0.95, 0.6),
    CellType(MACROPHAGE, 7.3, 1.35, 0.46, False, 0.5, 0.0, 0.45, 0.7, 1.2),
    CellType(PLASMA, 5.9, 1.3, 0.52, False, 0.5, 0.0, 0.25, 0.9, 1.1),
)

NAMES: Final[tuple[str, ...]] = tuple(kind.name for kind in CELL_TYPES)


def index(name: str) -> int:
    """Return the position of a cell type in `CELL_TYPES`."""
    return NAMES.index(name)
