"""npe2 reader: a slide, a saved session or a saved result dropped on the window.

Sniffs by file names alone, so that napari can ask about any file at no cost. The
slide becomes the viewer's session and the workbench opens beside it; a session or a
result is opened by the workbench, which can ask where the slide is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return a reader if the path looks like a slide, session or result, else None."""
    if not isinstance(path, str | Path):
        if len(path) != 1:
            return None
        path = path[0]
    where = Path(path)
    if looks_saved(where):
        return read_saved
    return read if looks_like_slide(where) else None


def looks_saved(path: Path) -> bool:
    """Tell whether a path could be a session or a saved result, from names only."""
    if path.is_dir():
        return (path / "spec.json").is_file() and (path / "about.json").is_file()
    if path.name == "spec.json":
        return (path.parent / "about.json").is_file()
    return path.name.lower().endswith(".scfm.json") and path.is_file()


def read_saved(path: str | Sequence[str]) -> list[Any]:
    """Open a session or a result in the viewer in front; no layers of its own.

    Raises
    ------
    SessionError
        If no viewer is open.
    ScfmError
        If there is no window and it cannot be opened.
    """
    import napari

    from napari_scfm.viewer.arrival import show_workbench
    from napari_scfm.viewer.sessions.file import SessionError
    from napari_scfm.viewer.sessions.restore import open_session

    chosen = path if isinstance(path, str | Path) else path[0]
    viewer = napari.current_viewer()
    if viewer is None:
        raise SessionError(
            f"{chosen} is a session, which needs a viewer to come back in.",
            "Open napari first.",
        )
    workbench = show_workbench(viewer)
    if workbench is None:
        open_session(viewer, chosen)
    else:
        workbench.sessions.open_path(chosen)
    return [(None,)]


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
