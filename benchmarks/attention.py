"""Attention in linear time against the dense cell x cell matrix, and how it grows.

Random factors like those of a network with 8 heads of width 32 (positive, float32),
cells of 8 types spread evenly at the density of a tissue. Three comparisons with the
plain way at 1,000 to 4,000 cells, of which both sides get the same factors:

* apply: attention-weighted centres of all cells, against forming the matrix;
* field: centres, their expectation and covariance by cell type and 99 permutations,
  ours with the smoothing on the grid and the joint test;
* COMMOT: vectors of what every cell sends and receives, and both on the grid, against
  the procedure of COMMOT's paper written down plainly: dense matrix, one cell after
  the other, all partners sorted. Exact partners take n^2 time in both. Both read the
  factors in double precision, so that nearly equal partners come in the same order.

Then the growth to 100,000 cells in one bag: the attention itself from the small
network that ships, and what is done with it. "local field" is that of the 30 nearest
with 19 permutations, "pairs" the weights of the same pairs, "type table" the sums over
all pairs of types, "partners" the effective number of each cell, and "rollout" four
such layers made one and applied.

Every number comes from a process of its own, on one thread; memory is what the process
took at its peak above what it held before.

Usage: python benchmarks/attention.py [compare | grow]   (default: both)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from anndata import AnnData

    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel

os.environ.setdefault("OMP_NUM_THREADS", "1")
WIDTH, TYPES, PERMUTATIONS, FEW, PARTNERS, NEAR = 256, 8, 99, 19, 5, 30
SIZES, LARGE = (1000, 2000, 4000), (12500, 25000, 50000, 100000)
SIDES: tuple[Literal["sent", "received"], ...] = ("sent", "received")
GROWING = (
    "attend", "apply", "field", "local field", "pairs", "type table", "partners",
    "rollout",
)  # fmt: skip


class Tissue:
    """Cells with factors, positions in um, and types."""

    def __init__(self, cells: int) -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        # in place, so that what follows is not measured against a high peak
        self.factors = rng.standard_normal((2, cells, WIDTH), dtype=np.float32)
        self.factors /= 2
        np.exp(self.factors, out=self.factors)
        self.factors += 1
        np.divide((cells * WIDTH) ** -0.5, self.factors, out=self.factors)
        self.xy = rng.uniform(0, 10 * cells**0.5, (cells, 2))
        self.types = rng.integers(0, TYPES, cells)

    @property
    def attention(self) -> Attention:
        """The factors as attention."""
        import numpy as np

        from napari_scfm.models.attention import Attention, Block

        query, key = self.factors
        return Attention([Block(np.arange(len(key)), query=query, key=key)], len(key))

    @cached_property
    def table(self) -> AnnData:
        """Counts of 200 genes that the small network knows, one in five not zero."""
        import numpy as np
        from anndata import AnnData
        from scipy import sparse

        shape = (len(self.xy), 200)
        counts = sparse.random_array(shape, density=0.2, format="csr", rng=0)
        counts.data = np.ceil(4 * counts.data)
        table = AnnData(sparse.csr_matrix(counts.astype(np.float32)))
        table.var_names = model().info.genes[:200]
        table.obsm["spatial"] = self.xy
        return table


@cache
def model() -> CellModel:
    """Return the small network that ships."""
    from napari_scfm.models.hub import load_model

    return load_model("cellplm-mini", "cpu")


def linear(what: str, tissue: Tissue) -> Any:
    """Do one thing as the package does."""
    from napari_scfm.analysis.attention.attention_field import attention_field
    from napari_scfm.analysis.attention.commot import commot_grid, commot_vectors
    from napari_scfm.models.attention import rollout

    if what == "commot":  # which of nearly equal partners is fifth shall not differ
        tissue.factors = tissue.factors.astype(float)
    attention, xy = tissue.attention, tissue.xy
    if what == "apply":
        return attention.apply(xy) / attention.row_sums()[:, None]
    if what == "field":
        return attention_field(
            attention, xy, strata=tissue.types, permutations=PERMUTATIONS
        ).residual
    if what == "local field":
        return attention_field(
            attention, xy, strata=tissue.types, neighbours=NEAR, permutations=FEW
        ).residual
    if what == "commot":
        both = [commot_vectors(attention, xy, d, PARTNERS) for d in SIDES]
        return some(*both, *(commot_grid(xy, vectors).vectors for vectors in both))
    if what == "pairs":
        return attention.pairs(*neighbours(xy))
    if what == "attend":
        return model().attend(tissue.table).row_sums()
    if what == "type table":
        return attention.group_sums(tissue.types, TYPES)
    if what == "partners":
        return attention.effective_partners()
    return rollout([attention] * 4).apply(xy)


def some(*fields: np.ndarray) -> np.ndarray:
    """Return the first vectors of some fields side by side."""
    import numpy as np

    length = min(len(field) for field in fields)
    return np.hstack([field[:length] for field in fields])


def neighbours(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return queries and keys of all cells with their nearest."""
    import numpy as np
    from scipy.spatial import cKDTree

    near = cKDTree(xy).query(xy, NEAR + 1)[1][:, 1:]
    return np.repeat(np.arange(len(xy)), NEAR), near.ravel()


def dense(what: str, tissue: Tissue) -> Any:
    """Do the same from the cell x cell matrix."""
    query, key = tissue.factors
    weights = query.astype(float) @ key.astype(float).T
    if what == "apply":
        return weights @ tissue.xy / weights.sum(axis=1, keepdims=True)
    if what == "field":
        return dense_field(weights, tissue)
    return dense_commot(weights, tissue.xy)


def dense_field(weights: np.ndarray, tissue: Tissue) -> np.ndarray:
    """Return the residual vectors, having made all that chance is told from."""
    import numpy as np

    rng, xy = np.random.default_rng(0), tissue.xy
    np.fill_diagonal(weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    members = np.eye(TYPES)[tissue.types]
    size = members.sum(axis=0)
    # the cell itself is none of the keys that change places
    others = size - members
    means = ((members.T @ xy) - members[:, :, None] * xy[:, None]) / others[..., None]
    share, squares = weights @ members, np.square(weights) @ members
    expected = np.einsum("nt,ntc->nc", share, means)
    spread = squares - share**2 / others
    covariances = np.stack([np.cov(xy[tissue.types == t].T) for t in range(TYPES)])
    covariance = np.einsum("nt,tab->nab", spread, covariances)
    shuffled = np.empty((PERMUTATIONS, len(xy), 2))
    order = np.arange(len(xy))
    for number in range(PERMUTATIONS):
        for kind in range(TYPES):
            cells = np.flatnonzero(tissue.types == kind)
            order[cells] = rng.permutation(cells)
        shuffled[number] = weights @ xy[order] - expected
    assert np.isfinite(covariance).all()
    assert np.isfinite(shuffled).all()
    return np.asarray(expected - weights @ xy)


def dense_commot(weights: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Return vectors sent and received, and the first nodes of their grids."""
    import numpy as np

    both = []
    for turned, sign in ((weights.T, 1.0), (weights, -1.0)):
        vectors = np.zeros_like(xy)
        for cell, row in enumerate(turned):
            for partner in np.argsort(-row)[:PARTNERS]:
                if partner != cell:
                    step = xy[partner] - xy[cell]
                    vectors[cell] += row[partner] * step / np.linalg.norm(step)
            length = max(np.linalg.norm(vectors[cell]), 1e-300)
            vectors[cell] *= sign * row.sum() / length
        both.append(vectors)
    return some(*both, *(dense_grid(xy, vectors) for vectors in both))


def dense_grid(xy: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return vectors on 50 nodes per row, from all distances to a node."""
    import numpy as np

    extent = np.ptp(xy, axis=0)
    low, high = xy.min(axis=0) - 0.02 * extent, xy.max(axis=0) + 0.02 * extent
    step = (high[0] - low[0]) / 50
    rows = int((high[1] - low[1]) / step)
    across, down = np.linspace(low[0], high[0], 50), np.linspace(low[1], high[1], rows)
    nodes = [(x, y) for y in down for x in across]
    out = np.zeros((len(nodes), 2))
    for number, node in enumerate(nodes):
        distance = np.linalg.norm(xy - node, axis=1)
        near = np.argsort(distance)[: max(1, len(xy) // 50)]
        weight = np.exp(-0.5 * (distance[near] / step) ** 2)
        weight /= step * (2 * np.pi) ** 0.5
        out[number] = weight @ vectors[near] / max(1, weight.sum())
    return out


def peak() -> float:
    """Return the most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way: str, what: str, cells: int) -> dict[str, Any]:
    """Return CPU time in s and memory in MB of one thing, and numbers of it."""
    import numpy as np

    act: Callable[[str, Tissue], Any] = linear if way == "linear" else dense
    act(what, Tissue(200))
    tissue, best, found = Tissue(cells), float("inf"), None
    if what == "attend":
        assert tissue.table.n_obs == cells  # made before anything is measured
    held = peak()
    for _ in range(3 if cells <= 4000 else 1):
        started = time.process_time()
        found = act(what, tissue)
        best = min(best, time.process_time() - started)
    first = np.asarray(found)[:1000].tolist()
    return {"seconds": best, "memory": peak() - held, "values": first}


def in_a_process(way: str, what: str, cells: int) -> dict[str, Any]:
    """Return the measurement, made in a fresh process."""
    command = [sys.executable, __file__, "--one", way, what, str(cells)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return measured


def compare() -> None:
    """Print both ways side by side."""
    import numpy as np

    head = ("what", "cells", "dense, s", "ours, s", "ratio", "dense, MB", "ours, MB")
    row(*head, "apart")
    row(*["---"] * 8)
    for what in ("apply", "field", "commot"):
        for cells in SIZES:
            plain, ours = (in_a_process(w, what, cells) for w in ("dense", "linear"))
            one, other = (np.array(found["values"]) for found in (plain, ours))
            apart = np.abs(one - other).max() / np.abs(one).max()
            seconds = plain["seconds"], ours["seconds"]
            memory = (f"{found['memory']:.0f}" for found in (plain, ours))
            row(
                what, f"{cells:,}", *(f"{one:.4f}" for one in seconds),
                f"{seconds[1] / seconds[0]:.2g}", *memory, f"{apart:.0e}",
            )  # fmt: skip


def grow() -> None:
    """Print time and memory of each thing as the cells become more."""
    row("s (MB) for so many cells", *(f"{cells:,}" for cells in LARGE))
    row(*["---"] * (len(LARGE) + 1))
    for what in GROWING:
        found = [in_a_process("linear", what, cells) for cells in LARGE]
        row(what, *(f"{one['seconds']:.2f} ({one['memory']:.0f})" for one in found))


def row(*cells: str) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print both tables."""
    asked = sys.argv[1:]
    if asked[:1] == ["--one"]:
        print(json.dumps(measure(asked[1], asked[2], int(asked[3]))))
        return
    if asked in ([], ["compare"]):
        compare()
    if asked in ([], ["grow"]):
        grow()


if __name__ == "__main__":
    main()
