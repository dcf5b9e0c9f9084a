"""Fixtures shared by all rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
