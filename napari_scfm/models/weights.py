"""The weights of a network, whatever its family: counted, and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from napari_scfm.models.files import CONFIG, WEIGHTS, whole_file, write_json

if TYPE_CHECKING:
    from torch import Tensor, nn


def count_weights(network: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(p.numel() for p in network.parameters())


def on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies that a safetensors file can hold."""
    return {
        name: value.detach().to("cpu").contiguous().clone()
        for name, value in tensors.items()
    }


def write_model(
    tensors: dict[str, Tensor], config: dict[str, Any], folder: str | Path
) -> Path:
    """Write ``model.safetensors`` and ``config.json`` into a folder, atomically.

    Parameters
    ----------
    tensors
        Named as in the file.
    config
        Plain values.
    folder
        Made if need be.

    Returns
    -------
    The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / WEIGHTS) as part:
        save_file(on_cpu(tensors), part)
    write_json(folder / CONFIG, config)
    return folder
