"""Cell types of a slide from files: a trained model, a labelled .h5ad, marker lists.

One function for the window and the command line. A reference is read with the genes
that the slide has too, never across species; where it has coordinates and fields of
view, a model reads it by them, else as one bag.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm import keys
from napari_scfm.analysis.annotate import NEAREST, PCA, Annotation, annotate
from napari_scfm.analysis.celltypes.nearest import MOST_SHARE
from napari_scfm.errors import SlideError, SpecError, named
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.reference_file import SUFFIX, read_reference
from napari_scfm.models.base import ModelInfo
from napari_scfm.slides.h5ad_file import H5adFile
from napari_scfm.slides.h5ad_frame import find_bags, place
from napari_scfm.slides.report import ReadReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.annotate import By
    from napari_scfm.analysis.celltypes.agreement import Agreement
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

_NO_TYPES = {keys.FOV, keys.CELL_ID, keys.LABEL}
"""Columns that say which cell it is, not what it is."""


@dataclass(frozen=True)
class AnnotationOptions:
    """How types are told.

    Attributes
    ----------
    by
        "head", "reference" or "markers".
    model
        Name or path; "" or "pca" for a reference without a model.
    reference
        A labelled .h5ad; "" where none is needed.
    labels
        Column of its ``obs``.
    markers
        A .csv or .json; "" where none is needed.
    k
        Reference cells that vote.
    threshold
        Confidence below which a cell is told "unknown".
    names
        A .csv with the columns from and to, other names of types; "" for none.
    """

    by: By = "head"
    model: str = ""
    reference: str | Path = ""
    labels: str = keys.CELL_TYPE
    markers: str | Path = ""
    k: int = NEAREST
    threshold: float = 0.0
    names: str | Path = ""

    def __post_init__(self) -> None:
        if found := self.problems():
            raise SpecError(found[0], "Correct what is asked.", found)

    def problems(self) -> list[str]:
        """Return what is missing, or given and never read."""
        files = {"reference": self.reference, "markers": self.markers}
        found = []
        if self.by == "head" and not self.model:
            found.append(
                "Telling types by head needs a model trained with `train --objective "
                "annotate`."
            )
        if self.by in files and not files[self.by]:
            found.append(f"Telling types by {self.by} needs a file.")
        found += [
            f"A {what} is given, but types are told by {self.by}."
            for what, path in files.items()
            if path and what != self.by
        ]
        if self.by == "markers" and self.model:
            found.append("Markers need no model, but one is given.")
        return found

    @property
    def key(self) -> str:
        """``obs`` column where types are written, unless another is asked for."""
        return keys.told(Path(self.model).name if self.by == "head" else self.by)


def annotate_slide(
    table: AnnData,
    options: AnnotationOptions,
    *,
    mask: Mask | None = None,
    model: CellModel | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Annotation:
    """Tell the type of every cell of a table.

    Parameters
    ----------
    table
        Raw counts; cells of the same ``obs["fov"]`` are read together.
    options
        Who tells.
    mask
        What is hidden; it is never read.
    model
        That of ``options.model``, where it is loaded already.
    device, precision
        Where the model runs, and in what; see :func:`napari_scfm.load_model`.
    progress
        Told as a model reads the bags.

    Raises
    ------
    SpecError
        If a file cannot be read, or does not fit the table.
    ModelError
        If the model cannot annotate, or cannot embed.
    """
    if model is None:
        model = _model(options.model, device, precision)
    genes = [str(name) for name in table.var_names]
    reference, markers = None, None
    notes: list[str] = []
    if options.by == "reference":
        reference, notes = read_labelled(options.reference, genes, options.labels)
    if options.by == "markers":
        from napari_scfm.analysis.celltypes.marker_lists import read_markers

        markers = read_markers(options.markers)
    found = annotate(
        table,
        by=options.by,
        model=model,
        reference=reference,
        labels=options.labels,
        markers=markers,
        k=options.k,
        threshold=options.threshold,
        mask=mask,
        progress=progress,
    )
    files = {"reference": options.reference, "markers_file": options.markers}
    about = found.about | {k: Path(p).name for k, p in files.items() if p}
    # the file's own sentence on shared genes says the same with its name
    own = [note for note in found.notes if not (notes and "are measured in" in note)]
    told = replace(found, about=about, notes=(*notes, *own))
    return told.renamed(read_names(options.names)) if options.names else told


def read_labelled(
    path: str | Path, genes: Sequence[str], labels: str
) -> tuple[AnnData, list[str]]:
    """Read labelled cells from a file, with the genes that a slide has too.

    Parameters
    ----------
    path
        An .h5ad with raw counts.
    genes
        Of the slide.
    labels
        Column of ``obs``.

    Returns
    -------
    Cells with ``obs[labels]``, and where the file has coordinates ``obs["fov"]`` and
    ``obsm["spatial"]`` in um; sentences for the user.

    Raises
    ------
    SpecError
        If the file is not there, has no such column, is of another species, shares no
        gene with the slide, or holds logarithms.
    SlideError
        If it is damaged.
    """
    read = read_reference(path, genes)
    cells, file = read.cells.copy(), H5adFile(read.path)
    obs = file.element("obs")
    if labels not in obs:
        raise SpecError(
            f"The reference {read.path.name} has no labels {labels!r} in obs.",
            f"Its columns are: {named(obs.columns, 20) or 'none'}.",
        )
    # under their own names, so that a cell of the slide is known as itself
    cells.obs_names = [str(name) for name in obs.index]
    cells.obs[labels] = obs[labels].astype(object).to_numpy()
    notes = list(read.notes)
    report = ReadReport()
    try:
        um = place(file, obs, file.element("uns") or {}, None, report)
        cells.obsm[keys.SPATIAL] = um
        cells.obs[keys.FOV] = find_bags(obs, um, report).names
    except SlideError:
        notes.append(f"{read.path.name} is read as one bag, without coordinates.")
    return cells, notes


def label_columns(path: str | Path) -> list[str]:
    """Return the columns of an .h5ad in which cells are labelled, likeliest first.

    Labels are words, or whole numbers of clusters, that many cells share.

    Raises
    ------
    SpecError
        If the file is not there, is no .h5ad, or labels no cell.
    SlideError
        If it is damaged.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != SUFFIX or not path.is_file():
        raise SpecError(
            f"{path} is no {SUFFIX} file.", "Give labelled cells as AnnData."
        )
    obs = H5adFile(path).element("obs")
    found = [str(name) for name in obs if _labels_cells(obs[name])]
    if not found:
        raise SpecError(
            f"No column of {path.name} labels its cells; it has "
            f"{named(obs.columns, 12) or 'none'}.",
            "Give a file whose obs says which type each cell is of.",
        )
    return sorted(found, key=_likelihood)


def _labels_cells(column: pd.Series) -> bool:
    """Return whether a column of a reference holds labels."""
    if str(column.name) in _NO_TYPES or column.dtype.kind in "fb":
        return False
    if column.dtype.kind in "iu" and "cluster" not in str(column.name).lower():
        return False
    kinds = column.nunique()
    return bool(1 < kinds <= MOST_SHARE * max(int(column.notna().sum()), 1))


def _likelihood(name: str) -> int:
    """Return the place of a column by its name: types first."""
    small = name.lower()
    words = ("cell_type", "celltype", "cell type", "annotation", "type", "label")
    if small == keys.CELL_TYPE:
        return -1
    return next((at for at, word in enumerate(words) if word in small), len(words))


def read_names(path: str | Path) -> dict[str, str]:
    """Read other names of types from a .csv with the columns ``from`` and ``to``.

    Raises
    ------
    SpecError
        If it cannot be read, has other columns, or renames one type twice.
    """
    import pandas as pd

    path = Path(path).expanduser()
    action = "Give a CSV with the columns from and to: one type and its new name a row."
    try:
        rows = pd.read_csv(path, dtype=str).dropna()
    except (OSError, ValueError) as error:
        raise SpecError(f"The names of types {path} cannot be read.", action) from error
    if not {"from", "to"} <= set(rows.columns):
        columns = named(rows.columns, 8)
        raise SpecError(f"{path} has the columns {columns}, not from and to.", action)
    before = rows["from"].str.strip()
    if before.duplicated().any():
        twice = named(before[before.duplicated()].unique())
        raise SpecError(f"{path} gives more than one name to {twice}.", action)
    return dict(zip(before, rows["to"].str.strip(), strict=True))


def store_annotation(
    table: AnnData,
    told: Annotation,
    options: AnnotationOptions,
    key: str = "",
    agreement: Agreement | None = None,
) -> str:
    """Write told types into a table with how they were told; return the column.

    Parameters
    ----------
    table
        The cells that were annotated.
    told
        Their types.
    options
        How they were told.
    key
        Column of ``obs``; "" = ``options.key``.
    agreement
        Scores against known types, stored beside.
    """
    name = key or options.key
    told.to_obs(table, name)
    made = str(told.about.get("model", options.by))
    info = ModelInfo(made, sha256=str(told.about.get("sha256", "")))
    about: dict[str, Any] = {
        field: value if isinstance(value, str | int | float) else json.dumps(value)
        for field, value in told.about.items()
    }
    about |= {"threshold": told.threshold, "notes": " ".join(told.notes)}
    if agreement is not None:
        about["scores"] = agreement.scores
    before = dict(table.uns.get(keys.UNS, {}))
    table.uns[keys.UNS] = before | provenance(info) | {f"{name}_about": about}
    return name


def known_types(
    table: AnnData, column: str = "", names: str | Path = ""
) -> tuple[str, np.ndarray] | None:
    """Return the column of known types and its values; None where there is none.

    Parameters
    ----------
    table
        Cells.
    column
        Of ``obs``; "" = "cell_type" where it is there and says something.
    names
        A .csv of other names, see :func:`read_names`, so that told and known types of
        one kind meet under one name.

    Raises
    ------
    SpecError
        If a column is asked for that is not there.
    """
    from napari_scfm.analysis.celltypes.agreement import known_labels

    name = column or keys.CELL_TYPE
    if name not in table.obs:
        if column:
            raise SpecError(
                f"The table has no known types {column!r} in obs.",
                f"Its columns are: {named(table.obs.columns, 20)}.",
            )
        return None
    values = table.obs[name].astype(object).to_numpy()
    if names:
        other = read_names(names)
        values = (
            table.obs[name].astype(object).map(lambda v: other.get(v, v)).to_numpy()
        )
    return (name, values) if column or known_labels(values)[1].any() else None


def _model(name: str, device: str, precision: str) -> CellModel | None:
    if name in ("", PCA):
        return None
    from napari_scfm.models.hub import load_model

    return load_model(name, device, precision=precision)
