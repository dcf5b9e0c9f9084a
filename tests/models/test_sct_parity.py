"""Every recorded array of the released sCT program, and the full-size network."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_scfm.models.hub import load_model
from napari_scfm.models.sct.cell_attention import between_cells
from napari_scfm.models.sct.checkpoint import fill, load_network
from napari_scfm.models.sct.config import SCTConfig
from napari_scfm.models.sct.files import find_files
from napari_scfm.models.sct.names import released
from napari_scfm.models.sct.network import SCTNetwork

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = {"nonspatial": 1e-4, "spatial": 2e-4}
WEIGHTS = 1e-5
RELEASED_KEY = "released_key.attention_map_layer_"


@pytest.fixture(scope="module")
def parity(shared: Path) -> Path:
    return shared / "parity" / "sct"


@pytest.fixture(scope="module", params=list(TOLERANCE))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@cache
def network_of(folder: Path) -> SCTNetwork:
    files = find_files(folder / "params.joblib")
    assert files is not None
    return load_network(files)


def tower(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return an array of ours, features last, in the order of the recorded one."""
    if value.shape == like.shape:
        return value
    if like.ndim == 4:  # (B, C, k, n)
        batch, wide, cells, _ = like.shape
        return value.reshape(batch, cells, -1, wide).permute(0, 3, 1, 2)
    return value.transpose(1, 2)


def true_head(key: str, heads: int) -> tuple[int, int]:
    """Return (layer, head) that a released key returns: the head after the named."""
    layer, _, number = key.removeprefix(RELEASED_KEY).partition("_number_")
    return int(layer) - 1, min(int(number) + 1, heads - 1)


def everything(network: SCTNetwork, inputs: dict, keys: list[str]) -> dict:
    """Return what we compute under every name that can be compared."""
    tokens, places = inputs["tokens"], inputs.get("coordinates")
    got = dict(network.stages(tokens, places))
    config, hidden = network.config, network.hidden(tokens, places)
    for i, layer in enumerate(network.layers):
        among = between_cells(layer, hidden[i], config.cell_tokens)
        got[f"derived.layer{i}.cell_attention"] = among
        vectors = network.cell_vectors(hidden[i + 1])
        got[f"derived.layer{i}.cell_embedding"] = vectors
    got["derived.bin_probabilities"] = got["logits"][..., : config.bins].softmax(-1)
    pairs = {key: true_head(key, config.attention_heads) for key in keys}
    out = network(tokens, places, attention=tuple(pairs.values()))
    return got | {key: out.attention[pair] for key, pair in pairs.items()}


def test_every_recorded_array_is_met(parity: Path, kind: str):
    folder = parity / "tiny" / kind
    want = load_file(folder / "outputs.safetensors")
    inputs = load_file(folder / "inputs.safetensors")
    keys = [name for name in want if name.startswith(RELEASED_KEY)]
    got = everything(network_of(folder), inputs, keys)
    assert set(want) <= set(got)
    off = {}
    for name, value in want.items():
        fine = WEIGHTS if "attention" in name else TOLERANCE[kind]
        error = float((tower(got[name], value) - value).abs().max())
        if not error <= fine:
            off[name] = error
    assert not off
    bins = want["logits"][..., :5].argmax(-1)
    assert torch.equal(got["logits"][..., :5].argmax(-1), bins)


def test_lean_pass_meets_the_recorded_arrays(parity: Path, kind: str):
    folder = parity / "tiny" / kind
    want = load_file(folder / "outputs.safetensors")
    inputs = load_file(folder / "inputs.safetensors")
    model = load_model(folder / "params.joblib", device="cpu")
    out = model.network(inputs["tokens"], coordinates=inputs.get("coordinates"))
    for name in ("logits", "conv_out", "transformer_out", "deconv_out"):
        found = tower(getattr(out, name), want[name])
        torch.testing.assert_close(found, want[name], atol=TOLERANCE[kind], rtol=0)


def test_released_files_agree(parity: Path, kind: str):
    folder = parity / "tiny" / kind
    tensors = load_file(folder / "params.safetensors")
    own = network_of(folder).state_dict()
    names = released(network_of(folder).config)
    assert {name.released for name in names} == set(tensors)
    for name in names:
        assert torch.equal(name.to_released(own[name.own]), tensors[name.released])


def drawn(shapes: dict[str, list[int]], seed: int) -> dict[str, torch.Tensor]:
    """Return the weights of the recipe beside the recorded arrays."""
    draw, found = np.random.RandomState(seed), {}
    modules: dict[str, list[str]] = {}
    for name in shapes:
        module, _, parameter = name.rpartition("/")
        modules.setdefault(module, []).append(parameter)
    for module in sorted(modules):
        for parameter in sorted(modules[module]):
            shape = shapes[f"{module}/{parameter}"]
            z = draw.standard_normal(shape)
            if parameter == "scale":
                z = 1 + 0.1 * z
            elif parameter in ("offset", "b"):
                z *= 0.1
            elif parameter == "w":
                fan = [shape[0], shape[1]] if len(shape) == 3 else [shape[0]]
                if len(shape) == 3 and "transpose" in module:
                    fan = [shape[0], shape[2]]
                z /= np.sqrt(np.prod(fan))
            found[f"{module}/{parameter}"] = torch.from_numpy(z.astype(np.float32))
    return found


@pytest.fixture(scope="module")
def full(shared: Path, parity: Path) -> SCTNetwork:
    folder = parity / "full_numpy_weights"
    check = json.loads((folder / "manifest.json").read_text())["weights_check"]
    shapes = json.loads((shared / "reference" / "sct_keys.json").read_text())
    params = drawn(shapes["parameters"], check["seed"])
    total = sum(float(value.double().sum()) for value in params.values())
    assert total == pytest.approx(check["sum_of_all_weights_float64"], rel=1e-9)
    values = json.loads((folder / "config.json").read_text())
    config = SCTConfig.from_dict(values | {"positions": 19_968}, "released")
    with torch.device("meta"):
        network = SCTNetwork(config)
    fill(network, params, "recipe")
    return network.eval().requires_grad_(False)


def test_full_size_network(parity: Path, full: SCTNetwork):
    folder = parity / "full_numpy_weights"
    tokens = load_file(folder / "inputs.safetensors")["tokens"]
    want = load_file(folder / "outputs.safetensors")
    out = full(tokens)
    got = {"conv_out": out.conv_out, "transformer_out": out.transformer_out}
    for i, value in enumerate(full.hidden(tokens)[1:-1]):
        got[f"layer{i}.out"] = value
    where = want.pop("positions")
    got["logits_at_positions"] = full.logits_at(tokens, where)
    got["deconv_out_at_positions"] = out.deconv_out[:, where]
    sums = out.logits.double().view(1, 2, -1, 7).sum(dim=2)
    total = want.pop("logits_sum_per_class_per_cell")
    torch.testing.assert_close(sums, total, rtol=1e-4, atol=0)
    torch.testing.assert_close(got["logits_at_positions"], out.logits[:, where])
    keys = [name for name in want if name.startswith(RELEASED_KEY)]
    pairs = {key: true_head(key, 16) for key in keys}
    whole = full(tokens, residuals=True, attention=tuple(pairs.values()))
    got |= {key: whole.attention[pair] for key, pair in pairs.items()}
    for i, value in enumerate(whole.residuals):
        got[f"residual{i}.first64"] = value[:, :64].transpose(1, 2)
    assert set(got) == set(want)
    for name, value in want.items():
        fine = WEIGHTS if name in keys else 2e-4
        torch.testing.assert_close(got[name], value, atol=fine, rtol=0, msg=name)


def test_names_and_shapes_are_the_released_ones(shared: Path, full: SCTNetwork):
    keys = json.loads((shared / "reference" / "sct_keys.json").read_text())
    own = full.state_dict()
    shapes = {
        name.released: list(name.to_released(own[name.own]).shape)
        for name in released(full.config)
    }
    assert shapes == keys["parameters"]
    assert sum(p.numel() for p in full.parameters()) == keys["n_parameters"]
