"""The asking side: starts the other process when it is first needed, asks it, ends it.

Where no process can be started the work is done here, in the thread that asks.
"""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from napari_scfm.analysis.apart.tasks import Tasks, UnknownNetworkError
from napari_scfm.analysis.apart.wire import receive, send
from napari_scfm.errors import ScfmError
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

_Said = tuple[dict[str, Any], list[Any]]
_TICK = 0.05
"""Seconds between two looks at whether the work was cancelled."""
_MODULE = "napari_scfm.analysis.apart.worker"


class Process:
    """A process that does :class:`~napari_scfm.analysis.apart.tasks.Tasks`.

    It is started by the first question and stays; a question that is cancelled ends
    it, and the next one starts another.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._here: Tasks | None = None
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        """Whether it is there to be asked."""
        return self._child is not None and self._child.poll() is None

    def ask(
        self,
        task: str,
        arrays: Sequence[NDArray[Any]] = (),
        progress: ProgressCallback | None = None,
        **numbers: Any,
    ) -> list[NDArray[Any]]:
        """Return the arrays that come of a task.

        Parameters
        ----------
        task, arrays, numbers
            As :class:`~napari_scfm.analysis.apart.tasks.Tasks` wants them.
        progress
            Told many times a second; may raise
            :class:`~napari_scfm.progress.Cancelled`, which ends the process.

        Raises
        ------
        UnknownNetworkError
            If a network is asked that is not kept.
        ScfmError
            What the task raised, or that the process ended before it was done.
        """
        while not self._turn.acquire(timeout=_TICK):
            report(progress, 0, 0, "Waiting for other work")
        try:
            if self._here is None and not self.alive:
                self._start()
            if self._here is not None:
                return self._here.do(task, numbers, arrays, progress)
            return self._answer(task, arrays, progress, numbers)
        finally:
            self._turn.release()

    def end(self) -> None:
        """End it, whatever it does."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def _start(self) -> None:
        self.end()
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        quiet = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            child = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | paths | {"PYTHONSAFEPATH": "1"},
                creationflags=quiet,
            )
        except OSError:
            self._here = Tasks()
            return
        self._child, self._told = child, told
        threading.Thread(target=_listen, args=(child, told), daemon=True).start()
        if told.get() is None:  # such as a program that is no plain Python
            self.end()
            self._here = Tasks()

    def _answer(
        self,
        task: str,
        arrays: Sequence[NDArray[Any]],
        progress: ProgressCallback | None,
        numbers: dict[str, Any],
    ) -> list[NDArray[Any]]:
        try:
            assert self._child is not None
            assert self._child.stdin is not None
            send(self._child.stdin, {"task": task, "numbers": numbers}, arrays)
            told, made = self._wait(progress)
        except OSError:
            told, made = {"kind": "gone"}, []
        except BaseException:  # cancelled: what it still computes is of no use
            self.end()
            raise
        kind = told["kind"]
        if kind == "unknown":
            raise UnknownNetworkError
        if kind == "gone":
            self.end()
            raise ScfmError(
                "The process that did this ended before it was done.",
                "Close other programs if memory is short, and try again.",
            )
        if kind == "error":
            raise ScfmError(told["message"], told["action"])
        return made

    def _wait(self, progress: ProgressCallback | None) -> _Said:
        last: tuple[int, int, str] = (0, 0, "")
        while True:
            try:
                item = self._told.get(timeout=_TICK)
            except queue.Empty:
                report(progress, *last)
                continue
            if item is None:
                return {"kind": "gone"}, []
            head, arrays = item
            if head["kind"] != "progress":
                return head, arrays
            last = head["done"], head["total"], head["message"]
            report(progress, *last)


def _listen(child: subprocess.Popen[bytes], told: queue.SimpleQueue[Any]) -> None:
    """Hand on what a process says; None once it says no more."""
    assert child.stdout is not None
    try:
        while True:
            told.put(receive(child.stdout))
    except (EOFError, OSError, ValueError):
        told.put(None)
