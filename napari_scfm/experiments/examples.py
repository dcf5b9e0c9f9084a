"""Learning kinds of cells from a few examples of each ("Learn these").

The kinds grow from the examples over all cells (:mod:`..analysis.celltypes.growing`);
cells whose kind that tells surely then refine the embedding by the supervised
contrastive objective (:mod:`..training.refine`). Decides that cells are described by
the model's embedding and by principal components of the visible counts together, each
with the same variance, which tells more than either; that the kind is the one that the
growth tells, which the refined embedding does not tell better; and that the network
itself stays as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.celltypes.annotation import Annotation
from napari_scfm.analysis.celltypes.components import components
from napari_scfm.analysis.celltypes.growing import EXAMPLE, grow
from napari_scfm.analysis.present import Present, present
from napari_scfm.errors import ModelError, SpecError, counted, named
from napari_scfm.experiments.files import atomic_path
from napari_scfm.experiments.provenance import provenance
from napari_scfm.models.base import ModelInfo
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

PCA: Final = "pca"
BY: Final = "examples"
THRESHOLD: Final = 0.5
SURE: Final = 0.5
"""Confidence from which on a cell is learned from, though it is no example."""
LEAST: Final = 2
"""Examples that a kind needs."""
SCALE: Final = 8.0
"""Of what the head reads: the square root of its variance over all dimensions."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from examples.

    Attributes
    ----------
    told
        Kind of every cell and how sure it is; "unknown" where it is not.
    vectors
        (cells, d) float32, the refined embedding, of length 1; NaN where the model's
        is.
    losses
        Of each step of the refining.
    of
        Name of the model whose embedding was refined; "pca" without one.
    examples
        Kind -> rows.
    """

    told: Annotation
    vectors: NDArray[np.float32]
    losses: tuple[float, ...]
    of: str
    examples: dict[str, NDArray[np.intp]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``obs`` column of the kinds, unless another is named."""
        return keys.told(BY)

    @property
    def embedding_key(self) -> str:
        """``obsm`` key of the refined embedding."""
        return keys.embedding(refined_name(self.of))


def refined_name(of: str) -> str:
    """Return what a refined embedding is called."""
    return f"{of} refined"


def learn_examples(
    model: CellModel | None,
    table: AnnData,
    examples: Mapping[str, ArrayLike],
    *,
    vectors: NDArray[np.floating] | None = None,
    threshold: float = THRESHOLD,
    seed: int = 0,
    mask: Mask | None = None,
    progress: ProgressCallback | None = None,
) -> Learned:
    """Learn kinds of cells from a few examples, and tell the kind of all cells.

    Parameters
    ----------
    model
        Embeds the cells; None for principal components of the counts alone.
    table
        Raw counts of all cells; cells of the same ``obs["fov"]`` are read together.
    examples
        Kind -> rows of its examples; two kinds or more, two cells or more of each.
    vectors
        (cells, d) what ``model.embed`` returned, where that was asked before.
    threshold
        Confidence below which a cell is told "unknown".
    seed
        Of the refining.
    mask
        What is hidden; it is never read. Cells of which nothing can be read, since all
        is hidden or the model knows none of it, are unknown.
    progress
        Told as the model reads, and as the embedding is refined; may stop it.

    Raises
    ------
    SpecError
        If there are too few kinds or examples, a cell is of two kinds, not of the
        table, or hidden whole, or the threshold is not in 0..1.
    ModelError
        If the model cannot embed.
    """
    from napari_scfm.training.refine import refine

    blind = _blind(table, mask)
    checked(examples, table, blind)  # before the model reads, which takes long
    vectors = _embedded(model, table, vectors, mask, progress)
    everybody = Present(np.arange(table.n_obs), table.n_obs)
    some = everybody if vectors is None else present(vectors)
    blind |= ~some.there
    names, rows, codes = checked(examples, table, blind)
    points = _described(some, table, vectors, mask, progress)
    at = np.searchsorted(some.rows, rows)
    grown = grow(points, at, codes, progress)
    shares = np.where(some.take(blind)[:, None], np.float32(0), grown.shares)
    best, sure = shares.argmax(axis=1), shares.max(axis=1)
    known = np.flatnonzero(sure >= SURE)
    weights = np.where(np.isin(known, at), EXAMPLE, 1.0)
    made = refine(points, known, best[known], weights, seed=seed, progress=progress)
    of = PCA if model is None else model.info.name
    notes = _said(blind, some.back(grown.far, False) & ~blind, threshold)
    shares = some.back(shares, 0)
    told = Annotation(
        table.obs_names.copy(),
        names,
        shares,
        shares,
        about=_about(model, names, codes, seed),
        notes=notes,
    ).above(threshold)
    kinds = {name: rows[codes == code] for code, name in enumerate(names)}
    return Learned(told, some.back(made.vectors, np.nan), made.losses, of, kinds)


def checked(
    examples: Mapping[str, ArrayLike],
    table: AnnData,
    blind: NDArray[np.bool_] | None = None,
) -> tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp]]:
    """Return kinds, rows of their examples and the kind of each, once these will do.

    Raises
    ------
    SpecError
        With all problems.
    """
    found: list[str] = []
    kinds = {str(k).strip(): np.unique(np.asarray(v)) for k, v in examples.items()}
    if len(kinds) < 2:
        found.append(f"There are examples of {counted(len(kinds), 'kind')}, not of two")
    few = [name for name, rows in kinds.items() if len(rows) < LEAST]
    if few:
        found.append(f"Fewer than {LEAST} examples of {named(few)}")
    if "" in kinds:
        found.append("A kind has no name")
    rows = np.concatenate([np.zeros(0), *kinds.values()]).astype(np.intp)
    if ((rows < 0) | (rows >= table.n_obs)).any():
        found.append("Some examples are no cells of the table")
    else:
        once, number = np.unique(rows, return_counts=True)
        if (number > 1).any():
            twice = named(table.obs_names[once[number > 1]])
            found.append(f"Examples of two kinds at once: {twice}")
        if blind is not None and blind[once].any():
            lost = named(table.obs_names[once[blind[once]]])
            found.append(f"Examples of which nothing can be read: {lost}")
    if found:
        raise SpecError(
            f"{found[0]}.", "Select other cells as examples of each kind.", found
        )
    codes = np.repeat(np.arange(len(kinds)), [len(v) for v in kinds.values()])
    return tuple(kinds), rows, codes


def _blind(table: AnnData, mask: Mask | None) -> NDArray[np.bool_]:
    """Return (cells,) whether no count of a cell can be read."""
    counts = table.X if mask is None else mask.visible(table)
    return np.asarray(np.asarray(counts.sum(axis=1)).ravel() == 0)


def _embedded(
    model: CellModel | None,
    table: AnnData,
    vectors: NDArray[np.floating] | None,
    mask: Mask | None,
    progress: ProgressCallback | None,
) -> NDArray[np.floating] | None:
    """Return (cells, d) the model's embedding, computed unless it is known."""
    if model is None:
        return None
    if "embed" not in model.info.capabilities:
        raise ModelError(
            f"Model {model.info.name} cannot embed.",
            "Take another one, or none: principal components of the counts.",
        )
    if vectors is not None:
        return vectors
    return model.embed(table, mask=mask, progress=progress)


def _described(
    some: Present,
    table: AnnData,
    vectors: NDArray[np.floating] | None,
    mask: Mask | None,
    progress: ProgressCallback | None,
) -> NDArray[np.float64]:
    """Return (present, d) what is known of cells; both parts of variance 1."""
    report(progress, 0, 0, "Principal components of the counts")
    parts = [] if vectors is None else [some.take(vectors)]
    parts.append(components(some.take(table), mask))
    return SCALE * np.hstack([_even(np.asarray(part, np.float64)) for part in parts])


def _even(points: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = points - points.mean(axis=0)
    spread = np.sqrt(centred.var(axis=0).sum())
    return np.asarray(centred / max(float(spread), 1e-12))


def _about(
    model: CellModel | None,
    names: tuple[str, ...],
    codes: NDArray[np.intp],
    seed: int,
) -> dict[str, Any]:
    number = {name: int((codes == code).sum()) for code, name in enumerate(names)}
    about = {
        "by": BY,
        "score": "likelihood of the kinds that grew from the examples",
        "examples": number,
        "model": PCA if model is None else model.info.name,
        "seed": seed,
    }
    return about if model is None else about | {"sha256": model.info.sha256}


def _said(
    blind: NDArray[np.bool_], far: NDArray[np.bool_], threshold: float
) -> tuple[str, ...]:
    notes = []
    if blind.any():
        many = counted(int(blind.sum()), "cell has", "cells have")
        notes.append(f"{many} no count that may be read: told nothing.")
    if far.any():
        many = counted(int(far.sum()), "cell is", "cells are")
        notes.append(
            f"{many} unlike all examples, and so less sure: perhaps of a kind that "
            "has none."
        )
    return tuple(notes)


def read_examples(path: str | Path, table: AnnData) -> dict[str, NDArray[np.intp]]:
    """Read examples from a .csv with the columns ``cell`` and ``kind``.

    Returns
    -------
    Kind -> rows of the table.

    Raises
    ------
    SpecError
        If it cannot be read, has other columns, or names cells that are not there.
    """
    import pandas as pd

    path = Path(path).expanduser()
    action = "Give a CSV with the columns cell and kind, a cell and its kind a row."
    try:
        lines = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise SpecError(f"The examples {path} cannot be read.", action) from error
    if not {"cell", "kind"} <= set(lines.columns):
        columns = named(lines.columns, 8)
        raise SpecError(f"{path} has the columns {columns}, not cell and kind.", action)
    at = table.obs_names.get_indexer(lines["cell"].str.strip())
    if (at < 0).any():
        lost = lines["cell"][at < 0]
        raise SpecError(
            f"{path} names {counted(len(lost), 'cell')} that the slide does not have: "
            f"{named(lost)}.",
            "Names are those of the table's obs_names.",
        )
    kinds = lines["kind"].str.strip()
    return {
        str(kind): at[(kinds == kind).to_numpy()].astype(np.intp)
        for kind in dict.fromkeys(kinds)
    }


def write_examples(path: str | Path, examples: Mapping[str, Any]) -> Path:
    """Write examples, kind -> names of cells, for :func:`read_examples`."""
    import pandas as pd

    lines = [(cell, kind) for kind, cells in examples.items() for cell in cells]
    with atomic_path(path) as temporary:
        pd.DataFrame(lines, columns=["cell", "kind"]).to_csv(temporary, index=False)
    return Path(path)


def store_learned(table: AnnData, learned: Learned, key: str = "") -> str:
    """Write kinds and refined embedding into a table; return the column.

    Parameters
    ----------
    table
        The cells that were learned from.
    learned
        What was learned.
    key
        Column of ``obs``; "" = ``learned.key``.
    """
    name, told = key or learned.key, learned.told
    told.to_obs(table, name)
    table.obsm[learned.embedding_key] = learned.vectors
    info = ModelInfo(learned.of, sha256=str(told.about.get("sha256", "")))
    about: dict[str, Any] = {
        entry: value if isinstance(value, str | int | float) else json.dumps(value)
        for entry, value in told.about.items()
    }
    about |= {"threshold": told.threshold, "notes": " ".join(told.notes)}
    before = dict(table.uns.get(keys.UNS, {}))
    seed = int(told.about["seed"])
    new = provenance(info, seed=seed) | {f"{name}_about": about}
    table.uns[keys.UNS] = before | new
    return name
