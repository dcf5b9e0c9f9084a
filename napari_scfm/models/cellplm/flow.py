"""Flow attention and the encoder (Wu et al., Flowformer, ICML 2022, eqs. 4-9).

Attention is linear in the cells and never formed. Its implicit matrix is, per head,

    A_ij = alpha_i I_i (Q_i . K_j) beta_j        i = receiver, j = sender

so the mean over heads is one inner product of two (cells, width) factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_scfm.models.cellplm.blocks import EPS, run_layers
from napari_scfm.models.cellplm.linear import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True)
class Flows:
    """What flow attention computes before it moves any value, (heads, cells, ...).

    Attributes
    ----------
    query, key, value
        (heads, cells, d); query and key after the sigmoid.
    sink, source
        (heads, cells) reciprocals of what a cell could take in or give out
        (I and O).
    conserved_sink, conserved_source
        (heads, cells) conserved flows; the second after its clip to [-1, 1].
    allocation, competition
        (heads, cells) alpha of the receiver, beta of the sender.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    sink: Tensor
    source: Tensor
    conserved_sink: Tensor
    conserved_source: Tensor
    allocation: Tensor
    competition: Tensor

    def factors(
        self, head: int | None = None, worth: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return factors F, G of the attention, ``A = F @ G.T``.

        Parameters
        ----------
        head
            From 0: (cells, d) factors of this head. None: (cells, width) factors of
            the mean over heads.
        worth
            (heads, cells) multiplies the weights on each key, head by head.
        """
        send = self.competition if worth is None else self.competition * worth
        if head is not None:
            receive = self.allocation[head] * self.sink[head]
            query, key = self.query[head], self.key[head]
            return receive.unsqueeze(-1) * query, send[head].unsqueeze(-1) * key
        receive = self.allocation * self.sink / self.query.shape[0]
        query, key = receive.unsqueeze(-1) * self.query, send.unsqueeze(-1) * self.key
        return _join(query), _join(key)


def _join(x: Tensor) -> Tensor:
    """(heads, cells, d) -> (cells, heads * d)."""
    return x.transpose(0, 1).flatten(1)


class FlowAttention(nn.Module):
    """Multi-head flow attention over the cells of one bag, not causal, no mask.

    Parameters
    ----------
    width
        Width of the cell vectors.
    heads
        Number of heads; divides ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_projection = Linear(width, width)
        self.key_projection = Linear(width, width)
        self.value_projection = Linear(width, width)
        self.out_projection = Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self.heads, -1).transpose(0, 1)

    def flows(self, x: Tensor) -> Flows:
        """Return the flows between the cells of a bag, x (cells, width)."""
        query = torch.sigmoid(self._split(self.query_projection(x)))
        key = torch.sigmoid(self._split(self.key_projection(x)))
        value = self._split(self.value_projection(x))
        query, key, value = (flow.to(x.dtype) for flow in (query, key, value))

        def capacity(a: Tensor, total: Tensor) -> Tensor:
            return ((a + EPS) * (total + EPS).unsqueeze(1)).sum(-1)

        sink = 1 / capacity(query, key.sum(1))
        source = 1 / capacity(key, query.sum(1))
        conserved_sink = capacity(query, (key * source.unsqueeze(-1)).sum(1))
        conserved_source = capacity(key, (query * sink.unsqueeze(-1)).sum(1))
        conserved_source = conserved_source.clamp(-1.0, 1.0)
        competition = torch.softmax(conserved_source, dim=-1) * x.shape[0]
        return Flows(
            query,
            key,
            value,
            sink,
            source,
            conserved_sink,
            conserved_source,
            torch.sigmoid(conserved_sink),
            competition,
        )

    def move(self, flows: Flows) -> Tensor:
        """Return ``A @ value`` of all heads side by side, (cells, width)."""
        sent = flows.value * flows.competition.unsqueeze(-1)
        taken = flows.query @ (flows.key.transpose(1, 2) @ sent)
        return _join(taken * (flows.allocation * flows.sink).unsqueeze(-1))

    def worth(self, flows: Flows) -> Tensor:
        """Return (heads, cells) how long the vector is that each key moves.

        ``|W_o v_j|`` with the head's part of the output projection, without its bias
        (Kobayashi et al., EMNLP 2020, eq. 4: the norm of the transformed vector).
        """
        weight = self.out_projection.weight
        parts = weight.view(len(weight), self.heads, -1)
        # |W v| = |R v| for W = Q R, which never holds a (cells, width) array; on the
        # CPU, since not every device can factor
        square = torch.linalg.qr(parts.transpose(0, 1).float().cpu(), mode="r").R
        moved = flows.value.float() @ square.to(flows.value.device).transpose(1, 2)
        found: Tensor = moved.norm(dim=-1).to(flows.competition.dtype)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return (cells, width)."""
        out: Tensor = self.out_projection(self.move(self.flows(x)))
        return out


class EncoderLayer(nn.Module):
    """Pre-norm residual layer: flow attention, then a feed-forward of twice the width.

    Parameters
    ----------
    width, heads
        See :class:`FlowAttention`.
    dropout
        Rate in training; the attention output has a fixed 0.01 of its own.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = FlowAttention(width, heads)
        self._ff_block = nn.Sequential(
            Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            Linear(2 * width, width),
            nn.Dropout(dropout),
        )
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attention_dropout = nn.Sequential(nn.Dropout(0.01), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Return (cells, width)."""
        x = x + self.attention_dropout(self.self_attn(self.norm1(x)))
        return x + self.feed_forward(x)

    def feed_forward(self, x: Tensor) -> Tensor:
        """Return what the feed-forward adds, (..., width)."""
        out: Tensor = self._ff_block(self.norm2(x))
        return out


class FlowEncoder(nn.Module):
    """A stack of encoder layers.

    Parameters
    ----------
    width, heads, dropout
        See :class:`EncoderLayer`.
    layers
        Number of layers.

    Attributes
    ----------
    block
        Cells that are read at once at inference; see :mod:`.blocks`.
    """

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.block = 1024
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, dropout) for _ in range(layers)
        )

    @property
    def bf16(self) -> bool:
        """Whether products are bfloat16 at inference; norms and sums never are."""
        return any(m.bf16 for m in self.modules() if isinstance(m, Linear))

    @bf16.setter
    def bf16(self, value: bool) -> None:
        for module in self.modules():
            if isinstance(module, Linear):
                module.bf16 = value

    def forward(self, x: Tensor, tick: Callable[[int], None] | None = None) -> Tensor:
        """Return (cells, width).

        Under ``torch.inference_mode`` the cells are read in blocks and ``x`` is
        overwritten; it may then be (bags, cells, width), bags of equal size.

        Parameters
        ----------
        x
            (cells, width) output of the embedder.
        tick
            Told the position of each layer before it starts, at inference.
        """
        return self._run(range(len(self.layers)), x, tick)

    def _run(
        self,
        layers: range,
        x: Tensor,
        tick: Callable[[int], None] | None = None,
    ) -> Tensor:
        chosen = [self._layer(number) for number in layers]
        if torch.is_inference_mode_enabled() and not self.training:

            def told(number: int) -> None:
                if tick is not None:
                    tick(layers.start + number)

            return run_layers(chosen, x, self.block, told)
        for layer in chosen:
            x = layer(x)
        return x

    def _layer(self, number: int) -> EncoderLayer:
        layer = self.layers[number]
        assert isinstance(layer, EncoderLayer)
        return layer

    def flows(
        self, x: Tensor, layer: int, tick: Callable[[int], None] | None = None
    ) -> Flows:
        """Return the flows of one layer, running only the layers before it.

        Parameters
        ----------
        x, tick
            See :meth:`forward`.
        layer
            Position from 0, or negative from the end.
        """
        chosen = range(len(self.layers))[layer]
        return next(iter(self.walk(x, [chosen], tick)))[1]

    def walk(
        self,
        x: Tensor,
        layers: Iterable[int],
        tick: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[FlowAttention, Flows]]:
        """Yield the attention of some layers with its flows, running what is between.

        Parameters
        ----------
        x, tick
            See :meth:`forward`.
        layers
            Positions from 0, in order.
        """
        done = 0
        for number in layers:
            x = self._run(range(done, number), x, tick)
            done, layer = number, self._layer(number)
            yield layer.self_attn, layer.self_attn.flows(layer.norm1(x))
