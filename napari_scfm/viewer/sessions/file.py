"""SessionFile: a workbench written down, as ``NAME.scfm.json``.

Plain values with a stable JSON form: the same workbench is the same text. What is
large lies beside it in the folder ``NAME.scfm`` (see
:mod:`~napari_scfm.viewer.sessions.parts`). Paths are relative to the file, with the
absolute one as a second place to look.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_scfm.errors import ScfmError
from napari_scfm.figures.palette import SEQUENTIAL
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.embedding.picture_look import PictureLook
from napari_scfm.viewer.session import ColourBy, Shown

SUFFIX = ".scfm.json"
VERSION = 1
FORMAT = "napari-scfm session"
PART = r"^(comparison|clusters|stream|model)-[0-9a-f]{12}(\.npz)?$"
"""What the parts beside a session are called; nothing else is read or deleted."""


class SessionError(ScfmError):
    """A session that cannot be saved or brought back."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Record):
    """Where something lies: relative to the session's file, and absolute."""

    relative: str = ""
    absolute: str = ""

    @classmethod
    def of(cls, path: str | Path, home: Path) -> Place:
        """Return the place of a path as seen from a folder."""
        absolute = Path(path).expanduser().resolve()
        try:
            relative = Path(os.path.relpath(absolute, home.resolve())).as_posix()
        except ValueError:  # another drive
            relative = ""
        return cls(relative=relative, absolute=str(absolute))

    def candidates(self, home: Path) -> list[Path]:
        """Return where to look, the relative place first."""
        places = [home / self.relative] if self.relative else []
        places += [Path(self.absolute)] if self.absolute else []
        return list(dict.fromkeys(place.resolve() for place in places))


class SlideRecord(_Record):
    """Which slide was open.

    Attributes
    ----------
    name, format
        As :class:`napari_scfm.Slide` says them.
    place
        Where it lay.
    fovs
        Cells of each field of view.
    fingerprints
        Of the counts and names of the fields of view that the session speaks of.
    """

    name: str
    format: str
    place: Place
    fovs: dict[str, int]
    fingerprints: dict[str, str] = Field(default_factory=dict)


class MaskRecord(_Record):
    """The masks of one field of view, oldest first, and which of them holds."""

    steps: tuple[MaskSpec, ...] = Field(min_length=1)
    at: int = Field(ge=0)


class ModelRecord(_Record):
    """A model that was loaded.

    Attributes
    ----------
    name, sha256
        Of the model.
    source
        Its name for :func:`napari_scfm.load_model`; "" where it is a file.
    place
        Where its files lie.
    part
        Its folder beside the session, where it was trained here and not yet saved.
    trained
        Whether it was trained in the session.
    """

    name: str
    sha256: str = ""
    trained: bool = False
    source: str = ""
    place: Place | None = None
    part: str = Field(default="", pattern=f"^$|{PART}")


class PartRecord(_Record):
    """Something large beside the file: a comparison, clusters or streams.

    Attributes
    ----------
    part
        Its name in the folder beside the session.
    fov, model
        What it is of.
    about
        How it was made.
    """

    part: str = Field(pattern=PART)
    fov: str
    model: str
    about: dict[str, Any] = Field(default_factory=dict)


class ClustersRecord(PartRecord):
    """Clusters, and what :class:`~napari_scfm.viewer.session.Clusters` says of them.

    Attributes
    ----------
    key, made
        Column and origin of the grouping of the slide that they are a part of; its
        cells and colours are in the part.
    """

    resolution: float = 0.0
    names: tuple[str, ...] = ()
    key: str = ""
    made: str = ""


class StreamRecord(PartRecord):
    """Streams, and how they were drawn.

    Attributes
    ----------
    direction, kinds, pair
        As :class:`~napari_scfm.viewer.session.Stream` says them.
    look, options
        As :class:`~napari_scfm.analysis.streams.streamlines.StreamLook` and
        :class:`~napari_scfm.experiments.attention.asked.FieldOptions` say them.
    checks
        What checks of the model found, a row each; None without any.
    """

    direction: str = "received"
    kinds: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    look: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    checks: tuple[dict[str, Any], ...] | None = None


class Camera(_Record):
    """Where the camera looks, (y, x) in um, and pixels per um."""

    center: tuple[float, ...] = Field(min_length=2, max_length=3)
    zoom: float = Field(gt=0)


class LayerRecord(_Record):
    """How a layer was drawn; None where its kind has no such thing."""

    visible: bool
    opacity: float
    contrast_limits: tuple[float, float] | None = None
    gamma: float | None = None
    colormap: str | None = None


class ViewRecord(_Record):
    """What was on show.

    Attributes
    ----------
    fov
        The field of view.
    colour_by, gene, log, limits, colormap, shown, side_by_side, curtain,
    fade_uncertain, radius, in_turn, cell, hidden_classes, hidden_of,
    picture_look
        As the session's fields of these names.
    selection
        Names of the selected cells.
    camera
        Of the view.
    home
        Of the view that comes back when side by side is left.
    canvas
        (height, width) of the canvas in pixels.
    layers
        How our layers were drawn, by role and name.
    """

    fov: str
    colour_by: ColourBy = "nothing"
    gene: str = ""
    log: bool = False
    limits: tuple[float, float] | None = None
    colormap: str = "viridis"
    shown: Shown = "truth"
    side_by_side: bool = False
    curtain: float | None = None
    fade_uncertain: bool = False
    radius: float = 30.0
    in_turn: bool = False
    cell: int | None = Field(default=None, ge=0)
    hidden_classes: tuple[str, ...] = ()
    hidden_of: str = ""
    picture_look: PictureLook | None = None
    selection: tuple[str, ...] = ()
    camera: Camera | None = None
    home: Camera | None = None
    canvas: tuple[int, int] | None = None
    layers: dict[str, LayerRecord] = Field(default_factory=dict)

    @field_validator("hidden_classes", mode="before")
    @classmethod
    def _in_order(cls, names: Any) -> Any:
        """Return a set as a list that is the same each time."""
        return tuple(sorted(names)) if isinstance(names, frozenset) else names

    @field_validator("colormap")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SEQUENTIAL:
            raise ValueError(f"there are no colours {name!r}")
        return name

    @field_validator("limits")
    @classmethod
    def _upwards(cls, limits: tuple[float, float] | None) -> Any:
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError("the lower limit is not below the upper one")
        return limits


class DeskRecord(_Record):
    """The workbench: open steps by title, who is ticked to guess, and how often.

    Attributes
    ----------
    reference
        Where the single cells lie that baselines learn from; None for other fields
        of view.
    """

    open: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    draws: int = 0
    reference: Place | None = None

    def seen_from(self, home: Path) -> DeskRecord:
        """Return it with its reference's place relative to a folder too."""
        if self.reference is None:
            return self
        place = Place.of(self.reference.absolute, home)
        return self.model_copy(update={"reference": place})

    def found_from(self, home: Path) -> DeskRecord:
        """Return it with its reference where it lies now, as far as it is found."""
        if self.reference is None:
            return self
        places = self.reference.candidates(home)
        there = next((place for place in places if place.is_file()), places[-1])
        return self.model_copy(update={"reference": Place(absolute=str(there))})


class SessionFile(_Record):
    """A workbench, written down.

    Attributes
    ----------
    format, version, program
        What wrote it.
    slide, view, masks, desk
        See their records; masks by field of view.
    models, model, device
        The models that were loaded, the name of the chosen one, and where it ran.
    comparison, clusters, stream
        What was computed.
    examples
        Kind of cells -> names of the cells that were to be learned from.
    """

    format: Literal["napari-scfm session"] = FORMAT
    version: int = VERSION
    program: str = ""
    slide: SlideRecord
    view: ViewRecord
    masks: dict[str, MaskRecord] = Field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    models: tuple[ModelRecord, ...] = ()
    model: str = ""
    device: str = "auto"
    comparison: PartRecord | None = None
    clusters: ClustersRecord | None = None
    stream: StreamRecord | None = None
    desk: DeskRecord | None = None

    def text(self) -> str:
        """Return the JSON text; the same session gives the same text."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        head = {"format": self.format, "version": self.version}
        return json.dumps(head | values, indent=1, ensure_ascii=False) + "\n"


def with_suffix(path: str | Path) -> Path:
    """Return the path as a session's file is called: ``NAME.scfm.json``."""
    path = Path(path)
    if path.name.lower().endswith(SUFFIX):
        return path
    stem = path.name
    for ending in (".json", ".scfm"):
        stem = stem.removesuffix(ending)
    return path.with_name(stem + SUFFIX)


def side_car(path: Path) -> Path:
    """Return the folder beside a session's file that holds what is large."""
    return path.with_name(path.name[: -len(".json")])


def read_session_file(path: str | Path) -> SessionFile:
    """Return a session as it is written.

    Raises
    ------
    SessionError
        If there is no such file, it is damaged, no session, or of a newer program.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SessionError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error
    except ValueError as error:  # no UTF-8, no JSON
        raise SessionError(
            f"{path} is damaged: it is no JSON text.", "Open another copy of it."
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise SessionError(
            f"{path} is no session of napari-scfm.",
            f"Open a file that Save session… wrote, NAME{SUFFIX}.",
        )
    version = values.get("version")
    if isinstance(version, int) and version > VERSION:
        by = f" (napari-scfm {values['program']})" if values.get("program") else ""
        raise SessionError(
            f"{path} was saved by a newer version{by}: its form is number {version}, "
            f"this version reads up to {VERSION}.",
            "Update napari-scfm.",
        )
    try:
        return SessionFile.model_validate(values)
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(map(str, item["loc"])) or "file"
        raise SessionError(
            f"{path} is damaged: {where}: {item['msg']}.", "Open another copy of it."
        ) from error
