"""A real window with the sample slide in it, and a model that needs no weights."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtTest import QTest

from napari_scfm.models.attention import Attention
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.progress import report
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.open import open_slide

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

    def attend(self, table, *, mask=None, layer=-1, progress=None):
        self._work(progress)
        xy = table.obsm["spatial"]
        apart = np.linalg.norm(xy[:, None] - xy[None], axis=2)
        lean = 1 + 0.5 * np.tanh((xy[None, :, 0] - xy[:, None, 0]) / 20)
        weights = np.exp(-apart / 15) * lean
        return Attention.from_matrix(weights / weights.sum(axis=1, keepdims=True))


@pytest.fixture
def slow_model() -> Callable[..., SlowModel]:
    return SlowModel


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer(show=True)
    made.window.resize(1400, 900)
    return made


@pytest.fixture
def workbench(viewer):
    return show_workbench(viewer)


@pytest.fixture(scope="session")
def sample():
    return sample_path("cosmx")


@pytest.fixture(scope="session")
def slide(sample):
    return read_slide(sample)


@pytest.fixture
def session(viewer, workbench, slide):
    """Return the session of a window that shows the sample's last FOV."""
    made = open_slide(viewer, slide, "F004")
    QTest.qWait(50)
    return made


@pytest.fixture
def finish(qtbot, workbench):
    """Return a function that waits until the job under way has ended."""

    def wait(timeout: int = 60_000) -> None:
        qtbot.waitUntil(lambda: not workbench.jobs.running, timeout=timeout)

    return wait
