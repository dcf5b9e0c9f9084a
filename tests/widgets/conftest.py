"""A real window with the sample slide in it, and a model that needs no weights."""

from __future__ import annotations

import copy
import gc
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import napari
import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtTest import QTest

from napari_scfm.models.attention import Attention
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.progress import report
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.fov_layers import role_of
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable


class SlowModel(CellModel):
    """Embeds by expression, attends by distance, and takes its time."""

    info = ModelInfo(
        "slow", "For tests.", capabilities=frozenset({"embed", "impute", "attend"})
    )

    def __init__(self, steps: int = 3, seconds: float = 0.02) -> None:
        self.steps, self.seconds = steps, seconds

    def _work(self, progress) -> None:
        for done in range(self.steps):
            report(progress, done, self.steps, "reading")
            time.sleep(self.seconds)

    def embed(self, table, *, mask=None, progress=None):
        self._work(progress)
        return np.log1p(table.X[:, :20].toarray()).astype(np.float32)

    def impute(self, table, genes, *, mask=None, progress=None):
        self._work(progress)
        return np.ones((table.n_obs, len(genes)), dtype=np.float32)

    def attend(self, table, *, mask=None, layer=-1, progress=None, **_):
        self._work(progress)
        xy = table.obsm["spatial"]
        apart = np.linalg.norm(xy[:, None] - xy[None], axis=2)
        lean = 1 + 0.5 * np.tanh((xy[None, :, 0] - xy[:, None, 0]) / 20)
        weights = np.exp(-apart / 15) * lean
        return Attention.from_matrix(weights / weights.sum(axis=1, keepdims=True))


@pytest.fixture
def slow_model() -> Callable[..., SlowModel]:
    return SlowModel


class Stage:
    """One window and workbench for the tests of a file, the session as new for each.

    A file asks for it with ``ONE_WINDOW = True``: a window of its own costs each test
    seconds. What is typed into the workbench stays there.
    """

    def __init__(self, slide) -> None:
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(1400, 900)
        self.slide, self.bench, self.folds = slide, None, []

    def enter(self):
        """Dock the workbench, unless it is there."""
        if self.bench is None:
            self.bench = show_workbench(self.viewer)
            self.folds = [step.isExpanded() for step in self.bench.steps]
        return self.bench

    def open(self):
        """Open the slide as one that was never open before."""
        session = open_slide(self.viewer, copy.copy(self.slide), "F004")
        QTest.qWait(20)
        return session

    def leave(self) -> None:
        """Take away what a test may have left."""
        docks = list(self.viewer.window.dock_widgets.values())
        for dock in [dock for dock in docks if dock is not self.bench]:
            self.viewer.window.remove_dock_widget(dock)
            dock.deleteLater()
        if self.bench is not None and self.bench not in docks:
            self.bench = None
        session = session_of(self.viewer)
        new = type(session)()
        names = set(type(session).model_fields) - {"slide", "fov"}
        session.update({name: getattr(new, name) for name in sorted(names)})
        for layer in [layer for layer in self.viewer.layers if not role_of(layer)]:
            self.viewer.layers.remove(layer)
        self.viewer.theme = "dark"
        steps = self.bench.steps if self.bench else []
        for step, wide in zip(steps, self.folds, strict=False):
            if step.isExpanded() != wide:
                step.expand(animate=False) if wide else step.collapse(animate=False)

    def close(self) -> weakref.ref:
        """Close the window; return what must be gone soon."""
        bench = weakref.ref(self.bench) if self.bench else lambda: None
        self.viewer.close()
        self.viewer = self.bench = None
        QTest.qWait(50)
        return bench


@pytest.fixture(scope="session")
def closed():
    """Workbenches of the windows that were closed."""
    return []


@contextmanager
def own_application():
    """Keep napari's commands apart from those of other windows, as its fixture does."""
    from napari._app_model._app import NapariApplication, _napari_names
    from napari._qt._qapp_model.qactions import init_qactions
    from napari.plugins import _initialize_plugins

    def forget() -> None:
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()

    forget()
    app = NapariApplication("test_window")
    app.injection_store.namespace = _napari_names
    with patch.object(NapariApplication, "get_app_model", return_value=app):
        try:
            yield
        finally:
            NapariApplication.destroy("test_window")
            forget()


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    """Let go of the window that the last test of the file before held until now."""
    gc.collect()


@pytest.fixture(scope="module")
def stage(request, slide, closed):
    """One window for all tests of a file."""
    gc.collect()
    # a test that failed keeps what it saw, the last one of a file until the next
    held = [bench for bench in closed if bench() is not None]
    assert not held or request.session.testsfailed, "something holds a closed workbench"
    get_settings().reset()
    with own_application():
        made = Stage(slide)
        yield made
        get_settings().reset()
        closed.append(made.close())


def shares_a_window(request) -> bool:
    return getattr(request.module, "ONE_WINDOW", False)


@pytest.fixture
def viewer(request):
    if shares_a_window(request):
        stage = request.getfixturevalue("stage")
        yield stage.viewer
        stage.leave()
        return
    made = request.getfixturevalue("make_napari_viewer")(show=True)
    made.window.resize(1400, 900)
    yield made


@pytest.fixture
def workbench(request, viewer):
    if shares_a_window(request):
        return request.getfixturevalue("stage").enter()
    return show_workbench(viewer)


@pytest.fixture(scope="session")
def sample():
    return sample_path("cosmx")


@pytest.fixture(scope="session")
def slide(sample):
    return read_slide(sample)


@pytest.fixture
def session(request, viewer, workbench, slide):
    """Return the session of a window that shows the sample's last FOV."""
    if shares_a_window(request):
        return request.getfixturevalue("stage").open()
    made = open_slide(viewer, slide, "F004")
    QTest.qWait(50)
    return made


@pytest.fixture
def finish(qtbot, workbench):
    """Return a function that waits until the job under way has ended."""

    def wait(timeout: int = 60_000) -> None:
        qtbot.waitUntil(lambda: not workbench.jobs.running, timeout=timeout)

    return wait
