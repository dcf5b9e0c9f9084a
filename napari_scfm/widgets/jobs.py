"""Long work: one job at a time, with progress and Cancel, off the window's thread.

A core function reports through a callback that may raise ``Cancelled``; here it runs
in a thread of its own and its reports are yielded by napari's worker. What a
cancelled or failed job had made is thrown away. An error becomes one sentence.
"""

from __future__ import annotations

import inspect
import logging
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from psygnal import EmitLoopError
from qtpy.QtCore import QObject, Signal

from napari_scfm.errors import ScfmError
from napari_scfm.progress import Cancelled, Progress
from napari_scfm.widgets.idle import Idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Session

logger = logging.getLogger(__name__)

_TICK = 0.05


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a value, an error, or neither when cancelled."""

    value: Any = None
    error: Exception | None = None
    cancelled: bool = False


def stepwise(
    work: Callable[[ProgressCallback], Any], stop: threading.Event
) -> Iterator[Progress | None]:
    """Run work in a thread; yield its reports and return its :class:`Outcome`."""
    reports: queue.SimpleQueue[Progress | Outcome] = queue.SimpleQueue()

    def tell(progress: Progress) -> None:
        if stop.is_set():
            raise Cancelled
        reports.put(progress)

    def run() -> None:
        try:
            outcome = Outcome(work(tell))
        except Cancelled:
            outcome = Outcome(cancelled=True)
        except Exception as error:
            outcome = Outcome(error=error)
        reports.put(Outcome(cancelled=True) if stop.is_set() else outcome)

    thread = threading.Thread(target=run, name="napari-scfm job", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = reports.get(timeout=_TICK)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, Outcome):
                return item
            yield item
    finally:
        stop.set()
        thread.join()


class Jobs(QObject):
    """Runs one job at a time for a session, whichever dock starts it.

    ``started`` carries the job's title, ``progressed`` a Progress, ``finished``
    whether the job ended with a result.
    """

    started = Signal(str)
    progressed = Signal(object)
    finished = Signal(bool)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._stop: threading.Event | None = None
        self._worker: Any = None
        self._done: Callable[[Any], None] | None = None
        self._closed = False
        self._idle = Idle(self)

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._stop is not None

    def run(
        self,
        title: str,
        work: Callable[[ProgressCallback], Any],
        done: Callable[[Any], None],
    ) -> bool:
        """Start a job; refuse, with a sentence, while another is under way.

        Parameters
        ----------
        title
            What is going on, as it stands before "...".
        work
            Called in a thread with a progress callback.
        done
            Called in the window's thread with the result. A generator function is
            walked through one step per turn of the event loop, and the job goes on
            until its last one.
        """
        session = self._session
        if self.running or session.busy:
            session.say(
                f"{session.busy} is still under way. Wait for it, or cancel it.",
                "error",
            )
            return False
        self._stop = threading.Event()
        session.busy = title
        self.started.emit(title)
        self._worker = create_worker(stepwise, work, self._stop, _ignore_errors=True)
        self._worker.yielded.connect(self._on_yield)
        # a worker that has ended lives on for a while, and must hold no dock
        self._done = done
        self._worker.returned.connect(self._on_end)
        self._worker.aborted.connect(self._on_abort)
        self._worker.start()
        return True

    def cancel(self) -> None:
        """Stop the job at its next report."""
        if self._stop is not None and not self._stop.is_set():
            self._stop.set()
            self._session.say(f"{self._session.busy}: stopping at the next batch.")

    def close(self) -> None:
        """Stop the job and forget it: the dock is going away."""
        self._closed = True
        self._done = None
        with suppress(RuntimeError):  # the dock may have taken its timer along
            self._idle.stop()
        if self._stop is not None:
            self._stop.set()
            self._session.busy = ""

    def _on_yield(self, progress: Progress | None) -> None:
        if progress is not None and self.running and not self._closed:
            self.progressed.emit(progress)

    def _on_abort(self) -> None:
        self._on_end(Outcome(cancelled=True))

    def _on_end(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if self._closed:
            return
        ready = outcome.error is None and not outcome.cancelled
        if ready and inspect.isgeneratorfunction(done):
            self._idle.walk(self._in_steps(outcome, done(outcome.value)))
            return
        self._stop = self._worker = None
        title, self._session.busy = self._session.busy, ""
        if ready and done is not None:
            outcome = _delivered(outcome, done)
        self._tell(title, outcome)

    def _in_steps(self, outcome: Outcome, steps: Iterator[None]) -> Iterator[None]:
        """Hand a result over a step at a time; the job ends with the last one."""
        try:
            yield from steps
        except EmitLoopError as error:
            outcome = Outcome(error=_cause(error))
        except Exception as error:
            outcome = Outcome(error=error)
        self._stop = self._worker = None
        title, self._session.busy = self._session.busy, ""
        self._tell(title, outcome)

    def _tell(self, title: str, outcome: Outcome) -> None:
        session = self._session
        if outcome.cancelled:
            session.say(f"{title} was cancelled; nothing was changed.")
        elif isinstance(outcome.error, ScfmError):
            session.fail(outcome.error)
        elif outcome.error is not None:
            logger.error("%s failed", title, exc_info=outcome.error)
            kind = type(outcome.error).__name__
            session.say(f"{title} failed: {kind}: {outcome.error}", "error")
        self.finished.emit(outcome.error is None and not outcome.cancelled)


def _delivered(outcome: Outcome, done: Callable[[Any], None]) -> Outcome:
    """Hand a result over; an error on the way is the outcome instead."""
    try:
        done(outcome.value)
    except EmitLoopError as error:
        return Outcome(error=_cause(error))
    except Exception as error:
        return Outcome(error=error)
    return outcome


def _cause(error: EmitLoopError) -> Exception:
    """Return what went wrong in somebody who listens."""
    cause = error.__cause__
    return cause if isinstance(cause, Exception) else error
