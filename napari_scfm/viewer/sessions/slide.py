"""Where is the slide of a session? Where it was, else where a person says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.progress import Cancelled
from napari_scfm.slides.read import read_slide
from napari_scfm.viewer.sessions.file import Place, SessionError
from napari_scfm.viewer.sessions.fingerprint import differences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.sessions.file import SlideRecord

Find = Callable[["Wanted"], "Path | None"]
"""Asked where a slide lies now; None gives up."""


@dataclass(frozen=True)
class Wanted:
    """A slide that is not where it was.

    Attributes
    ----------
    name
        Of the slide.
    tried
        Where it was looked for.
    """

    name: str
    tried: tuple[Path, ...]

    @property
    def sentence(self) -> str:
        """What is asked."""
        if not self.tried:
            return f"It is not written down where the slide {self.name} lies."
        return f"The slide {self.name} is {nowhere(self.tried)}."


def nowhere(tried: Iterable[Path]) -> str:
    """Return the end of a sentence: ``neither at A nor at B``."""
    places = [str(path) for path in tried]
    return ("neither at " if len(places) > 1 else "not at ") + " nor at ".join(places)


def located(
    record: SlideRecord,
    home: Path,
    find: Find | None,
    at_hand: Slide | None = None,
) -> tuple[Slide, list[str]]:
    """Return the slide of a session, and how it differs from what it was.

    Looks where it was, relative and absolute, for one that fits; then asks.

    Raises
    ------
    SessionError
        If it is nowhere and nobody is there to ask.
    Cancelled
        If the person who is asked gives up.
    """
    places = record.place.candidates(home)
    first: tuple[Slide, list[str]] | None = None
    for place in filter(Path.exists, places):
        slide = slide_at(place, at_hand)
        told = differences(record, slide)
        if not told:
            return slide, told
        first = first or (slide, told)
    if first is not None:
        return first
    slide = asked(Wanted(record.name, tuple(places)), find)
    return slide, differences(record, slide)


def slide_at(place: Path, at_hand: Slide | None = None) -> Slide:
    """Return the slide at a place: the one at hand if it lies there, else read."""
    if at_hand is not None and at_hand.path.resolve() == place.resolve():
        return at_hand
    return read_slide(place)


def asked(wanted: Wanted, find: Find | None) -> Slide:
    """Return the slide at the place that a person names."""
    if find is None:
        raise SessionError(
            wanted.sentence, "Put it back there, or open this from the workbench."
        )
    chosen = find(wanted)
    if chosen is None:
        raise Cancelled(f"{wanted.sentence} Nothing was changed.")
    return read_slide(chosen)


def existing(place: Place, home: Path, name: str) -> Path:
    """Return the first place that exists.

    Raises
    ------
    SessionError
        If none does.
    """
    places = place.candidates(home)
    for path in places:
        if path.exists():
            return path
    raise SessionError(f"{name} is {nowhere(places)}.")
