"""The JSON configuration of an sCT network.

Reads the fields of the released file and a few of our own, and refuses what cannot be
built. No torch here: the list of models reads configurations without loading weights.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

ENCODINGS = ("none", "released", "paper")
NORMS = ("shared", "plain")
_GRAIN = 32
_SPATIAL = "use_spatial_information"
_NEEDED = (
    "num_downsamples",
    "attention_heads",
    "token_embed_dim",
    "embed_dim",
    "ffn_embed_dim",
    "num_layers",
)
_SOURCE = "Give the config.json that lies beside the weights."


@dataclass(frozen=True)
class SCTConfig:
    """What the network is built from; names are those of the released file.

    Attributes
    ----------
    num_downsamples
        How often the encoder halves the number of positions.
    token_embed_dim, embed_dim
        Width of the first and of the last level, multiples of 32; channels grow
        evenly between them.
    attention_heads, key_size
        Heads of the transformer, and the even width of each.
    ffn_embed_dim, num_layers, layer_norm_eps
        Feed-forward width, layers and norm of the transformer.
    positions
        Ours: gene positions of a cell with its pads; a multiple of
        ``2 ** num_downsamples``. 0 = not known before the weights are read.
    num_cells
        Cells of a sequence in training; any number can be read.
    alphabet_size, mask_token_id, pad_token_id
        Tokens: 0 = zero or not measured, 1..4 = bins, then mask and pad.
    num_hidden_layers_head
        Hidden layers of the head, each ``embed_dim`` wide.
    use_skip_connection
        Whether the decoder adds what the encoder read at the same level.
    coordinate_encoding
        Ours: "none"; "released", cosine of x and sine of y at each scale; or
        "paper" (Eq. 1), both of both.
    num_scales, sigma_min, sigma_max
        Scales of the coordinate encoding.
    surroundings
        Ours: bandwidths, in spacings between cells, at which hidden positions are
        told what visible cells around express, see :mod:`.surroundings`; empty =
        they are told nothing (released).
    norm
        Ours: "shared", over the gene positions of a cell and channel; or "plain",
        over the channels of a position.
    measured
        Ours: identifiers of the genes of a panel in the order of its positions;
        empty = the released gene order.
    symbols, species, name
        Ours: gene symbols beside ``measured``, species, name.
    extra
        Every other field of the file, kept.
    """

    num_downsamples: int
    attention_heads: int
    token_embed_dim: int
    embed_dim: int
    ffn_embed_dim: int
    num_layers: int
    key_size: int = 0
    layer_norm_eps: float = 1e-5
    positions: int = 0
    num_cells: int = 50
    alphabet_size: int = 7
    mask_token_id: int = 5
    pad_token_id: int = 6
    num_hidden_layers_head: int = 1
    use_skip_connection: bool = True
    coordinate_encoding: str = "none"
    num_scales: int = 10
    sigma_min: float = 1.0
    sigma_max: float = 10.0
    surroundings: tuple[float, ...] = ()
    norm: str = "shared"
    measured: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    species: str = ""
    name: str = ""
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.key_size and self.attention_heads:
            width = self.embed_dim // self.attention_heads
            object.__setattr__(self, "key_size", width)
        problems = self._problems()
        if problems:
            raise ModelError(
                f"An sCT network of this kind cannot be built: {'; '.join(problems)}.",
                "Correct these fields of its configuration.",
                problems,
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> SCTConfig:
        """Check plain values and build a configuration.

        Raises
        ------
        ModelError
            If fields are missing, of another type, or name a network that is not
            built here; all of them together.
        """
        missing = [f"{name!r} is missing" for name in _NEEDED if name not in values]
        known = {f.name: f for f in fields(cls) if f.name != "extra"}
        chosen = {k: v for k, v in values.items() if k in known and v is not None}
        for name in ("measured", "symbols", "surroundings"):
            chosen[name] = tuple(chosen.get(name, ()))
        if values.get(_SPATIAL):
            chosen.setdefault("coordinate_encoding", "released")
        wrong = [
            f"{name!r} is {value!r}, not {known[name].type}"
            for name, value in chosen.items()
            if not _fits(value, str(known[name].type))
        ]
        if missing or wrong:
            raise ModelError(
                f"{source} is no sCT configuration: {', '.join(missing + wrong)}.",
                _SOURCE,
                missing + wrong,
            )
        said = {*known, _SPATIAL}
        extra = {k: v for k, v in values.items() if k not in said}
        try:
            return cls(**chosen, extra=extra)
        except ModelError as error:
            raise ModelError(
                f"{source}: {error.message}", error.action, error.problems
            ) from error

    @classmethod
    def from_json(cls, path: Path) -> SCTConfig:
        """Read a configuration file.

        Raises
        ------
        ModelError
            If the file is missing, is not JSON, or describes another network.
        """
        return cls.from_dict(read_values(path), str(path))

    def _problems(self) -> list[str]:
        low = [
            f"{name!r} is {getattr(self, name)}, not at least 1"
            for name in (*_NEEDED, "key_size", "num_cells", "num_scales")
            if getattr(self, name) < 1
        ]
        problems = low + [
            f"{name!r} is {getattr(self, name)}, not a multiple of {_GRAIN}"
            for name in ("token_embed_dim", "embed_dim")
            if getattr(self, name) % _GRAIN
        ]
        if self.key_size % 2:
            problems.append(f"'key_size' is {self.key_size}, not even")
        if self.num_downsamples > 0 and self.positions % 2**self.num_downsamples:
            problems.append(
                f"{self.positions} positions cannot be halved "
                f"{self.num_downsamples} times"
            )
        if self.coordinate_encoding not in ENCODINGS:
            problems.append(f"'coordinate_encoding' is not one of {ENCODINGS}")
        if self.norm not in NORMS:
            problems.append(f"'norm' is not one of {NORMS}")
        special = {self.mask_token_id, self.pad_token_id}
        if len(special) < 2 or not special < set(range(self.alphabet_size)):
            problems.append("mask and pad are not two tokens of the alphabet")
        if self.num_hidden_layers_head < 0:
            problems.append("'num_hidden_layers_head' is negative")
        if not 0 < self.sigma_min < self.sigma_max:
            problems.append("'sigma_min' and 'sigma_max' do not grow from above 0")
        if not all(bandwidth > 0 for bandwidth in self.surroundings):
            problems.append("'surroundings' are not above 0")
        if self.positions and len(self.measured) > self.positions:
            problems.append(
                f"{len(self.measured)} genes do not fit {self.positions} positions"
            )
        return problems

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level, from the genes to the bottleneck."""
        first, last, steps = self.token_embed_dim, self.embed_dim, self.num_downsamples
        even = (first + (last - first) * i / steps for i in range(steps + 1))
        return tuple(_GRAIN * math.ceil(round(x, 6) / _GRAIN) for x in even)

    @property
    def chunk(self) -> int:
        """Gene positions of one bottleneck token."""
        return int(2**self.num_downsamples)

    @property
    def cell_tokens(self) -> int:
        """Bottleneck tokens of one cell."""
        return self.positions // self.chunk

    @property
    def bins(self) -> int:
        """Tokens that are expression: zero and the bins."""
        return min(self.mask_token_id, self.pad_token_id)

    @property
    def reads_coordinates(self) -> bool:
        """Whether coordinates are an input."""
        return self.coordinate_encoding != "none"

    @property
    def coordinate_features(self) -> int:
        """Numbers that describe a cell's place."""
        return self.num_scales * (4 if self.coordinate_encoding == "paper" else 2)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the inverse of :meth:`from_dict`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        extra = values.pop("extra")
        plain: dict[str, Any] = {
            k: list(v) if isinstance(v, tuple) else v for k, v in values.items()
        }
        spatial = {_SPATIAL: self.reads_coordinates}
        return {**extra, **plain, **spatial}


def padded(genes: int, num_downsamples: int) -> int:
    """Return the gene positions of a cell of so many genes, pads included."""
    return int(2**num_downsamples * -(-genes // 2**num_downsamples))


def read_values(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ModelError
        If the file is missing or holds something else.
    """
    if not path.is_file():
        raise ModelError(
            f"The weights have no configuration beside them: {path} does not exist.",
            "Put the config.json of the same weights there.",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not JSON: {error}.", "Download it again.") from (
            error
        )
    if not isinstance(values, dict):
        raise ModelError(
            f"{path} is no sCT configuration: it holds no JSON object.", _SOURCE
        )
    return values


def _fits(value: object, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(float(value))  # type: ignore[arg-type]
    if kind == "str":
        return isinstance(value, str)
    inner = "float" if "float" in kind else "str"
    return isinstance(value, tuple) and all(_fits(v, inner) for v in value)
