"""Examples of kinds of cells: selected, named, and learned from in a thread.

Examples are names of cells, so that they may lie in several fields of view. Decides
that a cell is an example of one kind only, the last that it was added to, and that
what was learned is a grouping like clusters, so that undo brings the former one back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError, SlideError, counted
from napari_scfm.experiments.examples import (
    PCA,
    THRESHOLD,
    learn_examples,
    read_examples,
    refined_name,
    store_learned,
    write_examples,
)
from napari_scfm.experiments.provenance import provenance
from napari_scfm.models.base import ModelInfo
from napari_scfm.progress import report
from napari_scfm.viewer import grouping as groups
from napari_scfm.viewer.annotating import in_known_colours, slide_mask
from napari_scfm.viewer.embedding.crowd import Crowd
from napari_scfm.viewer.embedding.picture import asked_of, first_picture
from napari_scfm.viewer.embedding.store import store_of
from napari_scfm.viewer.kinds import kinds_of as known_types
from napari_scfm.viewer.refined import (
    RefinedEmbedding,
    embedding_model,
    written_masks,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.experiments.examples import Learned
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.embedding.picture import Asked
    from napari_scfm.viewer.embedding.store import Store
    from napari_scfm.viewer.session import Session


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples of kinds of cells of one slide.

    Attributes
    ----------
    slide
        Whose cells they are.
    kinds
        Kind -> names of cells, in the order in which they were added.
    """

    slide: Slide
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Question:
    """What a press on Learn these asks, taken from the session beforehand.

    Attributes
    ----------
    asked, store
        Cells, model and masks; embeddings that were made before.
    written
        The masks, written down.
    kinds
        Kind -> names of its examples.
    threshold, seed
        See :func:`napari_scfm.experiments.examples.learn_examples`.
    colours
        Kind -> RGBA, of the types that the slide knows already.
    """

    asked: Asked
    store: Store
    written: dict[str, str]
    kinds: dict[str, tuple[str, ...]]
    threshold: float = THRESHOLD
    seed: int = 0
    colours: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(eq=False)
class LearnedGroups(groups.Groups):
    """Learned kinds with what can be done to them.

    Attributes
    ----------
    learned
        What was learned.
    refined
        Its embedding, to be asked for like a model's.
    """

    learned: Learned | None = None
    refined: RefinedEmbedding | None = None


def kinds_of(session: Session) -> dict[str, tuple[str, ...]]:
    """Return the examples of the slide that is open: kind -> names of cells."""
    found = session.examples
    if found is None or found.slide is not session.slide:
        return {}
    return dict(found.kinds)


def selected_names(session: Session) -> list[str]:
    """Return the selected cells, those picked in other fields of view too."""
    if session.fov is None:
        return []
    names = list(map(str, session.fov.table.obs_names[session.selection]))
    shown = session.embedding
    if shown is not None and shown.crowd.slide is session.slide:
        names += map(str, shown.crowd.table.obs_names[shown.elsewhere])
    return list(dict.fromkeys(names))


def add_selected(session: Session, kind: str) -> int:
    """Make the selected cells examples of a kind; return how many they are.

    Raises
    ------
    ScfmError
        If no cell is selected, or the kind has no name.
    """
    kind = kind.strip()
    if not kind:
        raise ScfmError("The kind has no name.", "Write one, such as T cell.")
    if kind.lower() == "unknown":
        raise ScfmError(
            "Cells that are like no example are called unknown.",
            "Give the kind another name.",
        )
    names = selected_names(session)
    if not names:
        raise ScfmError(
            "No cell is selected.",
            "Click cells, or draw round them, on the tissue or in the Embedding dock.",
        )
    added = set(names)
    kinds = {
        other: tuple(cell for cell in cells if cell not in added)
        for other, cells in kinds_of(session).items()
        if other != kind
    }
    own = tuple(dict.fromkeys((*kinds_of(session).get(kind, ()), *names)))
    order = list(dict.fromkeys((*kinds_of(session), kind)))
    kinds[kind] = own
    _put(session, {name: kinds[name] for name in order if kinds[name]})
    return len(names)


def remove(session: Session, kinds: list[str]) -> None:
    """Forget the examples of some kinds."""
    left = {k: cells for k, cells in kinds_of(session).items() if k not in set(kinds)}
    _put(session, left)


def select(session: Session, kinds: list[str]) -> tuple[int, int]:
    """Select the examples of some kinds; return how many lie here and elsewhere."""
    wanted = {cell for kind in kinds for cell in kinds_of(session).get(kind, ())}
    names = session.fov.table.obs_names
    session.selection = np.flatnonzero(names.isin(list(wanted)))
    return len(session.selection), len(wanted) - len(session.selection)


def here(session: Session) -> dict[str, int]:
    """Return how many examples of each kind lie in the field of view on show."""
    names: pd.Index = session.fov.table.obs_names
    return {k: int(names.isin(cells).sum()) for k, cells in kinds_of(session).items()}


def _put(session: Session, kinds: dict[str, tuple[str, ...]]) -> None:
    session.examples = Examples(session.slide, kinds)


def read(session: Session, path: str | Path) -> int:
    """Take the examples of a .csv; return how many kinds there are.

    Raises
    ------
    ScfmError
        If it cannot be read, or no slide is open.
    """
    if session.slide is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    table = session.slide.table
    found = read_examples(path, table)
    _put(session, {k: tuple(map(str, table.obs_names[v])) for k, v in found.items()})
    return len(found)


def write(session: Session, path: str | Path) -> Path:
    """Write the examples as a .csv that the command line reads, too.

    Raises
    ------
    ScfmError
        If there are none, or it cannot be written.
    """
    kinds = kinds_of(session)
    if not kinds:
        raise ScfmError("There are no examples yet.", "Add some first.")
    path = Path(path)
    path = path if path.suffix == ".csv" else path.with_name(f"{path.name}.csv")
    return write_examples(path, kinds)


def question_of(
    session: Session, threshold: float = THRESHOLD, seed: int = 0
) -> Question:
    """Return what is asked of the session's slide.

    Raises
    ------
    ScfmError
        If nothing is open, or there are fewer than two kinds with two examples.
    """
    kinds = kinds_of(session)
    if session.fov is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    few = [name for name, cells in kinds.items() if len(cells) < 2]
    if len(kinds) < 2 or few:
        raise ScfmError(
            f"There are examples of {counted(len(kinds), 'kind')}"
            + (f", of {few[0]} one cell only." if few else "."),
            "Add two cells or more of each of two kinds or more.",
        )
    base = embedding_model(session)
    asked = replace(asked_of(session, whole=True, counts=True), model=base)
    types = known_types(session)
    return Question(
        asked,
        store_of(session),
        written_masks(session),
        kinds,
        threshold,
        seed,
        {} if types is None else dict(types.entries),
    )


def learn(asked: Question, progress: ProgressCallback | None = None) -> LearnedGroups:
    """Learn the kinds and tell all cells of a slide; reads all of it."""
    from napari_scfm.analysis.groups.history import GroupingHistory

    work, vectors = asked.asked, None
    if work.model is None:
        report(progress, 0, 0, "Reading the cells")
        table = Crowd.of_slide(work.slide).table
    else:
        picture = first_picture(work, asked.store, progress)
        table, vectors = picture.crowd.table, picture.vectors
    mask = slide_mask(table, {name: mask for name, (_, mask) in work.masks.items()})
    rows = {k: table.obs_names.get_indexer(cells) for k, cells in asked.kinds.items()}
    learned = learn_examples(
        work.model,
        table,
        rows,
        vectors=vectors,
        threshold=asked.threshold,
        seed=asked.seed,
        mask=mask,
        progress=progress,
    )
    name = refined_name(learned.of)
    told = in_known_colours(learned.told.grouping(learned.key), asked.colours)
    return LearnedGroups(
        GroupingHistory(told),
        name,
        _about(asked, learned),
        vectors=learned.vectors,
        seed=asked.seed,
        more=lambda table, *_: _store(table, learned),
        learned=learned,
        refined=RefinedEmbedding(
            name, work.slide, work.model, asked.written, table, learned.vectors
        ),
    )


def _store(table: AnnData, learned: Learned) -> None:
    store_learned(table, learned)


def _about(asked: Question, learned: Learned) -> dict[str, Any]:
    """Return how the kinds were learned, as plain values."""
    info = ModelInfo(PCA) if asked.asked.model is None else asked.asked.model.info
    hidden = sum(int(mask.n_hidden) for _, mask in asked.asked.masks.values())
    masks = {"hidden_entries": hidden, "fovs": sorted(asked.asked.masks)}
    number = {name: len(rows) for name, rows in learned.examples.items()}
    return provenance(
        info,
        seed=asked.seed,
        slide=asked.asked.slide.name,
        mask=masks,
        examples=number,
        loss=learned.losses[-1],
    )


def show(session: Session, made: LearnedGroups) -> None:
    """Put learned kinds on show, and their embedding in the place of the model's."""
    groups.take(session, made, "kinds learned from examples")
    session.refined = made.refined
