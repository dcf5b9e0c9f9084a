"""Fingerprint of a slide: the same wherever it lies, another when a count changes.

SHA-256 of cell names, gene names, field of view of each cell, and counts as float32
CSR with sorted columns and without stored zeros, all little-endian. Coordinates,
images and annotations take no part.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

SHORT = 12
"""Letters of a fingerprint, or of weights, that a message shows."""


def fingerprint(table: AnnData) -> str:
    """Return 64 hexadecimal letters that stand for a table's counts and names.

    Parameters
    ----------
    table
        (cells, genes) raw counts, dense or sparse; FOVs in ``obs["fov"]``.
    """
    counts = canonical(table.X)
    digest = hashlib.sha256(f"{table.n_obs} {table.n_vars}".encode())
    fovs = table.obs[keys.FOV].astype(str) if keys.FOV in table.obs else ()
    for names in (table.obs_names, table.var_names, fovs):
        digest.update(_text(names))
    for values, kind in (
        (counts.indptr, "<i8"),
        (counts.indices, "<i4"),
        (counts.data, "<f4"),
    ):
        digest.update(np.ascontiguousarray(values, dtype=kind).data)
    return digest.hexdigest()


def canonical(counts: object) -> sparse.csr_array:
    """Return counts as float32 CSR, columns sorted and no zero stored.

    What is given stays as it is.
    """
    found = sparse.csr_array(counts, dtype=np.float32)
    if not (found.has_canonical_format and found.data.all()):
        found = found.copy()
        found.sum_duplicates()
        found.eliminate_zeros()
    return found


def _text(names: Iterable[object]) -> bytes:
    return ("\0" + "\n".join(map(str, names))).encode()
