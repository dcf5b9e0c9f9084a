"""What is asked about neighbourhoods: whose kinds, of which cells. No Qt.

A question is read from the session before a thread starts; the table of a whole slide
is read in the thread. What is selected is always of the FOV on show: FOVs are kept
apart, so that its neighbours are the same whatever was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.analysis.neighbourhoods import pairs_of_kinds, spatial_graph
from napari_scfm.analysis.neighbourhoods.kinds import MOST
from napari_scfm.errors import ScfmError, SlideError, counted
from napari_scfm.viewer.look import comparison_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData

    from napari_scfm.analysis.neighbourhoods import SpatialGraph
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.session import Session

CLUSTERS = "clusters"
PREDICTED = "predicted"
"""Key of the layer that holds the predictions on show."""

_NO_KINDS = {keys.FOV, keys.CELL_ID, keys.LABEL}
_COUNTED = ("cluster", "leiden", "louvain", "domain", "niche")
"""Words in the names of columns whose whole numbers are kinds."""


@dataclass(frozen=True, eq=False)
class Choice:
    """One list of kinds that can be asked about.

    Attributes
    ----------
    title
        As it stands in the box.
    source
        A column of ``obs``, a grouping of the slide, or the clusters on show.
    whole
        Whether it is known of the whole slide.
    """

    title: str
    source: Any
    whole: bool = True

    @property
    def key(self) -> str:
        """Name of the column."""
        return self.source if isinstance(self.source, str) else self.source.key


@dataclass(frozen=True, eq=False)
class Question:
    """What a task reads.

    Attributes
    ----------
    slide, fov
        The FOV on show, and its slide.
    whole
        Whether all of the slide is asked about.
    choice
        The kinds; None where none are asked about.
    neighbours
        How many nearest cells.
    prediction
        (cells, genes) predicted counts with their names; None without.
    """

    slide: Slide
    fov: FieldOfView
    whole: bool
    choice: Choice | None
    neighbours: int
    prediction: pd.DataFrame | None = None

    @property
    def where(self) -> str:
        """As it stands in a sentence."""
        return "the whole slide" if self.whole else self.fov.name

    def table(self) -> AnnData:
        """Return the cells; a copy of nothing, so leave it as it is."""
        return self.slide.table if self.whole else self.fov.table

    def kinds(self) -> Any:
        """Return what :func:`.kinds_of` takes for these cells."""
        if self.choice is None:
            raise ScfmError("No kinds of cells are chosen.", "Cluster the cells first.")
        source = self.choice.source
        if isinstance(source, str) or self.whole or not self.choice.whole:
            return source
        return _part(source, self.slide, self.fov)


def choices_of(session: Session, groupings: Iterable[Any] = ()) -> list[Choice]:
    """Return the lists of kinds that the session knows, types first.

    Parameters
    ----------
    session
        Its FOV and clusters.
    groupings
        Of all cells of the slide, with ``key``, ``labels`` and ``names``.
    """
    fov = session.fov
    if fov is None:
        return []
    found, groupings = [], list(groupings)
    made = session.clusters
    listed = made is not None and any(one is made.grouping for one in groupings)
    if made is not None and made.fov == fov.name and not listed:
        source = SimpleNamespace(key=CLUSTERS, labels=made.values, names=made.classes)
        found.append(Choice(made.title, source, whole=False))
    size = len(session.slide.table) if session.slide is not None else 0
    found += [Choice(one.key, one) for one in groupings if len(one.labels) == size]
    taken = {one.title for one in found}
    obs = fov.table.obs
    columns = [name for name in obs if name not in taken and _are_kinds(obs[name])]
    columns.sort(key=lambda name: name != keys.CELL_TYPE)
    types = [Choice(name, name) for name in columns]
    first = types[: bool(types and types[0].key == keys.CELL_TYPE)]
    return [*first, *found, *types[len(first) :]]


def question(
    session: Session, choice: Choice | None, whole: bool, neighbours: int
) -> Question:
    """Return what a task reads.

    Raises
    ------
    SlideError
        If nothing is open.
    ScfmError
        If the kinds are known of this FOV only.
    """
    if session.fov is None or session.slide is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    if session.n_cells == 0:
        raise SlideError(
            f"Field of view {session.fov.name} has no cells.", "Go to another one."
        )
    if whole and choice is not None and not choice.whole:
        raise ScfmError(
            f"{choice.title} are known of {session.fov.name} only.",
            "Ask about this field of view, or choose a column of the table.",
        )
    guessed = None if whole else _prediction(session)
    return Question(session.slide, session.fov, whole, choice, neighbours, guessed)


def layer_of(asked: Question) -> tuple[AnnData, str | None]:
    """Return the cells with predicted counts beside the measured ones, and their key.

    The predictions on show come first, then those that the table itself holds.
    """
    table = asked.table()
    if asked.prediction is not None:
        bare = table.copy()
        bare.obsm.clear()
        bare.obsm[keys.SPATIAL] = table.obsm[keys.SPATIAL]
        layer = np.full(table.shape, np.nan)
        layer[:, table.var_names.get_indexer(asked.prediction.columns)] = (
            asked.prediction.to_numpy()
        )
        bare.layers[PREDICTED] = layer
        return bare, PREDICTED
    held = [name for name in table.layers if name.endswith("_imputed")]
    held += [
        name
        for name, value in table.obsm.items()
        if name.endswith("_imputed") and isinstance(value, pd.DataFrame)
    ]
    return table, held[0] if held else None


class Beside:
    """Cells of the FOV on show that lie beside one another, by kind."""

    def __init__(self) -> None:
        self._for: tuple[Any, int] = (None, 0)
        self._graph: SpatialGraph | None = None

    def rows(
        self, session: Session, choice: Choice, neighbours: int, pair: Sequence[str]
    ) -> np.ndarray:
        """Return the rows of a pair of kinds that are neighbours."""
        fov = session.fov
        if self._graph is None or self._for != (fov, neighbours):
            self._graph = spatial_graph(fov.table, neighbours=neighbours)
            self._for = (fov, neighbours)
        names = names_here(session, choice)
        return pairs_of_kinds(self._graph, names, pair[0], pair[1])


def names_here(session: Session, choice: Choice) -> np.ndarray:
    """Return (n,) the kind of each cell of the FOV on show, as text; "" for none."""
    fov, source = session.fov, choice.source
    if isinstance(source, str):
        column = fov.table.obs[source]
        return np.where(column.isna(), "", column.astype(str))
    if choice.whole:
        source = _part(source, session.slide, fov)
    names = np.array([*source.names, ""], dtype=object)
    return names[np.asarray(source.labels)].astype(str)


def selected_words(number: int, pair: Sequence[str], fov: str) -> str:
    """Return how many cells of a pair were selected."""
    a, b = pair
    who = f"{a} beside {b}" if a != b else f"{a} beside one another"
    return f"{counted(number, 'cell')} of {fov} selected: {who}."


def _are_kinds(column: pd.Series) -> bool:
    """Tell whether a column is a list of kinds."""
    name = str(column.name)
    if name in _NO_KINDS:
        return False
    if column.dtype.kind in "iu":
        if not any(word in name.lower() for word in _COUNTED):
            return False
    elif column.dtype.kind not in "Ob":
        return False
    return 1 < column.nunique() <= MOST


def _part(source: Any, slide: Slide, fov: FieldOfView) -> Any:
    """Return a grouping of the slide for the cells of a FOV."""
    rows = np.flatnonzero(slide.table.obs[keys.FOV].astype(str) == fov.name)
    if len(rows) != fov.table.n_obs:
        raise ScfmError(
            f"{fov.name} holds {fov.table.n_obs} cells, but {len(rows)} of the slide's "
            "table are in it.",
            "Ask about the whole slide.",
        )
    labels = np.asarray(source.labels)[rows]
    return SimpleNamespace(key=source.key, labels=labels, names=source.names)


def _prediction(session: Session) -> pd.DataFrame | None:
    """Return the genes that a model predicted for every cell on show."""
    made = comparison_of(session)
    if made is None:
        return None
    frame = pd.DataFrame(np.asarray(made.prediction), columns=made.genes)
    whole = frame.loc[:, frame.notna().all() & frame.columns.isin(
        session.fov.table.var_names)]  # fmt: skip
    return whole if whole.shape[1] else None
