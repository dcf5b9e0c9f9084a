"""Attention through all layers of a network, as one attention.

Abnar and Zuidema (ACL 2020, doi 10.18653/v1/2020.acl-main.385): a layer adds what
its attention moves to what was there, so with rows made to sum to 1 layer l passes on
``R_l = (A_l + I) / 2``, and all layers together ``R = R_L ... R_2 R_1``.

A product of matrices "diagonal plus factors" is one of the same kind, with the widths
added up, so R is never formed either::

    (d + F G') (e + U V') = d e + [F, d U + F (G' U)] [e G, V]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.models.attention.attention import Attention
from napari_scfm.models.attention.block import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.attention.block import Matrix


def rollout(layers: Sequence[Attention]) -> Attention:
    """Return the product of ``(A_l + I) / 2`` over layers, rows summing to 1.

    For factors linear in the cells, in time and in memory: the factors of the
    product are as wide as those of all layers together. Explicit matrices are
    multiplied out. A cell that takes nothing in a layer keeps itself there.

    Parameters
    ----------
    layers
        First layer first, all of the same cells in the same bags.

    Raises
    ------
    ValueError
        If there is no layer, or the layers' bags differ.
    """
    if not layers:
        raise ValueError("a rollout needs at least one layer")
    blocks = []
    for parts in zip(*(layer.blocks for layer in layers), strict=True):
        if any(not np.array_equal(b.cells, parts[0].cells) for b in parts[1:]):
            raise ValueError("a rollout needs the same bags in every layer")
        blocks.append(rolled(parts))
    return Attention(blocks, layers[0].n_cells)


def rolled(layers: Sequence[Block]) -> Block:
    """Return the rollout of one bag; see :func:`rollout`."""
    if any(not block.has_factors for block in layers):
        return _multiplied(layers)
    out = _mixed(layers[0])
    for block in layers[1:]:
        out = _after(_mixed(block), out)
    return out


def _shares(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) factors of the rows, and what is added to the diagonal."""
    total = block.apply(np.ones(len(block.cells)))
    alive = total > 0
    scale = np.divide(0.5, total, out=np.zeros(len(total)), where=alive)
    return scale, np.where(alive, 0.5, 1.0)


def _mixed(block: Block) -> Block:
    """Return ``(A + I) / 2`` with the rows of A made to sum to 1."""
    scale, stay = _shares(block)
    block = block.scaled(queries=scale)
    own = stay if block.own is None else block.own + stay
    return Block(block.cells, query=block.query, key=block.key, own=own)


def _after(second: Block, first: Block) -> Block:
    """Return the product of two blocks of diagonal plus factors."""
    query, key = second.factors()
    deep, start = first.factors()
    assert second.own is not None
    assert first.own is not None
    width = key.shape[1]
    n, kind = len(first.cells), np.result_type(query, deep)
    taken = np.empty((n, width + deep.shape[1]), dtype=kind)
    given = np.empty_like(taken)
    taken[:, :width], given[:, width:] = query, start
    taken[:, width:] = query @ (key.T @ deep)
    taken[:, width:] += second.own[:, None].astype(kind) * deep
    given[:, :width] = first.own[:, None].astype(kind) * key
    return Block(first.cells, query=taken, key=given, own=second.own * first.own)


def _multiplied(layers: Sequence[Block]) -> Block:
    """Return the rollout of explicit matrices."""
    product: Matrix | None = None
    for block in layers:
        scale, stay = _shares(block)
        weights = block.scaled(queries=scale)
        n = len(block.cells)
        matrix = weights.rows(0, n) if weights.matrix is None else weights.matrix
        matrix = matrix + (
            np.diag(stay)
            if isinstance(matrix, np.ndarray)
            else sparse.diags_array(stay)
        )
        product = matrix if product is None else matrix @ product
    if sparse.issparse(product):
        product = sparse.csr_array(product)
    return Block(layers[0].cells, matrix=product)
