"""Clusters and domains of the slide in the window: made in a thread, asked again.

The graph is kept for the resolution slider; where a session was opened that came
without one it is made again when it is first asked. Leiden runs in a process of its
own where it would hold the window still. Decides that classes say which masks they
were made under, so that those of another mask are told apart.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_scfm.analysis.apart.work import cluster_apart
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.provenance import provenance, versions
from napari_scfm.progress import report
from napari_scfm.viewer.embedding.picture import (
    asked_of,
    first_picture,
    masks_of,
    near_of,
)
from napari_scfm.viewer.embedding.store import store_of
from napari_scfm.viewer.grouping import Groups
from napari_scfm.viewer.refined import refined_of
from napari_scfm.viewer.tasks import work_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.experiments.grouping import CellGraph
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.embedding.picture import Asked, Picture
    from napari_scfm.viewer.embedding.store import Store
    from napari_scfm.viewer.session import Session

GRAPHS = "cell graphs"
PCA = "pca"
"""Name of the embedding that needs no model."""
KEPT = 3
"""Graphs that are kept, of masks, models and weights of space that were asked for."""
STALE = "Made under another mask: press Cluster."


@dataclass(frozen=True, eq=False)
class Question:
    """What a press on Cluster asks, taken from the session before the thread starts.

    Attributes
    ----------
    asked, store, graphs
        Cells, model and masks; embeddings and graphs that were made before.
    resolution, seed
        Of Leiden.
    domains
        Weight of space; None = clusters of the embedding.
    before
        The grouping on show, whose colours are kept.
    """

    asked: Asked
    store: Store
    graphs: dict[Any, CellGraph]
    resolution: float
    seed: int = 0
    domains: float | None = None
    before: Grouping | None = field(default=None)

    @property
    def of(self) -> str:
        """Name of the embedding, as the command line writes it."""
        return PCA if self.asked.model is None else self.asked.of


def question_of(
    session: Session,
    resolution: float,
    seed: int = 0,
    domains: float | None = None,
    counts: bool = False,
) -> Question:
    """Return what is asked of the session's slide.

    Parameters
    ----------
    resolution, seed, domains
        As in :class:`Question`.
    counts
        Cluster principal components of the counts, whatever model is loaded.

    Raises
    ------
    ScfmError
        If nothing is open, or no model is loaded that can embed.
    """
    if not counts and refined_of(session) is None:
        work_of(session, "embed")
    asked = asked_of(session, whole=True, counts=counts)
    graphs = session.parts.setdefault(GRAPHS, {})
    before = session.grouping
    return Question(asked, store_of(session), graphs, resolution, seed, domains, before)


def question_again(session: Session, found: Groups, resolution: float) -> Question:
    """Return what made classes whose graph is gone, at another resolution.

    Raises
    ------
    ScfmError
        If the embedding that they were made of is not the one that is loaded.
    """
    seed, domains = int(found.about.get("seed", 0)), found.about.get("domains")
    asked = question_of(session, resolution, seed, domains, found.model == PCA)
    if asked.of != found.model:
        raise ScfmError(
            f"These classes are of {found.model}, and {asked.of} is loaded.",
            f"Load {found.model} in step 3, or press Cluster.",
        )
    return asked


def group_slide(asked: Question, progress: ProgressCallback | None = None) -> Groups:
    """Return the classes of all cells of a slide; reads all of it."""
    from napari_scfm.analysis.groups.history import GroupingHistory
    from napari_scfm.experiments.grouping import grouped

    picture = first_picture(asked.asked, asked.store, progress)
    cells = _graph(asked, picture, progress)
    _ = cells.network
    start = time.perf_counter()
    made = grouped(
        cells, asked.resolution, asked.seed, before=asked.before, progress=progress
    )
    seconds = time.perf_counter() - start
    return Groups(
        GroupingHistory(made),
        asked.of,
        _about(asked),
        cells,
        picture.vectors,
        asked.seed,
        seconds,
    )


def _graph(
    asked: Question, picture: Picture, progress: ProgressCallback | None
) -> CellGraph:
    """Return the graph of a picture's embedding; one that was made is kept."""
    from napari_scfm.experiments.grouping import cell_graph

    key, near = (picture.key, asked.domains), None
    cells = asked.graphs.pop(key, None)
    if cells is None:
        if asked.domains is None:
            near = near_of(picture, asked.store, progress)
        cells = cell_graph(
            picture.crowd.table,
            picture.vectors,
            asked.of,
            domains=asked.domains,
            near=near,
            apart=True,
            progress=progress,
        )
    asked.graphs[key] = cells
    while len(asked.graphs) > KEPT:
        asked.graphs.pop(next(iter(asked.graphs)))
    return cells


def regroup(
    groups: Groups, resolution: float, progress: ProgressCallback | None = None
) -> Grouping:
    """Return the classes of the graph that is kept, at another resolution."""
    from napari_scfm.experiments.grouping import grouped

    start, before = time.perf_counter(), groups.history.current
    made = grouped(
        groups.cells, resolution, groups.seed, before=before, progress=progress
    )
    groups.seconds = time.perf_counter() - start
    return made


def split(
    before: Grouping,
    rows: np.ndarray,
    found: Groups,
    again: Question | None,
    progress: ProgressCallback | None = None,
) -> Grouping:
    """Return classes of which some cells were clustered anew.

    Parameters
    ----------
    before
        The classes.
    rows
        The cells, rows of the slide's table.
    found
        What can be done to the classes; its embedding is read, and put there first
        if it is gone.
    again
        What the embedding is made of then, from :func:`question_again`.
    """
    if found.vectors is None and again is not None:
        found.vectors = first_picture(again.asked, again.store, progress).vectors
    report(progress, 0, 0, "Clustering the cells")
    return before.subcluster(rows, found.vectors, by=cluster_apart, progress=progress)


def _about(asked: Question) -> dict[str, Any]:
    """Return how a grouping was made, as plain values."""
    work = asked.asked
    hidden = sum(int(mask.n_hidden) for _, mask in work.masks.values())
    masks = {
        "hidden_entries": hidden,
        "fovs": sorted(work.masks),
        "digest": _digest(work.masks),
    }
    space = {} if asked.domains is None else {"domains": asked.domains}
    how = {"seed": asked.seed, "slide": work.slide.name, "mask": masks, **space}
    if work.model is None:
        return {"versions": versions(), **how}
    return provenance(work.model.info, **how)


def _digest(masks: Mapping[str, tuple[str, Any]]) -> str:
    """Return letters that stand for what is hidden where."""
    written = "\n".join(f"{name} {spec}" for name, (spec, _) in sorted(masks.items()))
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def stale(session: Session, groups: Groups | None) -> bool:
    """Return whether clusters were made under other masks than those of now."""
    then = {} if groups is None else groups.about.get("mask", {})
    digest = then.get("digest") if isinstance(then, dict) else None
    return digest is not None and digest != _digest(masks_of(session))
