"""Autosave: writes the session a while after the last change, off the window's thread.

A change only notes that something changed; shortly after, the scene is taken (which
costs nothing but references), and once nobody has changed anything for a while a
thread writes it. When the dock goes, what is not written yet is written at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer

from napari_scfm.errors import ScfmError
from napari_scfm.viewer.sessions.autosave import (
    autosave_path,
    enabled,
    forget,
    set_aside,
)
from napari_scfm.viewer.sessions.save import write_scene
from napari_scfm.viewer.sessions.scene import take

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.sessions.scene import Scene
    from napari_scfm.widgets.step import Context

WAIT, SETTLE = 20_000, 400
"""Milliseconds from the last change until it is written, and until it is noted."""

LONGEST = 120.0
"""Seconds after which it is written even if changes never stop."""

_NO_CHANGE = ("message", "busy", "tool")


class Autosave:
    """Keeps the autosave of the slide that is open up to date.

    Attributes
    ----------
    pending
        What is not written yet.
    mine
        Files that this window has written or reopened.
    """

    def __init__(self, context: Context, parent: QWidget) -> None:
        self._viewer, self._session = context.viewer, context.session
        self.pending: Scene | None = None
        self.mine: set[Path] = set()
        self._workers: list[Any] = []
        self._closed = False
        self._since = 0.0
        self._failed = ""
        self._lock = threading.Lock()
        self._settle, self._wait = QTimer(parent), QTimer(parent)
        for timer, slot in ((self._settle, self._note), (self._wait, self.write)):
            timer.setSingleShot(True)
            timer.timeout.connect(slot)
        context.listen(self._session.events.all, self._on_change)
        camera = context.viewer.scene.camera.events
        for event in (camera.center, camera.zoom):
            event.connect(self._on_camera)

    @property
    def busy(self) -> bool:
        """Whether anything is still to be noted or written."""
        return (
            self._settle.isActive() or self.pending is not None or bool(self._workers)
        )

    def _on_camera(self, event: Any = None) -> None:
        self.changed()

    def _on_change(self, emitted: Any) -> None:
        name = emitted.signal.name
        if name == "slide":
            self._write_pending()  # of the slide before
        if name not in _NO_CHANGE:
            self.changed()

    def changed(self) -> None:
        """Note that something changed that is in no file yet."""
        if self._closed or self._session.slide is None or not enabled():
            return
        self._since = self._since or time.monotonic()
        self._settle.start(SETTLE)
        if time.monotonic() - self._since < LONGEST or not self._wait.isActive():
            self._wait.start(WAIT)

    def _note(self) -> None:
        """Take the scene, in the window's thread."""
        if self._session.fov is None:
            self.pending = None
            return
        scene = take(self._viewer)
        self.pending = scene if scene.worth_keeping else None

    def write(self) -> None:
        """Write what is pending in a thread; later, if the last is still written."""
        if self._settle.isActive():
            self._settle.stop()
            self._note()
        if self._workers:
            self._wait.start(WAIT)
        else:
            self._write_pending()

    def _write_pending(self) -> None:
        scene, self.pending, self._since = self.pending, None, 0.0
        if scene is None or self._closed:
            return
        worker = create_worker(self._save, scene, _ignore_errors=True)
        worker.returned.connect(lambda failed: self._on_written(worker, failed))
        self._workers.append(worker)
        worker.start()

    def _save(self, scene: Scene) -> str:
        """Write a scene; return why that failed, or ""."""
        path = autosave_path(scene.slide)
        with self._lock:
            try:
                if path not in self.mine:
                    set_aside(path)
                    self.mine.add(path)
                write_scene(scene, path)
            except (ScfmError, OSError) as error:
                return str(error)
        return ""

    def _on_written(self, worker: Any, failed: str) -> None:
        self._workers.remove(worker)
        if self._closed:
            return
        if failed and failed != self._failed:
            self._session.say(f"The session was not autosaved: {failed}", "error")
        self._failed = failed

    def settled(self, *adopted: Path) -> None:
        """Forget what is pending: the session is as a file has it.

        Parameters
        ----------
        adopted
            Autosaves that were reopened; this window goes on writing them.
        """
        if self._closed:
            return
        self._settle.stop()
        self._wait.stop()
        self.pending, self._since = None, 0.0
        self.mine.update(adopted)

    def saved(self, slide: Slide) -> None:
        """Drop this window's autosave of a slide: a person has saved the session."""
        path = autosave_path(slide)
        with self._lock:
            if path in self.mine and not self.busy:
                forget(path)

    def close(self) -> None:
        """Write what is pending at once and listen no more: the dock is going."""
        self._closed = True
        camera = self._viewer.scene.camera.events
        for event in (camera.center, camera.zoom):
            event.disconnect(self._on_camera)
        scene, self.pending = self.pending, None
        if scene is not None and enabled():
            self._save(scene)
