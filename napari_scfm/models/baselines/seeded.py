"""Other people's programs, seeded, and without a trace.

They draw from the generators of numpy and torch that everybody shares, warn of packages
they build on, and print. Within the block they are seeded and silent; after it the
generators stand where they stood.
"""

from __future__ import annotations

import logging
import random
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def seeded(seed: int, *loggers: str) -> Iterator[None]:
    """Run a block with its own seed, without its warnings and log lines.

    Parameters
    ----------
    seed
        Of numpy's and torch's shared generators.
    loggers
        Names of loggers that only tell of errors in the block.
    """
    import torch

    quiet = [logging.getLogger(name) for name in loggers]
    levels = [one.level for one in quiet]
    plain = random.getstate()
    numbers = np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for one in quiet:
                one.setLevel(logging.ERROR)
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)  # noqa: NPY002
        for one, level in zip(quiet, levels, strict=True):
            one.setLevel(level)
