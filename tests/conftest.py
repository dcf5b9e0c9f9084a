"""Fixtures shared by all rooms."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import warnings
from pathlib import Path

# small arrays everywhere: threads that wait for one another make a busy machine slow
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
# a session that one test leaves behind must not be offered to the next
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"
# neither read nor write the settings of the person who runs the tests
os.environ["NAPARI_CONFIG"] = ""
# nor what that person keeps of sCT: nothing can be written there
os.environ["NAPARI_SCFM_CONFIG"] = os.devnull

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# The same examples on every machine and every day: a run fails because of a change,
# never by chance. New ones are searched by hand, with a seed to repeat them:
#   pytest tests/masks --hypothesis-profile=search --hypothesis-seed=1
settings.register_profile("search", deadline=None, database=None, print_blob=True)
settings.register_profile("same", deadline=None, database=None, derandomize=True)
settings.load_profile("same")

ROOT = Path(__file__).parents[1]


SLOW_TO_WALK = ("torch", "scanpy", "squidpy", "umap", "igraph", "matplotlib.pyplot")
MANY = 1000
"""Tests of a run that comes to import all of these anyway."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector what stays to the end: modules and tests.

    napari collects when a layer or a window goes; without this each collection
    walks through all of PyTorch and SciPy.
    """
    if len(session.items) > MANY:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in SLOW_TO_WALK:
                importlib.import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def spared() -> None:
    """Spare it as well what earlier files have left for good, such as caches.

    Not beside a window: the last one may still have to be let go of.
    """
    windows = sys.modules.get("napari._qt.qt_viewer")
    if windows is None or not windows.QtViewer._instances:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real public data and parity arrays beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' with real data is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def real_data(shared: Path) -> Path:
    """Real public CosMx and MERFISH slides."""
    return shared / "data"
