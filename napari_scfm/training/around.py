"""What surrounds a run: seeded random numbers, threads, a word when it is stopped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_scfm.progress import Cancelled
from napari_scfm.training.checkpoints import epochs_done

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE_THREAD_WIDTH = 256


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside, and leave the caller's random state as it was."""
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


@contextmanager
def threads(width: int, device: torch.device) -> Iterator[None]:
    """Train narrow networks in one thread, then restore the number of threads.

    Their products are so small that threads wait longer for each other than they
    work, and on a busy machine many times longer; one thread also gives the same
    bits on machines with other numbers of cores.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and width <= ONE_THREAD_WIDTH:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def saying_what_is_kept(out: str | Path | None, epochs: int) -> Iterator[None]:
    """Let a stopped run say where it can go on."""
    try:
        yield
    except Cancelled as stop:
        done = 0 if out is None else epochs_done(out)
        if not done:
            raise
        raise Cancelled(
            f"Training stopped; {done} of {epochs} epochs are kept in {out}: resume "
            "goes on from there."
        ) from stop
