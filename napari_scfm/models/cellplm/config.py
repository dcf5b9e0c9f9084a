"""The flat JSON configuration of a CellPLM network.

Reads the fields of the original files and a few of our own, and refuses a network
that this package does not build (another encoder, another latent). No torch here:
the list of models reads configurations without loading weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ModelError, named

if TYPE_CHECKING:
    from pathlib import Path

LATENTS = ("vae", "ae", "gmvae")
POSITIONS = ("sin", "fourier")


@dataclass(frozen=True)
class CellPLMConfig:
    """What the network is built from; names are those of the original files.

    Attributes
    ----------
    gene_list
        Gene identifiers, in the order of the gene embeddings.
    enc_hid, enc_layers, enc_head
        Width, number of layers and heads of the encoder.
    latent_mod, post_latent_dim, num_clusters
        Kind and width of the latent; components of the mixture of ``gmvae``.
    dec_mod, dec_hid, dec_layers, out_dim
        Decoder; ``dec_layers - 1`` hidden layers.
    batch_num, dataset_num, platform_num
        Rows of the decoder's covariate tables, 0 = no table.
    norm
        Norm of embedder and decoder; the encoder always uses layer norm.
    model_dropout
        Dropout rate in training.
    head_type
        None for a decoder, or "annotation".
    pe_type, pe_active
        Kind of positional encoding, and whether it is added. Original files
        never add it: their code replaces it by 0.
    neighbours, bandwidths
        Ours: every cell also reads the means of its nearest cells, of these growing
        numbers and with Gaussian weights of these widths in um; see :mod:`.local`.
        No neighbours = as in the original.
    own_width, near_width
        Ours, with neighbours: projections of a cell, and of its neighbours.
    input_dropout, linear_path
        Ours, with neighbours: dropout rate on the description of a cell, and whether
        a linear path leads past the encoder and the decoder.
    symbols, species, name
        Ours: gene symbols beside ``gene_list``, species, name.
    extra
        Every other field of the file, kept.
    """

    gene_list: tuple[str, ...]
    enc_hid: int
    enc_layers: int
    post_latent_dim: int
    enc_head: int = 8
    latent_mod: str = "vae"
    num_clusters: int = 16
    dec_mod: str = "nbmlp"
    dec_hid: int = 0
    dec_layers: int = 2
    out_dim: int = 0
    batch_num: int = 0
    dataset_num: int = 0
    platform_num: int = 0
    norm: str = "layernorm"
    model_dropout: float = 0.1
    head_type: str | None = None
    pe_type: str | None = "sin"
    pe_active: bool = False
    neighbours: tuple[int, ...] = ()
    bandwidths: tuple[float, ...] = ()
    own_width: int = 96
    near_width: int = 32
    input_dropout: float = 0.0
    linear_path: bool = False
    symbols: tuple[str, ...] = ()
    species: str = ""
    name: str = ""
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> CellPLMConfig:
        """Check plain values and build a configuration.

        Raises
        ------
        ModelError
            If fields are missing, of another type, or name a network that is
            not built here; all of them together.
        """
        known = {f.name for f in fields(cls)} - {"extra"}
        problems = [
            f"{name!r} is missing"
            for name in ("gene_list", "enc_hid", "enc_layers", "post_latent_dim")
            if name not in values
        ]
        if problems:
            raise ModelError(
                f"{source} is no CellPLM configuration: {named(problems)}.",
                "Give the .config.json that belongs to the weights.",
                problems,
            )
        chosen = {k: v for k, v in values.items() if k in known and v is not None}
        for name in ("gene_list", "symbols", "neighbours", "bandwidths"):
            chosen[name] = tuple(chosen.get(name, ()))
        if "pe_type" in values:
            chosen["pe_type"] = values["pe_type"]
        extra = {k: v for k, v in values.items() if k not in known}
        try:
            config = cls(**chosen, extra=extra)
            problems = config._problems()
        except TypeError as error:
            raise ModelError(
                f"{source} is no CellPLM configuration: {error}.",
                "Give the .config.json that belongs to the weights.",
            ) from error
        if problems:
            raise ModelError(
                f"{source} describes a network that cannot be built: "
                f"{'; '.join(problems)}.",
                "Use a checkpoint of the released kind.",
                problems,
            )
        return config

    def _problems(self) -> list[str]:
        problems = []
        encoder = self.extra.get("enc_mod", "flowformer")
        if encoder != "flowformer":
            problems.append(f"encoder {encoder!r} (only 'flowformer' is read)")
        if self.latent_mod not in LATENTS:
            problems.append(f"latent {self.latent_mod!r} (not one of {LATENTS})")
        if self.enc_hid % self.enc_head or self.enc_hid % 4:
            problems.append(
                f"width {self.enc_hid} is not divisible by 4 and by {self.enc_head}"
            )
        if self.head_type not in (None, "annotation", "embedder"):
            problems.append(f"head {self.head_type!r} (only 'annotation' is read)")
        if self.pe_type is not None and self.pe_type not in POSITIONS:
            problems.append(f"positions {self.pe_type!r} (not one of {POSITIONS})")
        if not 0 < self.near_width <= self.own_width:
            problems.append("near_width is not between 1 and own_width")
        if list(self.neighbours) != sorted(set(self.neighbours)):
            problems.append(f"neighbours {self.neighbours} do not grow")
        if not self.gene_list or len(set(self.gene_list)) != len(self.gene_list):
            problems.append("gene_list is empty or names a gene twice")
        return problems

    @property
    def has_decoder(self) -> bool:
        """Whether genes can be predicted."""
        return self.head_type is None and self.dec_mod == "nbmlp"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the inverse of :meth:`from_dict`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        extra = values.pop("extra")
        plain: dict[str, Any] = {
            k: list(v) if isinstance(v, tuple) else v for k, v in values.items()
        }
        return {"enc_mod": "flowformer", **extra, **plain}


def read_config(path: Path) -> CellPLMConfig:
    """Read a configuration file.

    Raises
    ------
    ModelError
        If the file is missing, is not JSON, or describes another network.
    """
    if not path.is_file():
        raise ModelError(
            f"The weights have no configuration beside them: {path} does not exist.",
            "Put the .config.json of the same version there.",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is not JSON: {error}.", "Download the file again."
        ) from error
    if not isinstance(values, dict):
        raise ModelError(
            f"{path} is no CellPLM configuration: it holds no JSON object.",
            "Give the .config.json that belongs to the weights.",
        )
    return CellPLMConfig.from_dict(values, str(path))
