"""Reading and writing CellPLM files; a file never runs code.

Reads the original pair (``<version>.best.ckpt`` and ``<version>.config.json``, or
``.finetuned.``) and the folders that :func:`save_network` writes. Every load says
which tensors were missing, unexpected or of the wrong shape. A network without its
embedder, encoder, norm or latent is refused; without its decoder it loads, but cannot
impute.
"""

from __future__ import annotations

import pickle
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_scfm.errors import ModelError, named
from napari_scfm.models.cellplm.config import CellPLMConfig, read_config
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.weights import write_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.models.files import Files

# carried by the original files, read by nothing
_UNUSED = ("embedder.norm0.weight", "embedder.norm0.bias")
_COMPUTED = "embedder.pe_enc.pe_enc.weight"
_SOURCE = "Download the file again, or use another checkpoint."


@dataclass
class LoadReport:
    """How the tensors of a file met those of the network.

    Attributes
    ----------
    missing, unexpected
        Names that only the network or only the file has.
    wrong_shape
        Name -> what was found and what was expected.
    unused
        Names in the file that the network never reads, as in the original.
    """

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    wrong_shape: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    @property
    def unusable(self) -> list[str]:
        """One sentence for each tensor of the network that was not filled."""
        return [f"{name} is missing" for name in self.missing] + [
            f"{name} {text}" for name, text in self.wrong_shape.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """Return what a user should know."""
        out = []
        if self.unusable:
            out.append(f"Tensors that could not be filled: {named(self.unusable)}.")
        if self.unexpected:
            out.append(
                f"Tensors in the file that are not read: {named(self.unexpected)}."
            )
        return out


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a checkpoint or safetensors file, on the CPU.

    Raises
    ------
    ModelError
        If the file is damaged, holds something other than tensors (code in it is
        not run), or no ``model_state_dict``.
    """
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except Exception as error:  # safetensors has one error class for all
            raise ModelError(f"{path} cannot be read: {error}.", _SOURCE) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols
            content = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} was refused: it is damaged, or asks for code to be run.",
            "A checkpoint may hold only tensors; nothing in it was run. " + _SOURCE,
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path} cannot be read: {reason}.", _SOURCE) from error
    state = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise ModelError(f"{path} holds no 'model_state_dict'.", _SOURCE)
    return {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def fill(network: CellPLMNetwork, tensors: dict[str, Tensor]) -> LoadReport:
    """Copy tensors into a network by name and shape; report what did not fit."""
    report = LoadReport()
    own = network.state_dict()
    good = {}
    for name, value in tensors.items():
        if name == _COMPUTED or name in _UNUSED:
            report.unused.append(name)
        elif name not in own:
            report.unexpected.append(name)
        elif value.shape != own[name].shape:
            report.wrong_shape[name] = (
                f"has shape {tuple(value.shape)}, expected {tuple(own[name].shape)}"
            )
        else:
            good[name] = value.to(own[name].dtype)
    report.missing = [name for name in own if name not in tensors]
    network.load_state_dict(good, strict=False)
    return report


def load_network(files: Files) -> tuple[CellPLMNetwork, LoadReport]:
    """Build the network of a configuration and fill it.

    Raises
    ------
    ModelError
        If tensors that every use needs are missing or have another shape; all of
        them are named. A decoder may be left out whole, never in part.
    """
    config = read_config(files.config)
    tensors = read_tensors(files.weights)
    network = CellPLMNetwork(config)
    report = fill(network, tensors)
    optional = [] if config.pe_active else ["embedder.pe_enc."]
    if not any(name.startswith("decoder.") for name in tensors):
        optional.append("decoder.")
    lacking = [t for t in report.unusable if not t.startswith(tuple(optional))]
    if lacking:
        raise ModelError(
            f"{files.weights} does not fill its network: {len(lacking)} tensors "
            f"are missing or have another shape ({named(lacking)}).",
            f"Check that {files.config.name} belongs to it.",
            lacking,
        )
    network.eval().requires_grad_(False)
    return network, report


def save_network(
    network: CellPLMNetwork, config: CellPLMConfig, folder: str | Path
) -> Path:
    """Write the files of a model; see :func:`.weights.write_model`."""
    return write_model(network.state_dict(), config.to_dict(), folder)
