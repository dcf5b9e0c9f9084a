"""From tables to the bags that are trained on and held out.

A FOV is a bag (else ``obs["batch"]``, else the whole table); whole FOVs are held out,
never single cells. Cells of a reference form bags without coordinates.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata
import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import SpecError, counted, named
from napari_scfm.training.batches import TrainingBag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.models.cellplm.reading import TableReading

SMALLEST_BAG = 10
LARGEST_REFERENCE_BAG = 2000
HELD_OUT_SHARE = 10
"""One of this many reference bags is held out, if FOVs are."""
BATCH = "batch"


def with_fovs(table: AnnData) -> AnnData:
    """Return the table with ``obs["fov"]`` wherever it has ``obs["batch"]`` instead."""
    if keys.FOV in table.obs or BATCH not in table.obs:
        return table
    found = anndata.AnnData(
        table.X, table.obs.assign(**{keys.FOV: table.obs[BATCH]}), table.var
    )
    if keys.SPATIAL in table.obsm:
        found.obsm[keys.SPATIAL] = table.obsm[keys.SPATIAL]
    return found


def fov_bags(reading: TableReading, labels: np.ndarray | None) -> list[TrainingBag]:
    """Return the bags of a table, in its order.

    Parameters
    ----------
    reading
        The table, read by :func:`with_fovs`.
    labels
        (cells,) int64 classes of the table's cells, or None.
    """
    table, out = reading.table, []
    for bag in reading:
        name = "all cells"
        if keys.FOV in table.obs:
            name = str(table.obs[keys.FOV].iloc[bag.cells[0]])
        xy = None
        if keys.SPATIAL in table.obsm:
            xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)
            xy = xy[bag.cells, :2]
        own = None if labels is None else labels[bag.cells]
        out.append(TrainingBag(name, bag.counts, xy, own))
    return out


def split(
    found: Sequence[TrainingBag], validation: Sequence[str], notes: list[str]
) -> tuple[list[TrainingBag], list[TrainingBag]]:
    """Return training and validation bags; tiny ones are left out and noted.

    Raises
    ------
    SpecError
        If a FOV to validate on is unknown or too small, or nothing is left to train
        on.
    """
    names = [bag.name for bag in found]
    unknown = [name for name in validation if name not in names]
    if unknown:
        raise SpecError(
            f"The table has no FOV {named(unknown)} to validate on.",
            f"Its FOVs are: {named(names, 20)}.",
        )
    small = [bag.name for bag in found if len(bag) < SMALLEST_BAG]
    if small:
        notes.append(
            f"FOVs of fewer than {SMALLEST_BAG} cells were left out: {named(small)}."
        )
    large = [bag for bag in found if bag.name not in small]
    training = [bag for bag in large if bag.name not in validation]
    held_out = [bag for bag in large if bag.name in validation]
    if not training:
        raise SpecError(
            f"No FOV of at least {SMALLEST_BAG} cells is left to train on.",
            "Hold out fewer FOVs, or give more cells.",
        )
    if validation and not held_out:
        raise SpecError(
            f"No FOV to validate on has {SMALLEST_BAG} cells: {named(validation)}.",
            "Hold out a larger one.",
        )
    return training, held_out


def in_columns(
    counts: sparse.csr_array, rows: np.ndarray, columns: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Return counts in another order of genes, and which of these are measured.

    Parameters
    ----------
    counts
        (cells, genes).
    rows
        (genes,) their positions in a network's list, each once.
    columns
        (wanted,) positions; genes that are lacking get columns of zeros.
    """
    place = {int(row): at for at, row in enumerate(columns)}
    pairs = [(at, place[int(r)]) for at, r in enumerate(rows) if int(r) in place]
    old, new = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    shape = (len(rows), len(columns))
    moved = sparse.csr_array(
        (np.ones(len(old), dtype=np.float32), (old, new)), shape=shape
    )
    measured = np.zeros(len(columns), dtype=bool)
    measured[new] = True
    return sparse.csr_array(counts @ moved), measured


def reference_bags(
    reading: TableReading, columns: np.ndarray, seed: int, hold_out: bool
) -> tuple[list[TrainingBag], list[TrainingBag]]:
    """Return bags of reference cells: to train on, and held out.

    The cells are mixed, since cells of one type often lie together in a reference,
    and cut into bags of one size, at most 2000 cells, without coordinates.

    Parameters
    ----------
    reading
        The reference.
    columns
        (genes,) positions of the wanted genes in the network's list.
    seed
        Of the mixing.
    hold_out
        Whether to hold out a tenth, at least one bag.
    """
    order = np.random.default_rng(seed).permutation(reading.table.n_obs)
    largest = LARGEST_REFERENCE_BAG
    number = max(-(-len(order) // largest), 2 if hold_out else 1)
    if hold_out:
        number = max(number, min(HELD_OUT_SHARE, len(order) // (10 * SMALLEST_BAG)))
    found = fov_bags(reading, None)
    counts = sparse.csr_array(sparse.vstack([bag.counts for bag in found]))
    moved, measured = in_columns(counts, reading.rows, columns)
    # how well a gene is guessed is a figure of the slide, not of the reference
    nothing = np.zeros_like(measured)
    bags = [
        TrainingBag(
            f"reference {at + 1}", moved[np.sort(cells)], None, None, measured, nothing
        )
        for at, cells in enumerate(np.array_split(order, number))
    ]
    out = -(-len(bags) // HELD_OUT_SHARE) if hold_out else 0
    return bags[: len(bags) - out], bags[len(bags) - out :]


def unlearned(bag: TrainingBag, genes: np.ndarray) -> TrainingBag:
    """Return a bag whose counts of some genes may be compared, but not learned.

    Parameters
    ----------
    bag
        Says what it measures.
    genes
        (genes,) bool.
    """
    assert bag.measured is not None
    return replace(bag, measured=bag.measured & ~genes, scored=bag.measured)


def without_genes(bag: TrainingBag, genes: np.ndarray) -> TrainingBag:
    """Return a bag in which some genes, (genes,) bool, are not measured."""
    assert bag.measured is not None
    keep = sparse.diags_array((~genes).astype(np.float32), format="csr")
    counts = sparse.csr_array(sparse.csr_array(bag.counts) @ keep)
    return replace(bag, counts=counts, measured=bag.measured & ~genes)


def single_cells(reference: AnnData, table: AnnData, notes: list[str]) -> AnnData:
    """Return the counts of a reference without those of cells of the table.

    Where its cells lie and how they are grouped is left behind. Cells are the same
    if their names are, unless the names are only numbers; how many is noted.

    Raises
    ------
    SpecError
        If none is left.
    """
    names = reference.obs_names
    same = names.isin(table.obs_names) & ~names.str.fullmatch(r"\d+")
    bare = anndata.AnnData(reference.X, reference.obs[[]], reference.var)
    if not same.any():
        return bare
    notes.append(
        f"{counted(int(same.sum()), 'reference cell is', 'reference cells are')} in "
        "the table too; the reference is read without."
    )
    if same.all():
        raise SpecError(
            "All cells of the reference are cells of the table.",
            "Give single cells in which the target genes are measured.",
        )
    return bare[~same].copy()


def digest(bags: Sequence[TrainingBag]) -> str:
    """Return a checksum of everything in some bags."""
    out = hashlib.sha256()
    for bag in bags:
        counts = sparse.csr_array(bag.counts)
        out.update(f"{bag.name} {counts.shape}".encode())
        arrays = (counts.data, counts.indices, counts.indptr, bag.xy, bag.labels)
        for array in (*arrays, bag.measured):
            if array is not None:
                out.update(np.ascontiguousarray(array).tobytes())
    return out.hexdigest()
