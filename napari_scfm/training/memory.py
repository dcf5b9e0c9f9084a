"""Recognising that memory ran out, on any device."""

from __future__ import annotations

import gc

import torch

_SAID_BY_TORCH = ("not enough memory", "defaultcpuallocator", "out of memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(w in text for w in _SAID_BY_TORCH)


def release(device: torch.device) -> None:
    """Give back what a failed step held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
