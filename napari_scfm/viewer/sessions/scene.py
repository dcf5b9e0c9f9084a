"""Scene: everything a viewer shows and works on, held as the live objects.

Taking one costs nothing but references, so that it can be written in a thread, or put
back when what was to take its place fails half way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.masks.history import MaskHistory
from napari_scfm.viewer.fov_layers import FovLayers, role_of
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import NO_CELLS, bare, session_of
from napari_scfm.viewer.sessions.file import Camera, DeskRecord, LayerRecord
from napari_scfm.viewer.tasks import LOADED, known_models
from napari_scfm.viewer.training.choices import TRAINED

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_scfm.masks.history import Step
    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Clusters, Comparison, Session, Stream

VIEW = (
    "colour_by",
    "gene",
    "log",
    "limits",
    "colormap",
    "shown",
    "curtain",
    "fade_uncertain",
    "radius",
    "in_turn",
    "cell",
    "hidden_classes",
    "hidden_of",
    "picture_look",
)
"""Fields of the session that say what is on show, but side by side."""

DESK = "desk"
"""Key of the session's part that reads and sets up the workbench."""


@dataclass(frozen=True)
class Desk:
    """How a dock tells which steps are open, and is told."""

    read: Callable[[], DeskRecord]
    show: Callable[[DeskRecord], None]


@dataclass(frozen=True, eq=False)
class Steps:
    """The masks of one field of view, oldest first, and which of them holds."""

    steps: tuple[Step, ...]
    at: int

    @property
    def current(self) -> Step:
        """The one that holds."""
        return self.steps[self.at]

    def history(self) -> MaskHistory:
        """Return the history that undoes and redoes through them."""
        made = MaskHistory(self.steps[0].spec, self.steps[0].mask)
        for step in self.steps[1:]:
            made.push(step.spec, step.mask)
        for _ in range(len(self.steps) - 1 - self.at):
            made.undo()
        return made


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model, what loads it, and whether it was trained here and is in no file."""

    model: Any
    source: str
    trained: bool = False

    @property
    def unsaved(self) -> bool:
        """Whether it was trained here and is in no file of the person's yet."""
        return self.trained and self.source == self.model.info.name


@dataclass(eq=False)
class Scene:
    """What a viewer shows and works on; ``whole`` unless it is of a result alone."""

    slide: Slide | None = None
    fov: str = ""
    view: dict[str, Any] = field(default_factory=dict)
    side_by_side: bool = False
    selection: np.ndarray = field(default_factory=lambda: NO_CELLS)
    masks: dict[str, Steps] = field(default_factory=dict)
    models: dict[str, LoadedModel] = field(default_factory=dict)
    model: str = ""
    device: str = "auto"
    comparison: Comparison | None = None
    clusters: Clusters | None = None
    examples: Any = None
    stream: Stream | None = None
    layers: dict[str, LayerRecord] = field(default_factory=dict)
    camera: Camera | None = None
    home: Camera | None = None
    canvas: tuple[int, int] | None = None
    desk: DeskRecord | None = None
    whole: bool = True

    @property
    def worth_keeping(self) -> bool:
        """Whether work would be lost with it, not only a look at a slide."""
        masks = any(steps.current.mask.n_hidden for steps in self.masks.values())
        made = (self.comparison, self.clusters, self.stream, self.examples)
        return masks or len(self.selection) > 0 or any(x is not None for x in made)


def take(viewer: Viewer) -> Scene:
    """Return what a viewer shows and works on; call it in the window's thread."""
    viewer, session = bare(viewer), session_of(viewer)
    desk = session.parts.get(DESK)
    scene = Scene(
        models=_models_of(session),
        model="" if session.model is None else session.model.info.name,
        device=session.parts.get("device", "auto"),
        desk=None if desk is None else desk.read(),
        view={name: getattr(session, name) for name in VIEW},
    )
    if session.fov is None:
        return scene
    scene.slide, scene.fov = session.slide, session.fov.name
    scene.side_by_side = session.side_by_side
    scene.selection = np.array(session.selection)
    scene.masks = {
        name: Steps(history.steps, history.at)
        for name, history in session.histories.items()
    }
    scene.comparison, scene.examples = session.comparison, session.examples
    scene.clusters, scene.stream = session.clusters, session.stream
    _look_of(viewer, session, scene)
    return scene


def _models_of(session: Session) -> dict[str, LoadedModel]:
    trained = session.parts.get(TRAINED, {})
    return {
        name: LoadedModel(model, source, trained.get(name) == (model, source))
        for name, (model, source) in known_models(session).items()
    }


def _look_of(viewer: Viewer, session: Session, scene: Scene) -> None:
    """Note cameras, and how the layers were drawn before any tiles took over."""
    camera = viewer.scene.camera
    scene.camera = Camera(center=tuple(camera.center), zoom=camera.zoom)
    scene.canvas = (int(viewer.canvas.size[0]), int(viewer.canvas.size[1]))
    tiles = session.parts.get("tiles")
    before = None if tiles is None else tiles.before
    visible = {} if before is None else before.visible
    if before is not None:
        kept = before.camera
        scene.home = Camera(center=tuple(kept["center"]), zoom=kept["zoom"])
    for layer in viewer.layers:
        name = layer_key(layer)
        if name:
            scene.layers[name] = _record(layer, visible.get(layer, layer.visible))


def layer_key(layer: Layer) -> str:
    """Return how a layer of the FOV is called in a session; "" for all others."""
    role = role_of(layer)
    if role.get("role") not in ("channel", "cells", "outlines"):
        return ""
    return f"channel {role['name']}" if role["role"] == "channel" else role["role"]


def _record(layer: Layer, visible: bool) -> LayerRecord:
    image = layer_key(layer).startswith("channel") and hasattr(layer, "gamma")
    if not image:
        return LayerRecord(visible=visible, opacity=layer.opacity)
    low, high = layer.contrast_limits
    return LayerRecord(
        visible=visible,
        opacity=layer.opacity,
        contrast_limits=(float(low), float(high)),
        gamma=layer.gamma,
        colormap=layer.colormap.name,
    )


def put(viewer: Viewer, scene: Scene) -> None:
    """Show a scene in a viewer, whole; if it fails, what was there comes back."""
    before = take(viewer)
    try:
        _put(bare(viewer), scene)
    except Exception:
        _put(bare(viewer), before)
        raise


def _put(viewer: Viewer, scene: Scene) -> None:
    session = session_of(viewer)
    session.side_by_side = False
    if scene.slide is None:
        clear(viewer)
    else:
        open_slide(viewer, scene.slide, scene.fov)
    _put_work(session, scene)
    session.selection = scene.selection  # it opens a card, so the card comes after
    session.update(dict(scene.view))
    _draw_as(viewer, scene)
    _look(viewer, scene, scene.home or scene.camera)
    session.side_by_side = scene.side_by_side
    if scene.side_by_side:
        _look(viewer, scene, scene.camera)
    desk = session.parts.get(DESK)
    if desk is not None and scene.desk is not None:
        desk.show(scene.desk)


def _put_work(session: Session, scene: Scene) -> None:
    """Bring back masks, model and results."""
    session.histories.clear()
    session.histories.update({n: steps.history() for n, steps in scene.masks.items()})
    history = session.histories.get(scene.fov)
    mask = None if history is None else history.mask
    spec = None if history is None else history.spec
    session.update({"recipe": spec, "mask": mask})
    _put_models(session, scene)
    made = scene.clusters
    session.grouping = None if made is None else made.grouping
    session.clusters, session.stream = made, scene.stream
    session.comparison, session.examples = scene.comparison, scene.examples


def _put_models(session: Session, scene: Scene) -> None:
    parts = session.parts
    parts[LOADED] = {n: (one.model, one.source) for n, one in scene.models.items()}
    parts[TRAINED] = {n: parts[LOADED][n] for n, x in scene.models.items() if x.trained}
    parts["device"] = scene.device
    chosen = scene.models.get(scene.model)
    if chosen is None:
        parts.pop("model source", None)
    else:
        parts["model source"] = chosen.source
    session.model = None if chosen is None else chosen.model


def beside(before: Scene, result: Scene) -> Scene:
    """Return the scene of a result with the work that is open kept, if it fits.

    On the same slide its mask is one more step that can be undone, and the masks of
    the other fields of view stay; the models always stay.
    """
    if before.slide is None or before.slide.path.resolve() != (
        result.slide.path.resolve()
    ):
        result = replace(result, view=before.view | result.view)
        return _with_models_of(before, result)
    name = result.fov
    masks = dict(before.masks) | result.masks
    if name in before.masks:
        old = before.masks[name]
        steps = old.steps[: old.at + 1] + result.masks[name].steps
        masks[name] = Steps(steps, len(steps) - 1)
    merged = replace(
        result,
        slide=before.slide,
        view=before.view | {"shown": "truth", "cell": None} | result.view,
        masks=masks,
        clusters=before.clusters,
        examples=before.examples,
        layers=before.layers,
    )
    return _with_models_of(before, merged)


def _with_models_of(before: Scene, scene: Scene) -> Scene:
    return replace(
        scene, models=before.models, model=before.model, device=before.device
    )


def clear(viewer: Viewer) -> None:
    """Show no slide any more."""
    session = session_of(viewer)
    session.side_by_side = False
    painter = session.parts.get("painter")
    if painter is not None:
        painter.layers = FovLayers()
    for layer in list(viewer.layers):
        if role_of(layer):
            viewer.layers.remove(layer)
    session.histories.clear()
    nothing = ("comparison", "clusters", "grouping", "stream")
    nothing += ("mask", "recipe", "fov", "slide")
    session.update(dict.fromkeys(nothing) | {"selection": NO_CELLS})
    session.update({"hidden_classes": frozenset(), "hidden_of": ""})


def _draw_as(viewer: Viewer, scene: Scene) -> None:
    """Draw the layers as they were; colormaps that napari does not know stay."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    for layer in viewer.layers:
        kept = scene.layers.get(layer_key(layer))
        if kept is None:
            continue
        layer.visible, layer.opacity = kept.visible, kept.opacity
        if kept.contrast_limits is None or not hasattr(layer, "gamma"):
            continue
        low, high = layer.contrast_limits_range
        kept_low, kept_high = kept.contrast_limits
        layer.contrast_limits_range = (min(low, kept_low), max(high, kept_high))
        layer.contrast_limits, layer.gamma = kept.contrast_limits, kept.gamma
        if kept.colormap in AVAILABLE_COLORMAPS:
            layer.colormap = kept.colormap


def _look(viewer: Viewer, scene: Scene, camera: Camera | None) -> None:
    """Look where a camera looked; in a window of another size, at all that it saw."""
    if camera is None:
        return
    share = 1.0
    if scene.canvas is not None and min(scene.canvas) > 0:
        share = float(min(np.array(viewer.canvas.size) / scene.canvas))
    viewer.scene.camera.center = camera.center
    viewer.scene.camera.zoom = camera.zoom * share
