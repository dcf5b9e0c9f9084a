"""Run the command line in this process, as a user would type it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Ended:
    """How a command ended: exit status, what it printed, what it said on stderr."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch):
    """Return a function that runs ``napari-scfm WORD ...``."""

    def run(*words: object) -> Ended:
        from napari_scfm.cli import main

        monkeypatch.setattr(sys, "argv", ["napari-scfm", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return Ended(status, printed.out, printed.err)

    return run


@pytest.fixture
def sample() -> Path:
    """The synthetic CosMx sample slide."""
    from napari_scfm.slides.samples import sample_path

    return sample_path("cosmx")
