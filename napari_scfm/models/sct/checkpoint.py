"""Filling an sCT network from its files, and writing them.

What is written has the names and layouts of the released tensors, so that one reader
serves both. A network that is not filled whole is refused, and all that is wrong with
a file is said together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_scfm.errors import ModelError, named
from napari_scfm.models.sct.config import SCTConfig
from napari_scfm.models.sct.names import FIRST_NORM, ROOT, released
from napari_scfm.models.sct.network import SCTNetwork
from napari_scfm.models.sct.reading import read_params
from napari_scfm.models.weights import write_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.models.files import Files


def load_network(files: Files) -> SCTNetwork:
    """Build the network of a configuration and fill it.

    Raises
    ------
    ModelError
        If tensors are missing, unexpected, of another shape or not finite; all of
        them are named.
    """
    config = SCTConfig.from_json(files.config)
    params = read_params(files.weights)
    if not any(name.startswith(ROOT) for name in params):
        raise ModelError(
            f"{files.weights} names its tensors in another way than the released "
            f"JAX weights (it begins with {named(list(params)[:2])}).",
            "Give jax_params/params.joblib of the same download.",
        )
    config = _sized(config, params, files)
    with torch.device("meta"):
        network = SCTNetwork(config)
    fill(network, params, str(files.weights))
    return network.eval().requires_grad_(False)


def _sized(config: SCTConfig, params: dict[str, Tensor], files: Files) -> SCTConfig:
    """Return the configuration with the gene positions that the weights were made for.

    The released file does not name them; the first norm has one scale for each.
    """
    if config.norm != "shared":
        return config
    if FIRST_NORM not in params:
        raise ModelError(
            f"{files.weights} does not fill its network: {FIRST_NORM} is missing.",
            f"Check that {files.config.name} belongs to it.",
        )
    found = len(params[FIRST_NORM])
    if config.positions and config.positions != found:
        raise ModelError(
            f"{files.weights} has {found} gene positions, its configuration "
            f"{config.positions}.",
            f"Check that {files.config.name} belongs to it.",
        )
    return replace(config, positions=found)


def fill(network: SCTNetwork, params: dict[str, Tensor], source: str) -> None:
    """Put released tensors into a network, all or none.

    Parameters
    ----------
    network
        May lie on torch's "meta" device; its tensors are replaced.
    params
        ``module/parameter`` -> tensor, see :func:`.reading.read_params`.
    source
        For messages.

    Raises
    ------
    ModelError
        If they do not fit; every tensor that does not is named.
    """
    names, own = released(network.config), network.state_dict()
    problems, good = [], {}
    for name in names:
        value = params.get(name.released)
        if value is None:
            problems.append(f"{name.released} is missing")
            continue
        want = tuple(name.to_released(own[name.own]).shape)
        if tuple(value.shape) != want:
            problems.append(
                f"{name.released} has shape {tuple(value.shape)}, expected {want}"
            )
        elif not bool(torch.isfinite(value).all()):
            problems.append(f"{name.released} holds numbers that are not finite")
        else:
            good[name.own] = name.to_own(value).contiguous()
    expected = {name.released for name in names}
    problems += [f"{name} is unexpected" for name in params if name not in expected]
    if problems:
        raise ModelError(
            f"{source} does not fill its network: {len(problems)} tensors are "
            f"missing, unexpected or of another shape ({named(problems, 3)}).",
            "Check that config.json belongs to it.",
            problems,
        )
    network.load_state_dict(good, assign=True)


def released_params(network: SCTNetwork) -> dict[str, Tensor]:
    """Return a network's tensors under the released names and in their layouts."""
    own = network.state_dict()
    return {
        name.released: name.to_released(own[name.own]).float()
        for name in released(network.config)
    }


def save_network(network: SCTNetwork, folder: str | Path) -> Path:
    """Write the files of a model; see :func:`.weights.write_model`."""
    return write_model(released_params(network), network.config.to_dict(), folder)
