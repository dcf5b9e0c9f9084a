"""Slow work on napari's canvas: once for many changes, and a turn later.

napari lays its canvas out again whenever a layer is shown, hidden or added, which takes
20 to 50 ms. Its layer list can put that off until all changes are made, but then looks
for garbage among everything that Python holds, a third of a second once a model is
loaded. Nothing is thrown away here, so there is none to find.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session

LATER = "later"
"""Key of ``session.parts``: calls a function in the event loop's next turn."""


@contextmanager
def one_layout(viewer: Viewer) -> Iterator[None]:
    """Lay the canvas out once, after the changes inside."""
    aside = False
    try:
        with viewer.layers.batched_update():
            yield
            if not gc.get_freeze_count():
                aside = True
                gc.freeze()
    finally:
        if aside:
            gc.unfreeze()


def later(session: Session, act: Callable[[], None]) -> None:
    """Do something when the window has answered, at once where there is none."""
    session.parts.get(LATER, _at_once)(act)


def _at_once(act: Callable[[], None]) -> None:
    act()
