"""npe2 sample data: the synthetic slides that ship with the package."""

from __future__ import annotations

from typing import Any


def cosmx() -> list[Any]:
    """Open the synthetic CosMx slide."""
    return _open("cosmx")


def merscope() -> list[Any]:
    """Open the synthetic MERSCOPE slide."""
    return _open("merscope")


def _open(name: str) -> list[Any]:
    from napari_scfm.slides.read import read_slide
    from napari_scfm.slides.samples import sample_path
    from napari_scfm.viewer.arrival import layers_to_come

    return layers_to_come(read_slide(sample_path(name)))
