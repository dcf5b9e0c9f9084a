"""Is this the slide that the session was made with? By counts and names, per FOV."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_scfm.errors import counted, named
from napari_scfm.experiments.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.sessions.file import SlideRecord

_KNOWN: WeakKeyDictionary[FieldOfView, str] = WeakKeyDictionary()


def fingerprint_of(fov: FieldOfView) -> str:
    """Return a digest of a field of view's counts, cell and gene names."""
    if fov not in _KNOWN:
        _KNOWN[fov] = fingerprint(fov.table)
    return _KNOWN[fov]


def fingerprints(slide: Slide, fovs: Iterable[str]) -> dict[str, str]:
    """Return the digest of some fields of view."""
    return {name: fingerprint_of(slide.fov(name)) for name in sorted(set(fovs))}


def differences(saved: SlideRecord, slide: Slide) -> list[str]:
    """Return how a slide differs from the one of a session, a sentence each.

    Only what the session speaks of is read; the other fields of view are compared
    by their number of cells.
    """
    lost = [name for name in saved.fovs if name not in slide.fov_cells]
    if lost:
        return [
            f"{slide.path} has no field of view {named(lost)} (it has "
            f"{named(slide.fovs)})."
        ]
    told = []
    for name, cells in saved.fovs.items():
        now = slide.fov_cells[name]
        if now != cells:
            told.append(
                f"{name} of {slide.path} has {counted(now, 'cell')}, not {cells}."
            )
            continue
        then = saved.fingerprints.get(name)
        if then is not None and fingerprint_of(slide.fov(name)) != then:
            told.append(f"{name} of {slide.path} holds other counts or other names.")
    return told
