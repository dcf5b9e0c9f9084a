"""squidpy without its noise: warnings, log lines and thread settings stay inside.

Nothing is set for the whole program: filters, levels of loggers and the number of
numba's threads are as they were when the block ends.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("spatialdata", "spatialdata._logging")


@contextmanager
def quiet_squidpy() -> Iterator[Any]:
    """Yield the module squidpy; what it warns of is settled by those who call it."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import numba
        import scanpy
        import squidpy

        # importing spatialdata sets the level of its logger
        levels = [logger.level for logger in loggers]
        threads, said = numba.get_num_threads(), scanpy.settings.verbosity
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            scanpy.settings.verbosity = 0
            yield squidpy
        finally:
            # squidpy takes one thread for itself and leaves it at that
            numba.set_num_threads(threads)
            scanpy.settings.verbosity = said
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
