"""Named tensors out of the released files; a file never runs code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_scfm.errors import ModelError, named
from napari_scfm.models.sct.array_pickle import Refused, read_arrays
from napari_scfm.models.sct.compressed import UnknownCompression, open_plain

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = "Download the file again, or give a .safetensors file of the same tensors."


def read_params(path: Path) -> dict[str, Tensor]:
    """Read the tensors of ``params.joblib`` or of a safetensors file, on the CPU.

    Parameters
    ----------
    path
        A joblib file of ``dict[module][parameter] -> array``, compressed or not, or
        safetensors of ``module/parameter``.

    Returns
    -------
    ``module/parameter`` -> float32 tensor.

    Raises
    ------
    ModelError
        If the file is damaged or holds anything but arrays; nothing in it is run.
    """
    if path.suffix == ".safetensors":
        try:
            tensors = load_file(path)
        except Exception as error:  # safetensors has one error class for all
            raise ModelError(f"{path} cannot be read: {error}.", _SOURCE) from error
        return {name: value.float() for name, value in tensors.items()}
    try:
        with open_plain(path) as stream:
            content = read_arrays(stream)
    except (Refused, UnknownCompression) as error:
        raise ModelError(
            f"{path} was refused: {error}.",
            "Weights may hold only arrays of numbers; nothing in it was run. "
            + _SOURCE,
        ) from error
    except (OSError, EOFError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", _SOURCE) from error
    return _flat(content, path)


def _flat(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the arrays of nested dicts under joined names."""
    found: dict[str, Tensor] = {}
    problems: list[str] = []
    waiting = [("", content)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [
                (f"{name}/{k}" if name else str(k), v) for k, v in value.items()
            ]
        elif isinstance(value, np.ndarray):
            found[name] = torch.from_numpy(value).float()
        else:
            problems.append(f"{name or 'the file'} is {type(value).__name__}, no array")
    if problems or not found:
        raise ModelError(
            f"{path} holds no parameters: {named(problems) or 'it is empty'}.",
            _SOURCE,
            problems,
        )
    return dict(sorted(found.items()))
