"""The encoder at inference: flow attention and feed-forward, some cells at a time.

Flow attention needs every cell of the bag, but only through sums over the cells, so
one layer is four walks over blocks of cells, each of which reads what the one before
summed. Three (cells, width) arrays are kept: the cell vectors, which are overwritten,
and a layer's queries and keys; everything else has the size of a block. Several bags
of equal size can be read at once. The formulas are those of :mod:`.flow`, with the
softmax of the competition written as a sum (its argument lies in [-1, 1]).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_scfm.models.cellplm.flow import EncoderLayer

EPS = 1e-6


def cell_blocks(cells: int, size: int) -> list[slice]:
    """Return slices of at most ``size`` cells that cover all cells."""
    return [slice(start, start + size) for start in range(0, cells, size)]


def run_layers(
    layers: Iterable[EncoderLayer],
    x: Tensor,
    size: int,
    tick: Callable[[int], None] | None = None,
) -> Tensor:
    """Run encoder layers over bags of equal size.

    Parameters
    ----------
    layers
        In order.
    x
        (cells, width), or (bags, cells, width) for several bags; overwritten.
    size
        Cells per block; several bags are one block.
    tick
        Told the position of each layer before it starts.

    Returns
    -------
    ``x``.
    """
    bags = x if x.ndim == 3 else x.unsqueeze(0)
    for number, layer in enumerate(layers):
        if tick is not None:
            tick(number)
        _LayerPass(layer, bags, size if len(bags) == 1 else bags.shape[1]).run()
    return x


class _LayerPass:
    """One layer over (bags, cells, width) vectors, which it overwrites."""

    def __init__(self, layer: EncoderLayer, x: Tensor, size: int) -> None:
        self.layer, self.x = layer, x
        self.heads = layer.self_attn.heads
        self.parts = cell_blocks(x.shape[1], size)
        self.query, self.key = torch.empty_like(x), torch.empty_like(x)

    def run(self) -> None:
        """Do the four walks."""
        sinks, sources = self._capacities(*self._project())
        receive, moved = self._compete(sinks, sources)
        self._move(receive, moved)

    def _heads(self, x: Tensor) -> Tensor:
        """(bags, cells, width) -> (bags, cells, heads, d)."""
        return x.view(*x.shape[:-1], self.heads, -1)

    def _factors(self, part: slice) -> tuple[Tensor, Tensor]:
        return self._heads(self.query[:, part]), self._heads(self.key[:, part])

    def _zeros(self, *shape: int) -> Tensor:
        return self.x.new_zeros((len(self.x), *shape))

    def _project(self) -> tuple[Tensor, Tensor]:
        """Fill queries and keys; return their sums over cells."""
        attention = self.layer.self_attn
        queries, keys = self._zeros(self.x.shape[2]), self._zeros(self.x.shape[2])
        for part in self.parts:
            x = self.layer.norm1(self.x[:, part])
            query, key = self.query[:, part], self.key[:, part]
            query.copy_(attention.query_projection(x)).sigmoid_()
            key.copy_(attention.key_projection(x)).sigmoid_()
            queries += query.sum(1)
            keys += key.sum(1)
        return queries, keys

    def _capacities(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each cell takes in (per head), and both conserved sums."""
        self.sink = self._zeros(self.x.shape[1], self.heads)
        given = self._heads(torch.zeros_like(keys))
        taken = torch.zeros_like(given)
        for part in self.parts:
            query, key = (
                self._heads(self.query[:, part]),
                self._heads(self.key[:, part]),
            )
            sink = 1 / _flow(query, self._heads(keys))
            source = 1 / _flow(key, self._heads(queries))
            self.sink[:, part] = sink
            taken += (query * sink.unsqueeze(-1)).sum(1)
            given += (key * source.unsqueeze(-1)).sum(1)
        return given, taken

    def _compete(self, given: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        """Return the receivers' weights and what all senders send, per head."""
        receive = torch.empty_like(self.sink)
        width = self.x.shape[2] // self.heads
        sent = self._zeros(self.heads, width, width)
        total = self._zeros(self.heads)
        for part in self.parts:
            query, key = (
                self._heads(self.query[:, part]),
                self._heads(self.key[:, part]),
            )
            receive[:, part] = torch.sigmoid(_flow(query, given)) * self.sink[:, part]
            compete = _flow(key, taken).clamp(-1.0, 1.0).exp()
            total += compete.sum(1)
            value = self.layer.self_attn.value_projection(
                self.layer.norm1(self.x[:, part])
            )
            value = self._heads(value.to(self.x.dtype)).transpose(1, 2)
            weighted = key * compete.unsqueeze(-1)
            sent += weighted.permute(0, 2, 3, 1) @ value
        return receive, sent * (self.x.shape[1] / total)[..., None, None]

    def _move(self, receive: Tensor, sent: Tensor) -> None:
        """Add what each cell receives, then the feed-forward."""
        for part in self.parts:
            x = self.x[:, part]
            query = self._heads(self.query[:, part]) * receive[:, part].unsqueeze(-1)
            moved = (query.transpose(1, 2) @ sent).transpose(1, 2).flatten(2)
            x += self.layer.self_attn.out_projection(moved)
            x += self.layer.feed_forward(x)


def _flow(a: Tensor, total: Tensor) -> Tensor:
    """Return the flow of each cell through a sum over the others, (..., heads).

    ``sum_c (a_c + EPS) (total_c + EPS)`` for a (bags, cells, heads, d) and total
    (bags, heads, d).
    """
    total = total.unsqueeze(1) + EPS
    return (a * total).sum(-1) + EPS * total.sum(-1)
