"""Doing with less at once, for as long as memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_scfm.errors import ModelError

T = TypeVar("T")


def spared(
    act: Callable[[], T],
    less: Callable[[], bool],
    device: torch.device,
    refusal: ModelError,
) -> T:
    """Return what an act returns; after every lack of memory it is tried with less.

    Parameters
    ----------
    act
        May be called many times.
    less
        Lets the act take less at once; False if it cannot.
    device
        Where it runs.
    refusal
        What to raise when there is no less.

    Raises
    ------
    ModelError
        The refusal.
    """
    from torch import OutOfMemoryError
    from torch.cuda import empty_cache

    while True:
        try:
            return act()
        except OutOfMemoryError as error:
            if not less():
                raise refusal from error
        # only here the error no longer holds on to what the act had made
        if device.type == "cuda":
            empty_cache()
