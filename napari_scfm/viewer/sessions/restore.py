"""Opening a session or a saved result: from disk to a scene, and into the viewer.

Reading touches no viewer and may run in a thread. What cannot come back is collected,
a sentence each; only with the person's leave is the rest opened, and a part comes
back whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.errors import ModelError, ScfmError, counted
from napari_scfm.experiments.fingerprint import SHORT
from napari_scfm.masks.history import Step
from napari_scfm.masks.make import positions
from napari_scfm.progress import Cancelled, report
from napari_scfm.viewer.examples import Examples
from napari_scfm.viewer.sct_offer import cost_line
from napari_scfm.viewer.session import NO_CELLS, Clusters, Session, session_of
from napari_scfm.viewer.sessions import parts
from napari_scfm.viewer.sessions.file import (
    SUFFIX,
    ClustersRecord,
    ModelRecord,
    PartRecord,
    SessionError,
    SessionFile,
    read_session_file,
    side_car,
)
from napari_scfm.viewer.sessions.result import (
    comparison_of,
    result_folder,
    scene_of_result,
)
from napari_scfm.viewer.sessions.scene import (
    VIEW,
    LoadedModel,
    Scene,
    Steps,
    beside,
    put,
    take,
)
from napari_scfm.viewer.sessions.slide import Find, existing, located
from napari_scfm.viewer.sessions.stream_part import read_stream

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.session import Comparison

Accept = Callable[[list[str]], bool]
"""Told what cannot come back; whether to open the rest."""

_STEPS = 4


def can_open(path: str | Path) -> bool:
    """Tell whether a path looks like a session or a saved result, from names only."""
    path = Path(path)
    if path.name.lower().endswith(SUFFIX):
        return path.is_file()
    return result_folder(path) is not None


def open_session(
    viewer: Viewer,
    path: str | Path,
    find: Find | None = None,
    accept: Accept | None = None,
    progress: ProgressCallback | None = None,
) -> Session:
    """Bring back a session, or the view of a saved result.

    Parameters
    ----------
    viewer
        The viewer; what it shows is replaced.
    path
        ``NAME.scfm.json``, or the folder of a result.
    find
        Asked where the slide lies, if it is not where it was.
    accept
        Asked whether to open the rest, where something cannot come back; default: no.

    Raises
    ------
    SessionError
        If it cannot be opened; the viewer shows what it showed.
    Cancelled
        If ``find`` or ``accept`` gave up.
    """
    slide = session_of(viewer).slide
    show_scene(viewer, read_scene(path, find, accept, progress, slide))
    return session_of(viewer)


def show_scene(viewer: Viewer, scene: Scene) -> None:
    """Show what was read; of a result, beside the work that is open.

    Raises
    ------
    ScfmError
        If it cannot be shown; the viewer shows what it showed.
    """
    try:
        put(viewer, scene if scene.whole else beside(take(viewer), scene))
    except ScfmError:
        raise
    except Exception as error:
        raise SessionError(
            f"It was read, but could not be shown: {type(error).__name__}: {error}."
        ) from error


def read_scene(
    path: str | Path,
    find: Find | None = None,
    accept: Accept | None = None,
    progress: ProgressCallback | None = None,
    at_hand: Slide | None = None,
) -> Scene:
    """Return what a session or a saved result shows; see :func:`open_session`.

    A slide ``at_hand`` is not read again.
    """
    path = Path(path).expanduser()
    folder = result_folder(path)
    if folder is not None:
        scene = scene_of_result(folder, find, progress, at_hand)
        _touch(scene.slide.fov(scene.fov))
        return scene
    file = read_session_file(path)
    return _Reading(path, file, progress, at_hand).scene(find, accept)


@dataclass(eq=False)
class _Reading:
    """One session as it is read, and what of it could not be."""

    path: Path
    file: SessionFile
    progress: ProgressCallback | None = None
    at_hand: Slide | None = None
    problems: list[str] = field(default_factory=list)

    def scene(self, find: Find | None, accept: Accept | None) -> Scene:
        """Return the scene; ask where something cannot come back."""
        report(self.progress, 0, _STEPS, f"reading {self.file.slide.name}")
        slide = self._slide(find)
        view, desk = self.file.view, self.file.desk
        fov = slide.fov(view.fov)
        report(self.progress, 1, _STEPS, "reading what is hidden")
        scene = Scene(
            slide=slide,
            fov=view.fov,
            view=self._view(fov),
            side_by_side=view.side_by_side,
            selection=self._tried("The selection", self._selection, fov),
            layers=view.layers,
            camera=view.camera,
            home=view.home,
            canvas=view.canvas,
            desk=None if desk is None else desk.found_from(self.path.parent),
        )
        if scene.selection is None:
            scene.selection = NO_CELLS
        self._masks(slide, scene)
        if self.file.examples:
            made = self._tried("The examples", self._examples, slide)
            scene.examples = made
        report(self.progress, 2, _STEPS, "loading the models")
        self._models(scene)
        report(self.progress, 3, _STEPS, "reading results")
        self._results(slide, scene)
        self._settle(scene, accept)
        _touch(fov)
        return scene

    def _view(self, fov: FieldOfView) -> dict[str, Any]:
        """Return what was on show, as far as the field of view has it."""
        view = self.file.view
        values = {name: getattr(view, name) for name in VIEW}
        values["hidden_classes"] = frozenset(view.hidden_classes)
        if view.gene and view.gene not in fov.table.var_names:
            self.problems.append(f"{fov.name} does not measure {view.gene}.")
            values |= {"gene": "", "limits": None}
            if view.colour_by == "gene":
                values["colour_by"] = "nothing"
        if view.cell is not None and view.cell >= fov.table.n_obs:
            values["cell"] = None
        return values

    def _slide(self, find: Find | None) -> Slide:
        """Return the slide; of several places the first one that fits."""
        record = self.file.slide
        slide, told = located(record, self.path.parent, find, self.at_hand)
        if self.file.view.fov not in slide.fov_cells:
            raise SessionError(
                f"{told[0]} The session {self.path.name} was made with another slide.",
                f"Open it with the slide {record.name}.",
            )
        self.problems += told
        return slide

    def _settle(self, scene: Scene, accept: Accept | None) -> None:
        """Go on if all came back or the person wants the rest."""
        if not self.problems:
            return
        if accept is None:
            raise SessionError(
                f"{self.path.name} cannot come back as it was: {self.problems[0]}",
                "Nothing was opened.",
                self.problems,
            )
        if not accept(list(self.problems)):
            raise Cancelled(f"{self.path.name} was not opened; nothing was changed.")

    def _tried(self, what: str, read: Callable[..., Any], *given: Any) -> Any:
        """Return a part, or None; why it could not be read is noted."""
        try:
            return read(*given)
        except ScfmError as error:
            self.problems.append(f"{what} is left out. {error.message}")
        except OSError as error:
            text = error.strerror or error
            self.problems.append(f"{what} is left out. {text}.")
        return None

    def _selection(self, fov: FieldOfView) -> np.ndarray:
        names = list(self.file.view.selection)
        if not names:
            return NO_CELLS
        return np.sort(positions(fov.table.obs_names, names, "cell"))

    def _examples(self, slide: Slide) -> Examples:
        kinds = self.file.examples
        every = [cell for cells in kinds.values() for cell in cells]
        positions(slide.table.obs_names, every, "cell")
        return Examples(slide, dict(kinds))

    def _masks(self, slide: Slide, scene: Scene) -> None:
        for name, record in self.file.masks.items():
            read = self._tried(f"What is hidden of {name}", self._steps, slide, name)
            if read is not None:
                at = min(record.at, len(read) - 1)
                scene.masks[name] = Steps(read, at)

    def _steps(self, slide: Slide, name: str) -> tuple[Step, ...]:
        table = slide.fov(name).table
        record = self.file.masks[name]
        return tuple(Step(spec, spec.resolve(table)) for spec in record.steps)

    def _models(self, scene: Scene) -> None:
        scene.device = self.file.device
        for record in self.file.models:
            read = self._tried(f"The model {record.name}", self._model, record)
            if read is not None:
                scene.models[record.name] = read
        scene.model = self.file.model if self.file.model in scene.models else ""

    def _model(self, record: ModelRecord) -> LoadedModel:
        device = self.file.device
        if record.part:
            model = loaded(side_car(self.path) / record.part, device)
            parts.remember(model, record.part)
            return LoadedModel(model, record.name, record.trained)
        source = record.source
        if record.place is not None:
            source = str(existing(record.place, self.path.parent, record.name))
        model = loaded(source, device)
        now, then = model.info.sha256, record.sha256
        if then and now != then:
            raise SessionError(
                f"It is another one than it was (sha256 {now[:SHORT]}, not "
                f"{then[:SHORT]})."
            )
        return LoadedModel(model, source, record.trained)

    def _results(self, slide: Slide, scene: Scene) -> None:
        file, folder = self.file, side_car(self.path)
        readers = {
            "comparison": ("The comparison", _comparison, file.comparison),
            "clusters": ("The clusters", _clusters, file.clusters),
            "stream": ("The attention", read_stream, file.stream),
        }
        for name, (what, read, record) in readers.items():
            if record is not None:
                made = self._tried(what, read, record, slide, folder / record.part)
                setattr(scene, name, made)
        scene.side_by_side &= scene.comparison is not None


def loaded(source: str | Path, device: str) -> CellModel:
    """Return a model; on the fastest device where the one it ran on is missing."""
    from napari_scfm.models.hub import load_model

    try:
        model = load_model(source, device)
    except ModelError:
        if device == "auto":
            raise
        model = load_model(source)
    cost_line(model)
    return model


def _comparison(record: PartRecord, slide: Slide, path: Path) -> Comparison:
    result = parts.read_result(path)
    fov = slide.fov(record.fov)
    made = comparison_of(result, fov, record.model, record.about)
    parts.remember(result, path.name)
    return made


def _clusters(record: ClustersRecord, slide: Slide, path: Path) -> Clusters:
    arrays = parts.read_arrays(path)
    values = arrays.get("values", NO_CELLS)
    cells = slide.fov(record.fov).table.n_obs
    names = record.names
    if len(values) != cells or (names and values.max(initial=0) >= len(names)):
        raise SessionError(
            f"They are of {counted(len(values), 'cell')}, {record.fov} has {cells}."
        )
    made = Clusters(
        record.fov, record.model, values, record.resolution, dict(record.about), names
    )
    if record.key:
        made.grouping = _grouping(record, slide, arrays)
        sure = arrays.get("sure_here", NO_CELLS)
        made.confidence = sure if len(sure) == cells else None
    parts.remember(made, path.name)
    return made


def _grouping(
    record: ClustersRecord, slide: Slide, arrays: dict[str, np.ndarray]
) -> Grouping:
    labels, cells = arrays.get("slide", NO_CELLS), sum(slide.fov_cells.values())
    if len(labels) != cells:
        raise SessionError(
            f"They are of {counted(len(labels), 'cell')}, the slide has {cells}."
        )
    colours = arrays.get("colours", np.zeros((0, 4)))
    sure = arrays.get("sure")
    return Grouping(record.key, labels, record.names, colours, record.made, sure)


def _touch(fov: FieldOfView) -> None:
    """Read what the first picture needs, away from the window's thread."""
    from napari_scfm.slides.raster import display_labels

    display_labels(fov)
    for channel in fov.images:
        np.shape(fov.images[channel])
