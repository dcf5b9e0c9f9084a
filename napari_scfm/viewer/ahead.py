"""Ahead: something computed in a thread before anybody asks for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Ahead:
    """Runs a function at once in a thread; :meth:`get` waits for what it returns.

    Parameters
    ----------
    compute
        A function of nothing that shares no state with the window.
    """

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._found: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(
            target=self._run, name="napari-scfm ahead", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._compute()
        except Exception as error:
            self._error = error

    @property
    def ready(self) -> bool:
        """Whether :meth:`get` returns at once."""
        return not self._thread.is_alive()

    def get(self) -> Any:
        """Return what was computed; raise what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found
