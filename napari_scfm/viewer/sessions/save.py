"""Saving a session: a scene to ``NAME.scfm.json`` and the folder beside it.

The parts come first, then the file takes the place of the old one in one step, then
the parts go that nobody names any more: whenever it is stopped, what is on disk is
the old session or the new one, whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_scfm
from napari_scfm.experiments.files import atomic_path
from napari_scfm.viewer.sessions import parts, stream_part
from napari_scfm.viewer.sessions.file import (
    ClustersRecord,
    MaskRecord,
    ModelRecord,
    PartRecord,
    Place,
    SessionError,
    SessionFile,
    SlideRecord,
    StreamRecord,
    ViewRecord,
    side_car,
    with_suffix,
)
from napari_scfm.viewer.sessions.fingerprint import fingerprints
from napari_scfm.viewer.sessions.scene import Scene, take

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.viewer.sessions.scene import LoadedModel, Steps

ROOM = 400_000
"""Letters that the undo steps of a field of view may take; older ones are left out."""


def save_session(viewer: Viewer, path: str | Path) -> Path:
    """Write what a viewer shows and works on.

    Parameters
    ----------
    viewer
        The viewer.
    path
        ``NAME.scfm.json``; the ending is added where it is missing.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    SessionError
        If no slide is open, or it cannot be written; an earlier file stays.
    """
    return write_scene(take(viewer), path)


def write_scene(scene: Scene, path: str | Path) -> Path:
    """Write a scene; may run in any thread.

    Raises
    ------
    SessionError
        If it holds no slide, or it cannot be written; an earlier file stays.
    """
    if scene.slide is None:
        raise SessionError("No slide is open, so there is no session to save.")
    path = with_suffix(path)
    folder = side_car(path)
    if folder.exists() and not folder.is_dir():
        raise SessionError(
            f"{folder} is a file where the session's folder should be.",
            "Choose another name.",
        )
    try:
        written = as_file(scene, path)
        with atomic_path(path) as temporary:
            temporary.write_text(written.text(), "utf-8")
            temporary.chmod(0o644)
        parts.drop_others(folder, used_parts(written))
    except OSError as error:
        raise SessionError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Choose another place; an earlier session stays as it was.",
        ) from error
    return path


def as_file(scene: Scene, path: Path) -> SessionFile:
    """Write the parts of a scene; return what its file is to say."""
    folder, home = side_car(path), path.parent
    table = scene.slide.fov(scene.fov).table
    spoken_of = {scene.fov, *scene.masks}
    for made in (scene.comparison, scene.clusters, scene.stream):
        spoken_of |= set() if made is None else {made.fov}
    return SessionFile(
        program=napari_scfm.__version__,
        slide=SlideRecord(
            name=scene.slide.name,
            format=scene.slide.format,
            place=Place.of(scene.slide.path, home),
            fovs=scene.slide.fov_cells,
            fingerprints=fingerprints(scene.slide, spoken_of),
        ),
        view=ViewRecord(
            fov=scene.fov,
            side_by_side=scene.side_by_side,
            selection=tuple(map(str, table.obs_names[scene.selection])),
            camera=scene.camera,
            home=scene.home,
            canvas=scene.canvas,
            layers=scene.layers,
            **scene.view,
        ),
        examples={} if scene.examples is None else scene.examples.kinds,
        masks={name: as_record(scene.masks[name]) for name in sorted(scene.masks)},
        models=tuple(_model(one, folder, home) for one in scene.models.values()),
        model=scene.model,
        device=scene.device,
        desk=None if scene.desk is None else scene.desk.seen_from(home),
        **_results(scene, folder),
    )


def as_record(steps: Steps, room: int = ROOM) -> MaskRecord:
    """Return the masks of a FOV; where they are long, those nearest to the current."""
    sizes = [len(step.spec.model_dump_json()) for step in steps.steps]
    first, last, used = steps.at, steps.at, sizes[steps.at]
    for nearer in range(1, len(sizes)):
        for place in (steps.at - nearer, steps.at + nearer):
            beside = place in (first - 1, last + 1)
            if 0 <= place < len(sizes) and beside and used + sizes[place] <= room:
                used += sizes[place]
                first, last = min(first, place), max(last, place)
    kept = steps.steps[first : last + 1]
    return MaskRecord(steps=tuple(step.spec for step in kept), at=steps.at - first)


def _model(loaded: LoadedModel, folder: Path, home: Path) -> ModelRecord:
    info, source = loaded.model.info, loaded.source
    where: dict[str, Any] = {"source": source}
    if loaded.unsaved:
        where = {"part": parts.write_model(folder, loaded.model)}
    elif source != info.name and Path(source).exists():
        where = {"place": Place.of(source, home)}
    return ModelRecord(
        name=info.name, sha256=info.sha256, trained=loaded.trained, **where
    )


def _results(scene: Scene, folder: Path) -> dict[str, PartRecord]:
    made, clusters, stream = scene.comparison, scene.clusters, scene.stream
    found: dict[str, PartRecord] = {}
    if made is not None and made.result is not None:
        part = parts.write_result(folder, made.result, made.result)
        found["comparison"] = PartRecord(**_said(part, made))
    if clusters is not None:
        found["clusters"] = ClustersRecord(
            **_said(parts.write_clusters(folder, clusters), clusters),
            resolution=float(clusters.resolution),
            names=clusters.names,
            key="" if clusters.grouping is None else clusters.grouping.key,
            made="" if clusters.grouping is None else clusters.grouping.about,
        )
    if stream is not None:
        part = stream_part.write_stream(folder, stream)
        said = stream_part.written(part, stream, stream.about)
        found["stream"] = StreamRecord(**plain(said))
    return found


def _said(part: str, made: Any) -> dict[str, Any]:
    about = plain(made.about)
    return {"part": part, "fov": made.fov, "model": made.model, "about": about}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; numbers that are none become None."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def used_parts(written: SessionFile) -> list[str]:
    """Return the names of the parts that a session's file speaks of."""
    found = [written.comparison, written.clusters, written.stream, *written.models]
    return [one.part for one in found if one is not None and one.part]
