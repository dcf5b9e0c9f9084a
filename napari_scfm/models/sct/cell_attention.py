"""Attention between cells, summed from attention between tokens block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from napari_scfm.models.sct.transformer import Layer

_SCORES = {"cpu": 2**19, "cuda": 2**26}
"""Token pairs that are weighed at once."""


def between_cells(
    layer: Layer, x: Tensor, per_cell: int, head: int | None = None
) -> Tensor:
    """Return attention between cells, (B, heads, k, k) float32; rows sum to 1.

    ``M[c, c']`` is the mean over the query tokens of cell c of the sum over the key
    tokens of cell c'. The token weights, T x T of each head, are never held whole.

    Parameters
    ----------
    layer
        Of the transformer.
    x
        (B, T, width), what the layer reads.
    per_cell
        Tokens of a cell.
    head
        From 0; one head, or None for all.
    """
    queries, keys = layer.attention.turned(layer.norm1(x))
    chosen = slice(None) if head is None else slice(head, head + 1)
    queries, keys = queries[:, chosen], keys[:, chosen]
    batch, heads, tokens, width = queries.shape
    cells = tokens // per_cell
    step = max(1, _SCORES.get(x.device.type, _SCORES["cpu"]) // (per_cell * tokens))
    out = torch.empty((batch * heads, cells, cells), device=x.device)
    rows = zip(queries.flatten(0, 1), keys.flatten(0, 1), out, strict=True)
    for query, key, into in rows:
        turned = key.T * width**-0.5
        for start in range(0, cells, step):
            part = query[start * per_cell : (start + step) * per_cell]
            weights = (part @ turned).float().softmax(dim=-1)
            sums = weights.view(-1, cells, per_cell).sum(dim=2)
            into[start : start + step] = sums.view(-1, per_cell, cells).mean(dim=1)
    return out.view(batch, heads, cells, cells)
