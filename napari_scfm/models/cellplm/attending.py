"""Factors of a network's attention, layer by layer, as blocks of a bag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.models.attention.block import Block
from napari_scfm.models.attention.layers import rolled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor

    from napari_scfm.models.attention.asked import Asked
    from napari_scfm.models.cellplm.flow import FlowEncoder


def attended(
    encoder: FlowEncoder,
    x: Tensor,
    cells: np.ndarray,
    asked: Asked,
    tick: Callable[[int], None] | None = None,
) -> Block:
    """Return the attention of a bag, as factors.

    Parameters
    ----------
    encoder
        Of the network.
    x
        (cells, width) what it reads; overwritten at inference.
    cells
        (cells,) positions in the table.
    asked
        Layers, head and weighting. Several layers are rolled out.
    tick
        Told the position of each layer before it starts.
    """
    blocks = []
    for attention, flows in encoder.walk(x, asked.layers, tick):
        worth = attention.worth(flows) if asked.by_values else None
        query, key = (
            factor.cpu().numpy() for factor in flows.factors(asked.head, worth)
        )
        blocks.append(Block(cells, query=query, key=key))
    return rolled(blocks) if asked.rollout else blocks[0]
