"""How long calls tell how far they are, and how they are stopped.

Nothing here knows Qt: a caller hands in a function that takes a
:class:`Progress`, and stops the work by raising :class:`Cancelled` in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Attributes
    ----------
    done, total
        Steps finished and steps in all; ``total`` 0 means unknown.
    message
        What is going on, for a person.
    figures
        Name -> number; empty for work that has none. Training sends ``epoch`` (from
        1) and ``epochs``; from its second step on ``loss`` (of the last step),
        ``rate`` (steps per second) and ``seconds_left``; and after each epoch
        ``train_loss``, and ``validation_loss`` where FOVs are held out.
    """

    done: int
    total: int
    message: str = ""
    figures: Mapping[str, float] = field(default_factory=lambda: _NONE)


class Cancelled(Exception):
    """Raised by a progress callback to stop the work; nothing is half done."""


ProgressCallback = Callable[[Progress], None]


def report(
    progress: ProgressCallback | None,
    done: int,
    total: int,
    message: str = "",
    **figures: float,
) -> None:
    """Tell a progress callback, if there is one."""
    if progress is not None:
        progress(Progress(done, total, message, figures))
