"""Cell types: told by a trained head, by a labelled reference or by marker lists.

Decides what confidence means, always 0..1: the head's softmax; the share of the votes
of the nearest reference cells; for markers a softmax over the types and "none of them".
Only the first was trained to be a probability; all order cells from sure to unsure, and
below a threshold a cell is told "unknown". Hidden entries never enter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.celltypes.annotation import Annotation
from napari_scfm.errors import ModelError, SpecError, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.models.cellplm.model import CellPLM
    from napari_scfm.progress import ProgressCallback

__all__ = ["BY", "Annotation", "annotate"]

By = Literal["head", "reference", "markers"]

BY: Final[tuple[By, ...]] = ("head", "reference", "markers")
"""Who tells types."""

PCA: Final = "pca"
"""Name of the embedding that needs no model: components of the shared genes."""

NEAREST: Final = 5
"""Reference cells that vote."""

SCORE: Final[dict[str, str]] = {
    "head": "softmax of the head's class scores",
    "reference": "share of the votes of the nearest reference cells",
    "markers": "mean z of log-normalised markers minus that of matched control genes, "
    "in standard errors; confidence is their softmax over types and none of them",
}
"""What ``Annotation.scores`` hold."""


def annotate(
    table: AnnData,
    *,
    by: By = "head",
    model: CellModel | str | None = None,
    reference: AnnData | None = None,
    labels: str = keys.CELL_TYPE,
    markers: Mapping[str, Sequence[str]] | None = None,
    k: int = NEAREST,
    threshold: float = 0.0,
    mask: Mask | None = None,
    progress: ProgressCallback | None = None,
) -> Annotation:
    """Tell the type of every cell.

    Parameters
    ----------
    table
        Raw counts; cells with the same ``obs["fov"]`` are one bag.
    by
        "head": a model trained with the objective "annotate" says it. "reference":
        the ``k`` nearest labelled cells vote, in the embedding of the model, or with
        ``model=None`` in the principal components of the shared genes. "markers":
        the type whose markers a cell expresses most, see
        :mod:`napari_scfm.analysis.celltypes.marker_scores`.
    model
        A model or its name or path; needed by the head.
    reference
        Labelled cells with raw counts; genes may be named by symbol or Ensembl id.
        They are read in bags of their own, by their own ``obs["fov"]``. Cells that
        are in the table too never vote on themselves.
    labels
        Column of the reference's ``obs``; missing and "unknown" do not vote.
    markers
        Type -> genes.
    k
        How many reference cells vote.
    threshold
        Confidence in 0..1 below which a cell is told "unknown".
    mask
        What is hidden. It is never read: a model reads it as hidden, a reference is
        met on the visible genes of each cell, and of markers the visible ones speak.
        A cell of which all is hidden is told "unknown" by a reference and by markers.
    progress
        Told as a model reads the bags.

    Raises
    ------
    SpecError
        If what the way needs is not given, or does not fit the table.
    ModelError
        If the model cannot annotate, or cannot embed.
    """
    problems = _problems(by, model, reference, markers, k, threshold)
    if problems:
        raise SpecError(problems[0], "Correct the call.", problems)
    if by == "head":
        found = _by_head(table, _loaded(model), mask, progress)
    elif by == "reference":
        assert reference is not None
        said = None if model in (None, PCA) else _loaded(model)
        found = _by_reference(table, reference, labels, said, k, mask, progress)
    else:
        assert markers is not None
        found = _by_markers(table, markers, mask)
    return found.above(threshold)


def _problems(
    by: str,
    model: object,
    reference: object,
    markers: object,
    k: int,
    threshold: float,
) -> list[str]:
    needs = {
        "head": (model, "a model trained with the objective annotate"),
        "reference": (reference, "a labelled reference"),
        "markers": (markers, "lists of marker genes"),
    }
    if by not in needs:
        return [f"Types are told by {named(BY)}, not by {by!r}."]
    found = []
    given, what = needs[by]
    if given is None:
        found.append(f"Telling types by {by} needs {what}.")
    if k < 1:
        found.append(f"{k} cells cannot vote; at least 1 must.")
    if not 0 <= threshold <= 1:
        found.append(f"The threshold of confidence is {threshold:g}, not in 0..1.")
    return found


def _loaded(model: CellModel | str | None) -> CellModel:
    if isinstance(model, str):
        from napari_scfm.models.hub import load_model

        return load_model(model)
    assert model is not None
    return model


def _by_head(
    table: AnnData,
    model: CellModel,
    mask: Mask | None,
    progress: ProgressCallback | None,
) -> Annotation:
    from napari_scfm.models.cellplm.annotation import CLASSES, chances

    if "annotate" not in model.info.capabilities:
        able = ", ".join(sorted(model.info.capabilities)) or "nothing"
        raise ModelError(
            f"Model {model.info.name} cannot annotate; it can {able}.",
            "Train one: napari-scfm train --objective annotate --labels COLUMN.",
        )
    network = cast("CellPLM", model)
    scores = network.class_scores(table, mask=mask, progress=progress)
    shares = np.asarray(chances(scores), dtype=np.float32)
    classes = tuple(map(str, network.config.extra[CLASSES]))
    about = _about("head", model)
    return _made(table, classes, shares, shares, about, tuple(network.notes))


def _by_reference(
    table: AnnData,
    reference: AnnData,
    labels: str,
    model: CellModel | None,
    k: int,
    mask: Mask | None,
    progress: ProgressCallback | None,
) -> Annotation:
    from napari_scfm.analysis.celltypes.nearest import tell_by_reference

    told = tell_by_reference(table, reference, labels, model, k, mask, progress)
    about = _about("reference", model) | {"k": k, "labels": labels}
    return _made(table, told.classes, told.shares, told.shares, about, told.notes)


def _by_markers(
    table: AnnData, markers: Mapping[str, Sequence[str]], mask: Mask | None
) -> Annotation:
    from napari_scfm.analysis.celltypes.marker_lists import marker_columns
    from napari_scfm.analysis.celltypes.marker_scores import (
        CONTROLS,
        marker_confidence,
        marker_scores,
    )

    found = marker_columns(table.var, markers)
    if mask is None:
        scores = marker_scores(table.X, found.columns)
    else:
        hidden = mask.for_table(table).matrix
        counts = mask.visible(table)
        scores = marker_scores(counts, found.columns, hidden=hidden)
    shares = marker_confidence(scores)
    genes = {
        name: [str(gene) for gene in table.var_names[some]]
        for name, some in found.columns.items()
    }
    about = _about("markers", None) | {"controls": CONTROLS, "genes": genes}
    return _made(table, tuple(found.columns), scores, shares, about, found.notes)


def _about(by: str, model: CellModel | None) -> dict[str, Any]:
    about: dict[str, Any] = {"by": by, "score": SCORE[by]}
    if model is not None:
        about |= {"model": model.info.name, "sha256": model.info.sha256}
    elif by == "reference":
        about["model"] = PCA
    return about


def _made(
    table: AnnData,
    classes: tuple[str, ...],
    scores: NDArray[np.float32],
    shares: NDArray[np.float32],
    about: dict[str, Any],
    notes: tuple[str, ...],
) -> Annotation:
    cells = table.obs_names.copy()
    return Annotation(cells, classes, scores, shares, about=about, notes=notes)
