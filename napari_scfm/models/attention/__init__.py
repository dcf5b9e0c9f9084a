"""Attention: cell x cell weights that are never formed unless asked for.

Orientation: ``A[i, j]`` is what query (receiver) i takes from key (sender) j. Cells
of different bags never attend to each other, so the matrix is made of blocks, one
per bag, and each block is either a product ``F @ G.T`` (flow attention: the head
mean of a linear attention is one inner product of width heads x head width), with or
without a diagonal, or an explicit matrix, dense or sparse.
"""

from __future__ import annotations

from napari_scfm.models.attention.attention import Attention
from napari_scfm.models.attention.block import Block, Matrix
from napari_scfm.models.attention.layers import rollout

__all__ = ["Attention", "Block", "Matrix", "rollout"]
