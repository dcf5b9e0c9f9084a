"""The sCT network: towers around a transformer, one sequence of cells at a time.

Tokens are cell after cell, ``index = cell * positions + gene position``; every cell
brings all its positions, pads included, and any number of cells can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_scfm.errors import ModelError
from napari_scfm.models.sct.blocks import DecoderBlock, EncoderBlock, gelu
from napari_scfm.models.sct.cell_attention import between_cells
from napari_scfm.models.sct.convolutions import Convolution
from napari_scfm.models.sct.coordinates import CoordinateEncoding
from napari_scfm.models.sct.head import Head
from napari_scfm.models.sct.lean import LeanPass
from napari_scfm.models.sct.stages import NOTHING, Stages
from napari_scfm.models.sct.surroundings import Surroundings
from napari_scfm.models.sct.transformer import Layer

if TYPE_CHECKING:
    from napari_scfm.models.sct.config import SCTConfig

_STEM = 15


@dataclass
class Output:
    """What a sequence becomes; B sequences of L positions and T bottleneck tokens.

    Attributes
    ----------
    logits
        (B, L, alphabet).
    conv_out, transformer_out
        (B, T, embed_dim) before and after the transformer.
    deconv_out
        (B, L, token_embed_dim), position by position.
    residuals
        What each encoder block read, (B, L / 2 ** i, channels); empty unless asked
        for.
    attention
        (layer, head) -> (B, T, T), as asked for; both count from 0.
    """

    logits: Tensor
    conv_out: Tensor
    transformer_out: Tensor
    deconv_out: Tensor
    residuals: tuple[Tensor, ...] = ()
    attention: dict[tuple[int, int], Tensor] | None = None


class SCTNetwork(nn.Module):
    """The network of a configuration, with random weights until it is filled.

    Parameters
    ----------
    config
        Its ``positions`` must be known.

    Attributes
    ----------
    precision
        Of passes without gradients, "float32" or "bfloat16"; see :mod:`.lean`.
        Passes with gradients are the caller's (``torch.autocast``).
    """

    def __init__(self, config: SCTConfig) -> None:
        super().__init__()
        if config.positions < 1:
            raise ModelError(
                "The gene positions of this sCT network are not known.",
                "Set positions in its configuration, or read it with its weights.",
            )
        self.config, self.precision = config, "float32"
        wide, norm, level = config.channels, config.norm, config.positions
        self.embed = nn.Embedding(config.alphabet_size, wide[0])
        self._make_additions(wide[0])
        self.stem = Convolution(wide[0], wide[0], _STEM)
        steps = range(config.num_downsamples)
        self.encoder = nn.ModuleList(
            EncoderBlock(wide[i], wide[i + 1], level >> i, norm) for i in steps
        )
        self.layers = nn.ModuleList(
            Layer(
                config.embed_dim,
                config.attention_heads,
                config.key_size,
                config.ffn_embed_dim,
                config.layer_norm_eps,
            )
            for _ in range(config.num_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderBlock(wide[i + 1], wide[i], level >> (i + 1), norm)
            for i in reversed(steps)
        )
        hidden = config.num_hidden_layers_head
        self.head = Head(wide[0], config.embed_dim, config.alphabet_size, hidden)

    def _make_additions(self, width: int) -> None:
        """Make what is added to looked-up tokens, as far as it is asked for."""
        config = self.config
        if config.reads_coordinates:
            self.places = CoordinateEncoding(
                config.coordinate_encoding,
                config.num_scales,
                config.sigma_min,
                config.sigma_max,
                width,
            )
        if config.surroundings:
            self.surroundings = Surroundings(
                config.surroundings, config.bins - 1, width, config.mask_token_id
            )

    def forward(
        self,
        tokens: Tensor,
        coordinates: Tensor | None = None,
        *,
        residuals: bool = False,
        attention: tuple[tuple[int, int], ...] = (),
    ) -> Output:
        """Return scores of every token at every position.

        Parameters
        ----------
        tokens
            (B, k * positions) integers.
        coordinates
            (B, k, 2); only a network with a coordinate encoding reads them, and it
            needs them.
        residuals
            Whether to keep the skips.
        attention
            (layer, head) pairs whose whole weights are kept, T x T each.

        Raises
        ------
        ModelError
            If tokens or coordinates have another shape or range.
        """
        tokens = self.checked(tokens, coordinates)
        if attention or residuals or self._learning:
            keep = Stages() if attention else NOTHING
            out = self._whole(tokens, coordinates, keep)
            names = {pair: f"layer{pair[0]}.attention_weights" for pair in attention}
            out.residuals = out.residuals if residuals else ()
            out.attention = {p: keep[name][:, p[1]] for p, name in names.items()}
            return out
        with torch.no_grad():
            run, first, last, decoded = self._run(tokens, coordinates)
            logits = run.scores(decoded.flatten(0, 1)).view(*tokens.shape, -1)
        return Output(logits, first, last, decoded)

    def encode(self, tokens: Tensor, coordinates: Tensor | None = None) -> Tensor:
        """Return the last layer's (B, T, embed_dim); the decoder is not run."""
        return self.hidden(tokens, coordinates)[-1]

    def hidden(self, tokens: Tensor, coordinates: Tensor | None = None) -> list[Tensor]:
        """Return what enters the transformer and what each layer returns, (B, T, E)."""
        tokens = self.checked(tokens, coordinates)
        if self._learning:
            x, found = gelu(self.stem(self._start(tokens, coordinates))), []
            for part in (*self.encoder, *self.layers):
                x = part(x)
                found.append(x)
            return found[-1 - len(self.layers) :]
        with torch.no_grad():
            run = LeanPass(self, self.precision == "bfloat16")
            x, _ = run.towered(tokens, coordinates, keep=False)
            return [x, *run.transformed(x)]

    def layer(self, number: int) -> Layer:
        """Return a layer of the transformer, from 0 or negative from the last."""
        found = self.layers[number]
        assert isinstance(found, Layer)
        return found

    @property
    def _learning(self) -> bool:
        """Whether a gradient will be asked for."""
        return torch.is_grad_enabled() and any(
            p.requires_grad for p in self.parameters()
        )

    def _run(
        self, tokens: Tensor, coordinates: Tensor | None
    ) -> tuple[LeanPass, Tensor, Tensor, Tensor]:
        """Return a pass, and what it makes before, after and past the transformer."""
        run = LeanPass(self, self.precision == "bfloat16")
        first, skips = run.towered(tokens, coordinates, keep=True)
        last = first
        for x in run.transformed(first):
            last = x
        return run, first, last, run.decoded(last, skips)

    def cell_vectors(self, hidden: Tensor) -> Tensor:
        """Return the mean of each cell's tokens, (B, k, E) of (B, T, E)."""
        per_cell = self.config.cell_tokens
        return hidden.view(len(hidden), -1, per_cell, hidden.shape[2]).mean(dim=2)

    def logits_at(
        self, tokens: Tensor, positions: Tensor, coordinates: Tensor | None = None
    ) -> Tensor:
        """Return scores at some positions only, (B, P, alphabet).

        Parameters
        ----------
        tokens, coordinates
            As for :meth:`forward`.
        positions
            (P,) indices into the sequence, or (B, P).
        """
        tokens = self.checked(tokens, coordinates)
        where = positions.to(tokens.device).expand(len(tokens), -1)
        if self._learning:
            decoded = self._whole(tokens, coordinates, NOTHING, False).deconv_out
            scores: Tensor = self.head(_picked(decoded, where))
            return scores
        with torch.no_grad():
            run, _, _, decoded = self._run(tokens, coordinates)
            picked = _picked(decoded, where)
            return run.scores(picked.flatten(0, 1)).view(*where.shape, -1)

    def cell_attention(
        self,
        tokens: Tensor,
        coordinates: Tensor | None = None,
        *,
        layers: tuple[int, ...] = (-1,),
        head: int | None = None,
    ) -> Tensor:
        """Return attention between cells, (B, layers, k, k); rows sum to 1.

        ``M[c, c']`` is the mean over the query tokens of cell c of the sum over the
        key tokens of cell c'.

        Parameters
        ----------
        tokens, coordinates
            As for :meth:`forward`.
        layers
            From 0, or negative from the last.
        head
            From 0, or None for the mean of the heads.
        """
        with torch.no_grad():
            before = self.hidden(tokens, coordinates)[:-1]
            per_cell, found = self.config.cell_tokens, []
            for number in layers:
                weights = between_cells(
                    self.layer(number), before[number], per_cell, head
                )
                found.append(weights.mean(dim=1))
        return torch.stack(found, dim=1)

    def stages(self, tokens: Tensor, coordinates: Tensor | None = None) -> Stages:
        """Return every array that is computed on the way, by name.

        For small sequences: all of them are kept, attention of all heads as well.
        """
        keep = Stages()
        out = self._whole(self.checked(tokens, coordinates), coordinates, keep)
        for name in ("conv_out", "transformer_out", "deconv_out", "logits"):
            keep[name] = getattr(out, name)
        x, n = out.deconv_out, self.config.positions
        keep["embedding"] = x.view(len(x), -1, n, x.shape[2])
        return keep

    def _whole(
        self,
        tokens: Tensor,
        coordinates: Tensor | None,
        keep: Stages,
        scored: bool = True,
    ) -> Output:
        x = self._start(tokens, coordinates, keep)
        x = keep.keep("stem_out", gelu(keep.keep("stem_preactivation", self.stem(x))))
        skips = []
        for i, block in enumerate(self.encoder):
            skips.append(x)
            x = block(x, keep, f"enc{i}")
        conv_out = x
        for i in range(len(self.layers)):
            if keep is not NOTHING:
                self._keep_attention(self.layer(i), x, keep, f"layer{i}")
            x = self.layer(i)(x, keep, f"layer{i}")
        transformer_out = x
        for i, block in enumerate(self.decoder):
            skip = skips[-1 - i] if self.config.use_skip_connection else None
            x = block(x, skip, keep, f"dec{i}")
        logits = self.head(x) if scored else x[..., :0]
        return Output(logits, conv_out, transformer_out, x, tuple(skips))

    def _start(
        self, tokens: Tensor, coordinates: Tensor | None, keep: Stages = NOTHING
    ) -> Tensor:
        """Return (B, L, channels), tokens looked up, places and surroundings added."""
        x = keep.keep("token_embedding", self.embed(tokens))
        if self.config.surroundings:
            cells = tokens.view(len(tokens), -1, self.config.positions)
            x = x + self.surroundings(cells, coordinates).flatten(1, 2)
        if coordinates is None:
            return x
        added = keep.keep("spatial_embedding", self.places(coordinates))
        return x + added.repeat_interleave(self.config.positions, dim=1)

    def _keep_attention(self, layer: Layer, x: Tensor, keep: Stages, name: str) -> None:
        inner, normed = layer.attention, layer.norm1(x)
        keep[f"{name}.q_before_rope"] = inner.query(normed)
        keep[f"{name}.k_before_rope"] = inner.key(normed)
        keep[f"{name}.v"] = inner.value(normed)
        keep[f"{name}.attention_weights"] = inner.weights(normed)

    def checked(self, tokens: Tensor, coordinates: Tensor | None) -> Tensor:
        """Return tokens as indices.

        Raises
        ------
        ModelError
            As for :meth:`forward`.
        """
        config, problems = self.config, []
        if tokens.ndim != 2 or not tokens.numel() or tokens.shape[1] % config.positions:
            problems.append(
                f"tokens have shape {tuple(tokens.shape)}, not (sequences, cells x "
                f"{config.positions})"
            )
        elif int(tokens.min()) < 0 or int(tokens.max()) >= config.alphabet_size:
            problems.append(f"tokens lie outside 0..{config.alphabet_size - 1}")
        cells = tokens.shape[-1] // config.positions
        if coordinates is None and config.reads_coordinates:
            problems.append("coordinates are missing, and this network reads them")
        if coordinates is not None and not config.reads_coordinates:
            problems.append("this network has no coordinate encoder")
        elif coordinates is not None and coordinates.shape != (len(tokens), cells, 2):
            problems.append(
                f"coordinates have shape {tuple(coordinates.shape)}, not "
                f"({len(tokens)}, {cells}, 2)"
            )
        if problems:
            raise ModelError(
                f"The sCT network cannot read this: {'; '.join(problems)}.",
                "Give whole cells of the network's gene positions; coordinates only "
                "to a network trained with them.",
                problems,
            )
        return tokens.long()


def _picked(x: Tensor, where: Tensor) -> Tensor:
    """Return (B, P, C), the positions asked for of each sequence."""
    return x.gather(1, where.unsqueeze(-1).expand(-1, -1, x.shape[2]))
