"""Can a window be opened here? Asked before napari is, which would end in a trace."""

from __future__ import annotations

import importlib.util
import os
import sys

from napari_scfm.errors import MissingExtraError, ScfmError

BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def require_window() -> None:
    """Refuse where there is no Qt binding or no screen.

    Raises
    ------
    MissingExtraError
        If no Qt binding is installed.
    ScfmError
        If this is Linux without a screen.
    """
    if not any(importlib.util.find_spec(name) for name in BINDINGS):
        raise MissingExtraError("PyQt6", "qt", "The napari window")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, _SCREENS)):
        raise ScfmError(
            "There is no screen to open a window on.",
            "Run it under Xvfb (xvfb-run napari-scfm ...), or use the commands that "
            "need no window.",
        )
