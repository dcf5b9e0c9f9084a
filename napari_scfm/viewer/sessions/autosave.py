"""Where the autosave of a slide lies, and what it holds.

Next to the data where that can be written to, else in the user's data folder; slides
that ship with the package are never written beside. ``NAPARI_SCFM_AUTOSAVE=0`` in the
environment switches autosaving off.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import napari_scfm
from napari_scfm.viewer.sessions.file import (
    SUFFIX,
    SessionError,
    SessionFile,
    read_session_file,
    side_car,
)

if TYPE_CHECKING:
    from napari_scfm.slides.slide import Slide

SWITCH = "NAPARI_SCFM_AUTOSAVE"
_OFF = ("0", "off", "no", "false")
NAME = "autosave"


@dataclass(frozen=True)
class Offer:
    """An autosaved session that could be opened again.

    Attributes
    ----------
    path
        Its file.
    text, more
        One short line for the person at the screen, and what there is to know.
    """

    path: Path
    text: str
    more: str


def enabled() -> bool:
    """Return whether sessions are autosaved."""
    return os.environ.get(SWITCH, "").strip().lower() not in _OFF


def autosave_path(slide: Slide) -> Path:
    """Return the file that the sessions of a slide are autosaved to."""
    path = slide.path.resolve()
    inside = path.is_dir()
    folder = path if inside else path.parent
    if os.access(folder, os.W_OK) and not _shipped(path):
        name = NAME if inside else f"{path.stem}.{NAME}"
        return folder / f"{name}{SUFFIX}"
    from platformdirs import user_data_path

    key = hashlib.sha256(str(path).encode()).hexdigest()[:10]
    return user_data_path("napari-scfm") / f"{NAME}s" / f"{path.stem}-{key}{SUFFIX}"


def _shipped(path: Path) -> bool:
    from platformdirs import user_cache_path

    package = Path(napari_scfm.__file__).resolve().parent
    homes = (package, package.parent / "sample_data", user_cache_path("napari-scfm"))
    return any(path.is_relative_to(home.resolve()) for home in homes)


def offered(slide: Slide, newer_than: float = 0.0) -> Offer | None:
    """Return the autosaved session of a slide, or None.

    Parameters
    ----------
    slide
        The slide that was opened.
    newer_than
        Time (seconds of the epoch) before which an autosave is of no interest, such
        as that of the session that was opened.
    """
    path = autosave_path(slide)
    try:
        if path.stat().st_mtime <= newer_than:
            return None
        file = read_session_file(path)
    except (OSError, SessionError):
        return None
    if file.slide.fovs != slide.fov_cells:
        return None
    when, now = datetime.fromtimestamp(path.stat().st_mtime), datetime.now()
    day = "at " if when.date() == now.date() else f"{when.day} {when:%b} "
    year = "" if when.year == now.year else f"{when:%Y} "
    text = f"Autosaved {day}{year}{when:%H:%M}"
    more = f"There is an autosaved session of this slide: {held(file)}.\n{path}"
    return Offer(path, text, more)


def held(file: SessionFile) -> str:
    """Return what a session holds, for a sentence: ``F004, masks, comparison``."""
    masks = any(not record.steps[record.at].is_empty for record in file.masks.values())
    parts = {
        "masks": masks,
        "a prediction": file.comparison is not None,
        "clusters": file.clusters is not None,
        "attention": file.stream is not None,
        "selected cells": bool(file.view.selection),
    }
    return ", ".join([file.view.fov, *(name for name, there in parts.items() if there)])


def set_aside(path: Path) -> Path:
    """Keep an autosave of another sitting under a name of its own; return that.

    Only one is kept: the one before is replaced.
    """
    aside = path.with_name(path.name[: -len(SUFFIX)] + "-before" + SUFFIX)
    if path.is_file():
        forget(aside)
        if side_car(path).is_dir():
            side_car(path).rename(side_car(aside))
        path.rename(aside)
    return aside


def forget(path: Path) -> None:
    """Delete an autosave, for which there is a saved session now."""
    from napari_scfm.viewer.sessions.parts import drop_others

    path.unlink(missing_ok=True)
    drop_others(side_car(path), ())
