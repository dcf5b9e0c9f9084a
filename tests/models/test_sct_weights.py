"""Files of sCT weights: read without running anything, refused with a sentence."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from typing import TYPE_CHECKING

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_scfm.errors import ModelError
from napari_scfm.models.hub import load_model
from napari_scfm.models.sct.checkpoint import load_network, save_network
from napari_scfm.models.sct.files import find_files
from napari_scfm.models.sct.names import FIRST_NORM
from napari_scfm.models.sct.reading import read_params

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {
    "root/a": {"w": np.arange(6, dtype="f4").reshape(2, 3)},
    "b": {"b": np.ones(2)},
}


@pytest.fixture
def tiny(shared: Path, tmp_path: Path) -> Path:
    source = shared / "parity" / "sct" / "tiny" / "nonspatial"
    for name in ("params.joblib", "params.safetensors", "config.json"):
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


class Quiet:
    """Sets the state of a class that is no array."""

    def __init__(self) -> None:
        self.a = 1


class FakeJax:
    """Pickled as a JAX array is: a function of JAX around an array of numpy."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def __reduce__(self):
        made, given, state = self.value.__reduce__()
        return _reconstruct_array, (made, given, state, {"weak_type": False})


def _reconstruct_array(made, given, state, weak):
    raise AssertionError("nothing of a file is called")


_reconstruct_array.__module__ = "jax._src.array"


def dumped(value: object, protocol: int = 4) -> bytes:
    """Pickle in plain Python, which takes a module's word for what it holds."""
    import io
    import sys
    import types

    fake = types.ModuleType("jax._src.array")
    fake._reconstruct_array = _reconstruct_array
    names = ("jax", "jax._src", "jax._src.array")
    modules = dict.fromkeys(names, fake)
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(modules)
    try:
        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(value)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return out.getvalue()


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "lzma", "xz"])
def test_joblib_files_are_read_compressed_or_not(tmp_path, compress):
    path = tmp_path / "params.joblib"
    value = PLAIN | {"f": {"w": np.asfortranarray(PLAIN["root/a"]["w"])}}
    joblib.dump(value, path, compress=(compress, 3) if compress else 0)
    found = read_params(path)
    assert list(found) == ["b/b", "f/w", "root/a/w"]
    for name in ("f/w", "root/a/w"):
        assert found[name].dtype == torch.float32
        np.testing.assert_array_equal(found[name], PLAIN["root/a"]["w"])


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_pickles_and_arrays_of_jax_are_read(tmp_path, protocol):
    path = tmp_path / "params.joblib"
    value = PLAIN["root/a"]["w"]
    path.write_bytes(dumped({"m": {"x": FakeJax(value)}}, protocol))
    np.testing.assert_array_equal(read_params(path)["m/x"], value)
    if protocol in (3, 4):  # others hold the bytes as text, or in a buffer
        path.write_bytes(pickle.dumps({"m": {"x": value.astype(">f4")}}, protocol))
        np.testing.assert_array_equal(read_params(path)["m/x"], value)


@pytest.mark.parametrize("compress", [0, 3])
def test_a_file_that_runs_code_is_refused_and_nothing_is_run(tmp_path, compress):
    mark, path = tmp_path / "was_run", tmp_path / "params.joblib"
    joblib.dump(PLAIN | {"c": {"w": Evil(mark)}}, path, compress=compress)
    with pytest.raises(ModelError, match=r"was refused: it asks for posix\.system"):
        read_params(path)
    assert not mark.exists()
    joblib.load(path)
    assert mark.exists(), "the file does run code where it is unpickled"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": {"w": Quiet()}}, "asks for"),
        ({"a": {"w": np.array([{}], dtype=object)}}, "type 'O8'"),
        ({"a": {"w": np.arange(3)}}, "type 'i8'"),
        ({"a": {"w": {1, 2}}}, "instruction EMPTY_SET"),
        ({"a": {"w": 1.5}}, "a/w is float, no array"),
        ({"a": {"w": [1.0]}}, "instruction EMPTY_LIST"),
        ({"a": {"w": (1.0,)}}, "no array"),
        ({"a": {"w": {"x": np.ones(2)}}}, "nested more than 2 deep"),
        ({}, "it is empty"),
        ({"a": np.ones(2).view(np.recarray)}, "asks for"),
    ],
    ids=[
        "object",
        "objects",
        "integers",
        "set",
        "number",
        "list",
        "tuple",
        "deep",
        "empty",
        "subclass",
    ],
)
def test_anything_but_arrays_is_refused(tmp_path, value, reason):
    path = tmp_path / "params.joblib"
    joblib.dump(value, path)
    with pytest.raises(ModelError, match=reason):
        read_params(path)


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "xz"])
@pytest.mark.parametrize("part", [0.02, 0.4, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, part, compress):
    whole, path = tmp_path / "whole.joblib", tmp_path / "params.joblib"
    value = {"a": {"w": np.random.default_rng(0).random(400)}}
    joblib.dump(value, whole, compress=(compress, 3) if compress else 0)
    content = whole.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ModelError, match=r"params\.joblib"):
        read_params(path)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_never_do_more_than_be_refused(tmp_path, seed):
    path = tmp_path / "params.joblib"
    joblib.dump(PLAIN, path)
    content, draw = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in draw.integers(len(content), size=4):
        content[place] = draw.integers(256)
    path.write_bytes(content)
    try:
        found = read_params(path)
    except ModelError:
        return
    assert all(isinstance(value, torch.Tensor) for value in found.values())


def test_an_array_of_impossible_size_is_refused(tmp_path):
    path = tmp_path / "params.joblib"
    joblib.dump({"a": {"w": np.zeros(70_000, "f4")}}, path)
    content = path.read_bytes()
    size = (70_000).to_bytes(4, "little")
    assert content.count(b"J" + size) == 1
    large = content.replace(b"J" + size, b"J" + (2**31 - 1).to_bytes(4, "little"))
    path.write_bytes(large)
    with pytest.raises(ModelError, match="more than 4 GiB"):
        read_params(path)


def test_lz4_is_named(tmp_path):
    path = tmp_path / "params.joblib"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(60))
    with pytest.raises(ModelError, match="compressed with LZ4"):
        read_params(path)


def test_what_is_saved_is_what_was_read(tiny, tmp_path):
    network = load_network(find_files(tiny / "params.joblib"))
    folder = save_network(network, tmp_path / "mine")
    again = load_network(find_files(folder))
    assert again.config == network.config
    own = network.state_dict()
    assert all(torch.equal(own[k], v) for k, v in again.state_dict().items())
    theirs = load_file(tiny / "params.safetensors")
    saved = load_file(folder / "model.safetensors")
    assert set(saved) == set(theirs)
    assert all(torch.equal(saved[name], theirs[name]) for name in saved)
    assert find_files(folder).version == "mine"


@pytest.mark.parametrize(
    "given", ["params.joblib", "params.safetensors", "", "jax_params/params.joblib"]
)
def test_models_load_from_file_or_folder(tiny, given):
    if given.startswith("jax"):
        (tiny / "jax_params").mkdir()
        for name in ("params.joblib", "config.json"):
            (tiny / name).rename(tiny / "jax_params" / name)
        (tiny / "params.safetensors").unlink()
        assert find_files(tiny).weights.parent.name == "jax_params"
    model = load_model(tiny / given, device="cpu")
    tokens = torch.zeros(1, 2 * 96, dtype=torch.long)
    assert model.network(tokens).logits.shape == (1, 192, 7)


def test_weights_that_do_not_fit_are_all_named(tiny):
    tensors = load_file(tiny / "params.safetensors")
    tensors["long_range_nt/other"] = torch.ones(2)
    del tensors["long_range_nt/linear/b"]
    tensors["long_range_nt/linear/w"] = tensors["long_range_nt/linear/w"].T.contiguous()
    tensors["long_range_nt/linear_1/b"][0] = float("nan")
    save_file(tensors, tiny / "model.safetensors")
    with pytest.raises(ModelError, match="does not fill") as caught:
        load_network(find_files(tiny / "model.safetensors"))
    assert {problem.partition(" ")[0] for problem in caught.value.problems} == {
        "long_range_nt/other",
        "long_range_nt/linear/b",
        "long_range_nt/linear/w",
        "long_range_nt/linear_1/b",
    }


def test_weights_under_other_names_are_told_apart(tiny):
    save_file({"stem.conv.weight": torch.ones(2)}, tiny / "model.safetensors")
    with pytest.raises(ModelError, match="names its tensors in another way"):
        load_network(find_files(tiny))


def test_gene_positions_must_be_those_of_the_configuration(tiny):
    values = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps(values | {"positions": 88}))
    with pytest.raises(ModelError, match=r"has 96 gene positions, .* 88"):
        load_network(find_files(tiny / "params.joblib"))
    (tiny / "config.json").unlink()
    with pytest.raises(ModelError, match="no configuration beside"):
        load_network(find_files(tiny / "params.joblib"))
    tensors = load_file(tiny / "params.safetensors")
    del tensors[FIRST_NORM]
    (tiny / "config.json").write_text(json.dumps(values))
    save_file(tensors, tiny / "model.safetensors")
    with pytest.raises(ModelError, match=r"layer_norm/scale is missing"):
        load_network(find_files(tiny))
