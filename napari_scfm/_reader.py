"""npe2 reader: a slide folder or an .h5ad dropped on the window.

Sniffs by file names alone, so that napari can ask about any file at no cost. The
slide becomes the viewer's session and the workbench opens beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return a reader if the path looks like a slide, else None."""
    if not isinstance(path, str | Path):
        if len(path) != 1:
            return None
        path = path[0]
    return read if looks_like_slide(Path(path)) else None


def looks_like_slide(path: Path) -> bool:
    """Tell whether a path could be a slide, from names only."""
    from napari_scfm.errors import ScfmError
    from napari_scfm.slides.read import sniff

    if path.is_file():
        return path.suffix.lower() == ".h5ad"
    if not path.is_dir():
        return False
    try:
        found = sniff(path)
    except ScfmError:
        return False
    return any(vars(found).values())


def read(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of a slide's first FOV, and start a session on it.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    """
    from napari_scfm.slides.read import read_slide
    from napari_scfm.viewer.arrival import layers_to_come

    chosen = path if isinstance(path, str | Path) else path[0]
    return layers_to_come(read_slide(chosen))
