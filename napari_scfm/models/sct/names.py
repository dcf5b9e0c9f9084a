"""The released names of the network's tensors, and how each is laid out in its file.

One table serves reading and writing: what :func:`released` gives is what the released
files hold, and what ``model.save`` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_scfm.models.sct.config import SCTConfig

ROOT = "long_range_nt/"
FIRST_NORM = f"{ROOT}conv_block_0/conv_block/layer_norm/scale"
Layout = Literal["same", "linear", "taps", "doubling", "column", "pointwise"]


@dataclass(frozen=True)
class Name:
    """One tensor: its name in the files, its name in the network, its layout.

    Attributes
    ----------
    released, own
        Names.
    layout
        How the file's array differs from the parameter: "linear" (in, out);
        "taps" (taps, in, out); "doubling" (taps, out, in); "pointwise" (1, out, in)
        or (1, in, out) of a linear map, see ``turned``; "column" (out, 1).
    turned
        Of a pointwise map: whether the file holds (1, in, out).
    """

    released: str
    own: str
    layout: Layout = "same"
    turned: bool = False

    def to_own(self, value: Tensor) -> Tensor:
        """Return a file's array as the network holds it."""
        if self.layout == "linear":
            return value.T
        if self.layout == "taps":
            return value.permute(2, 1, 0)
        if self.layout == "doubling":
            return value.permute(1, 2, 0)
        if self.layout == "pointwise":
            return value[0].T if self.turned else value[0]
        return value[:, 0] if self.layout == "column" else value

    def to_released(self, value: Tensor) -> Tensor:
        """Return a parameter as the files hold it; the inverse of :meth:`to_own`."""
        if self.layout == "linear":
            return value.T
        if self.layout == "taps":
            return value.permute(2, 1, 0)
        if self.layout == "doubling":
            return value.permute(2, 0, 1)
        if self.layout == "pointwise":
            return (value.T if self.turned else value).unsqueeze(0)
        return value.unsqueeze(1) if self.layout == "column" else value


def released(config: SCTConfig) -> list[Name]:
    """Return every tensor of a network."""
    names = [Name(f"{ROOT}~/embed/embeddings", "embed.weight")]
    if config.reads_coordinates:
        place = f"{ROOT}spatial_encoding/~/spatial_fully_connected"
        names += _linear(place, "places.linear")
    if config.surroundings:
        names.append(Name(f"{ROOT}surroundings/w", "surroundings.weight"))
    names += _convolution(f"{ROOT}stem/conv1_d", "stem", "taps")
    for i in range(config.num_downsamples):
        names += _encoder(f"{ROOT}conv_block_{i}/", f"encoder.{i}.")
        names += _decoder(f"{ROOT}deconv_block_{i}/", f"decoder.{i}.")
    for i in range(config.num_layers):
        names += _layer(f"{ROOT}attention_layer_{i}/~/", f"layers.{i}.")
    for i in range(config.num_hidden_layers_head + 1):
        names += _linear(f"{ROOT}linear" + (f"_{i}" if i else ""), f"head.layers.{i}")
    return names


def _linear(path: str, own: str) -> Iterator[Name]:
    yield Name(f"{path}/w", f"{own}.weight", "linear")
    yield Name(f"{path}/b", f"{own}.bias")


def _convolution(path: str, own: str, layout: Layout) -> Iterator[Name]:
    yield Name(f"{path}/w", f"{own}.weight", layout)
    yield Name(f"{path}/b", f"{own}.bias", "column")


def _pointwise(path: str, own: str, turned: bool) -> Iterator[Name]:
    yield Name(f"{path}/w", f"{own}.weight", "pointwise", turned)
    yield Name(f"{path}/b", f"{own}.bias", "column")


def _norm(path: str, own: str, *, torch: bool = False) -> Iterator[Name]:
    """Yield a norm's tensors; those of torch are named weight and bias."""
    yield Name(f"{path}/scale", f"{own}.weight" if torch else f"{own}.scale")
    yield Name(f"{path}/offset", f"{own}.bias" if torch else f"{own}.offset")


def _encoder(path: str, own: str) -> Iterator[Name]:
    inner = f"{path}residual_conv_block/conv_block"
    yield from _norm(f"{path}conv_block/layer_norm", f"{own}norm1")
    yield from _convolution(f"{path}conv_block/conv1_d", f"{own}conv", "taps")
    yield from _norm(f"{inner}/layer_norm", f"{own}norm2")
    yield from _pointwise(f"{inner}/conv1_d", f"{own}mix", True)


def _decoder(path: str, own: str) -> Iterator[Name]:
    inner = f"{path}residual_de_conv_block/de_conv_block"
    last = "conv1_d_transpose"
    yield from _norm(f"{path}de_conv_block/layer_norm", f"{own}norm1")
    yield from _convolution(f"{path}de_conv_block/{last}", f"{own}up", "doubling")
    yield from _norm(f"{inner}/layer_norm", f"{own}norm2")
    yield from _pointwise(f"{inner}/{last}", f"{own}mix", False)


def _layer(path: str, own: str) -> Iterator[Name]:
    attention = f"{path}self_attention/"
    yield from _norm(f"{path}self_attention_layer_norm", f"{own}norm1", torch=True)
    for theirs, ours in (
        ("query", "query"),
        ("key", "key"),
        ("value", "value"),
        ("mha_output", "out"),
    ):
        yield from _linear(f"{attention}{theirs}", f"{own}attention.{ours}")
    yield from _norm(f"{path}final_layer_norm", f"{own}norm2", torch=True)
    for name in ("fc1", "fc2"):
        yield Name(f"{path}{name}/w", f"{own}{name}.weight", "linear")
