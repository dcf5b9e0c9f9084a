"""Which device a model runs on, and in which precision.

CUDA, then Apple's MPS, then the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.errors import ModelError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16")


def available_devices() -> list[str]:
    """Return the devices of this machine, fastest first; the last is "cpu"."""
    import torch

    found = []
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a name; "auto" takes the fastest.

    Raises
    ------
    ModelError
        If this machine has no such device.
    """
    import torch

    found = available_devices()
    if name == "auto":
        return torch.device(found[0])
    if name not in found:
        raise ModelError(
            f"Device {name!r} is not available; this machine has {', '.join(found)}.",
            "Use device='auto' to take the fastest.",
        )
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """Return "float32" or "bfloat16"; "auto" takes bfloat16 where it is fast.

    Raises
    ------
    ModelError
        If there is no such precision.
    """
    if name not in PRECISIONS:
        raise ModelError(
            f"There is no precision {name!r}.",
            f"Choose one of {', '.join(PRECISIONS)}.",
        )
    if name == "auto":
        return "bfloat16" if bf16_is_fast(device) else "float32"
    return name


def bf16_is_fast(device: torch.device) -> bool:
    """Tell whether a CUDA device multiplies bfloat16 in hardware (Ampere on)."""
    import torch

    if device.type != "cuda":
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)
