"""The picture: PCA at once, UMAP after it, of a model's embedding or of the counts.

A model reads one field of view at a time, with what is hidden there, so that the
numbers are those of the workbench and of the command line, and a mask that changed
costs one field of view. Nothing here knows the viewer: the functions run in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.apart.work import umap_apart
from napari_scfm.analysis.embedding import OTHERS
from napari_scfm.analysis.nearest import Near, nearest
from napari_scfm.analysis.present import Present, present
from napari_scfm.errors import ModelError, SlideError
from napari_scfm.experiments.fingerprint import fingerprint
from napari_scfm.experiments.provenance import provenance, versions
from napari_scfm.progress import Progress, report
from napari_scfm.viewer.embedding.crowd import Crowd
from napari_scfm.viewer.embedding.store import key_of
from napari_scfm.viewer.refined import embedder_of
from napari_scfm.viewer.session import NO_CELLS

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.spatial import cKDTree

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.embedding.store import Store
    from napari_scfm.viewer.session import Session

PCA, UMAP = "PCA", "UMAP"
COMPONENTS = 50
"""Principal components of the counts that UMAP gets."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a picture is to be of.

    Attributes
    ----------
    slide, fov
        The slide, and the field of view on show.
    whole
        All fields of view, or only the one on show.
    model
        Whose embedding; None for the counts themselves.
    masks
        FOV -> what is hidden there, written down and resolved.
    seed
        Of UMAP.
    """

    slide: Slide
    fov: FieldOfView
    whole: bool = True
    model: CellModel | None = None
    masks: dict[str, tuple[str, Mask]] = field(default_factory=dict)
    seed: int = 0

    @property
    def of(self) -> str:
        """Whose embedding, for a person."""
        return "counts" if self.model is None else self.model.info.name


@dataclass(eq=False)
class Picture:
    """Cells at their places in two dimensions.

    Attributes
    ----------
    asked
        What it is of.
    crowd
        Its cells.
    xy
        (cells, 2) float32, y up; NaN of cells without an embedding.
    method
        :data:`PCA` or :data:`UMAP`.
    key
        Stands for the embedding behind it.
    vectors
        (cells, d) that embedding.
    elsewhere
        Rows of the crowd that were picked in other fields of view than the one on
        show.
    picking
        Whether a selection is being made in the picture at this moment.
    by
        What the dock colours it by, see :mod:`.colours`; "" for the tissue's colours.
    about
        How it was made.
    """

    asked: Asked
    crowd: Crowd
    xy: np.ndarray
    method: str
    key: str
    vectors: np.ndarray
    elsewhere: np.ndarray = field(default_factory=lambda: NO_CELLS)
    picking: bool = False
    by: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def present(self) -> Present:
        """The cells that have a point."""
        return present(self.vectors)

    @cached_property
    def tree(self) -> cKDTree:
        """Finds the point under the mouse, among those there are."""
        from scipy.spatial import cKDTree

        return cKDTree(self.present.take(self.xy))

    def is_umap_of(self, vectors: np.ndarray) -> bool:
        """Tell whether it is the UMAP of an embedding of all cells of the slide."""
        return (
            self.method == UMAP
            and self.asked.whole
            and np.array_equal(self.vectors, vectors, equal_nan=True)
        )

    @property
    def title(self) -> str:
        """What is shown."""
        where = "all fields of view" if self.asked.whole else self.crowd.fovs[0]
        title = f"{self.method} of {self.asked.of}, {where}, {len(self.crowd):,} cells"
        lost = self.present.sentence.removesuffix(".")
        return f"{title}; {lost}" if lost else title


def asked_of(session: Session, *, whole: bool, counts: bool = False) -> Asked:
    """Return what a picture of the session's cells would be of.

    Parameters
    ----------
    whole
        All fields of view of the slide.
    counts
        Of the counts, whatever model is loaded.

    Raises
    ------
    SlideError, ModelError
        If no slide is open, it holds no cells, or the model cannot embed.
    """
    if session.fov is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    if not whole and session.n_cells == 0:
        raise SlideError(
            f"Field of view {session.fov.name} has no cells.", "Go to another one."
        )
    model = None if counts else embedder_of(session)
    if model is not None and "embed" not in model.info.capabilities:
        raise ModelError(
            f"Model {model.info.name} cannot embed.",
            "Choose the counts, or load another model such as cellplm-mini.",
        )
    return Asked(session.slide, session.fov, whole, model, masks_of(session))


def masks_of(session: Session) -> dict[str, tuple[str, Mask]]:
    """Return what is hidden where: FOV -> (written down, resolved)."""
    return {
        name: (history.spec.model_dump_json(), history.mask)
        for name, history in session.histories.items()
        if history.mask is not None and history.mask.n_hidden
    }


def first_picture(
    asked: Asked, store: Store, progress: ProgressCallback | None = None
) -> Picture:
    """Return the PCA of an embedding; the embedding is computed unless it is kept."""
    report(progress, 0, 0, "Reading the cells")
    crowd = (
        Crowd.of_slide(asked.slide)
        if asked.whole
        else Crowd.of_fov(asked.slide, asked.fov)
    )
    if not len(crowd):
        raise SlideError(f"Slide {asked.slide.name} has no cells.", "Open another one.")
    parts = _parts(asked, crowd)
    key = key_of(asked.whole, *(part.key for part in parts))
    if asked.model is None:
        report(progress, 0, 0, "Principal components of the counts")
        vectors = store.ask(key, lambda: _components(parts))
    else:
        vectors = _embedded(asked, parts, store, progress)
    report(progress, 0, 0, "Laying the cells out")
    xy = store.ask(key_of(key, PCA), lambda: _two(vectors))
    crowd.warm()
    made = Picture(asked, crowd, xy, PCA, key, vectors, about=_about(asked, PCA))
    _ = made.tree
    return made


def umap_picture(
    picture: Picture, store: Store, progress: ProgressCallback | None = None
) -> Picture:
    """Return the UMAP of a picture's embedding."""
    key = key_of(picture.key, UMAP, picture.asked.seed)
    xy = store.get(key)
    if xy is None:
        near = near_of(picture, store, progress)
        seed = picture.asked.seed
        xy = umap_apart(picture.vectors, seed, near=near, progress=progress)
        model = picture.asked.model
        store.put(key, xy, lasting=model is None or bool(model.info.sha256))
    made = replace(picture, xy=xy, method=UMAP, about=_about(picture.asked, UMAP))
    _ = made.tree
    return made


def near_of(
    picture: Picture, store: Store, progress: ProgressCallback | None = None
) -> Near | None:
    """Return the neighbours that UMAP and clusters share, found once; None of few.

    They are rows of the cells that have an embedding.
    """
    some = picture.present
    if len(some.rows) <= OTHERS:
        return None
    names = [key_of(picture.key, "near", part) for part in ("distance", "index")]
    kept = [store.get(name) for name in names]
    if any(part is None for part in kept):
        made = nearest(some.take(picture.vectors), OTHERS, progress=progress)
        for name, part in zip(names, (made.distance, made.index), strict=True):
            store.put(name, part)
        return made
    return Near(*kept)


@dataclass(frozen=True, eq=False)
class _Part:
    """The cells of one field of view: rows in the crowd, and what stands for them."""

    key: str
    rows: np.ndarray
    table: AnnData
    mask: Mask | None


def _parts(asked: Asked, crowd: Crowd) -> list[_Part]:
    """Return the fields of view that have cells."""
    model, parts = asked.model, []
    by = "counts" if model is None else model.info.sha256
    by = by or f"{model.info.name} {id(model)}"
    for number, name in enumerate(crowd.fovs):
        rows = np.flatnonzero(crowd.codes == number)
        if not len(rows):
            continue
        table = crowd.table[rows].copy() if asked.whole else crowd.table
        spec, mask = asked.masks.get(name, ("", None))
        mask = None if mask is None else mask.for_table(table)
        parts.append(_Part(key_of(by, fingerprint(table), spec), rows, table, mask))
    return parts


def _in_order(parts: list[_Part], values: list[np.ndarray]) -> np.ndarray:
    """Return values of each part as rows of the crowd."""
    if len(parts) == 1:
        return values[0]
    order = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
    return np.concatenate(values)[order]


def _components(parts: list[_Part]) -> np.ndarray:
    """Return principal components of what is visible."""
    import anndata as ad
    from scipy import sparse

    from napari_scfm.analysis.embedding import pca

    seen = [
        part.table.X if part.mask is None else part.mask.visible(part.table)
        for part in parts
    ]
    found = pca(ad.AnnData(sparse.csr_matrix(sparse.vstack(seen))), COMPONENTS)
    ends = np.cumsum([len(part.rows) for part in parts])[:-1]
    return _in_order(parts, np.split(found, ends))


def _embedded(
    asked: Asked,
    parts: list[_Part],
    store: Store,
    progress: ProgressCallback | None,
) -> np.ndarray:
    """Return the model's embedding of the crowd, a field of view at a time."""
    done, total = 0, sum(len(part.rows) for part in parts)
    found, said = [], "The model reads the cells"
    for part in parts:
        cells = len(part.rows)

        def tell(inner: Progress, done: int = done, cells: int = cells) -> None:
            share = inner.done / inner.total if inner.total else 0.0
            report(progress, done + int(share * cells), total, said)

        report(progress, done, total, said)
        values = store.get(part.key)
        if values is None:
            made = asked.model.embed(part.table, mask=part.mask, progress=tell)
            values = store.put(part.key, np.array(made, dtype=np.float32))
        found.append(values)
        done += cells
    return _in_order(parts, found)


def _two(vectors: np.ndarray) -> np.ndarray:
    """Return the first two principal components; NaN of cells without an embedding."""
    from sklearn.decomposition import PCA as Components

    some = present(vectors)
    points = some.take(vectors)
    n = min(2, *points.shape)
    found = np.zeros((len(points), 2), dtype=np.float32)
    if len(points) > 1:
        made = Components(n, svd_solver="covariance_eigh").fit_transform(points)
        found[:, :n] = made
    return some.back(found, np.nan)


def _about(asked: Asked, method: str) -> dict[str, Any]:
    """Return how a picture was made, as plain values."""
    more = {"slide": asked.slide.name, "method": method, "seed": asked.seed}
    if asked.model is None:
        return more | {"of": "counts", "versions": versions()}
    return provenance(asked.model.info, **more)
