"""How long calls tell how far they are, and how they are stopped.

Nothing here knows Qt: a caller hands in a function that takes a
:class:`Progress`, and stops the work by raising :class:`Cancelled` in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Attributes
    ----------
    done, total
        Steps finished and steps in all; ``total`` 0 means unknown.
    message
        What is going on, for a person.
    """

    done: int
    total: int
    message: str = ""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work; nothing is half done."""


ProgressCallback = Callable[[Progress], None]


def report(
    progress: ProgressCallback | None, done: int, total: int, message: str = ""
) -> None:
    """Tell a progress callback, if there is one."""
    if progress is not None:
        progress(Progress(done, total, message))
