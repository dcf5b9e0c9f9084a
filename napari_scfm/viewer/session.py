"""Session: what one napari viewer shows and works on, as evented state.

There is one session per viewer, found with :func:`session_of`. Layers, docks and
keys are views of it: they change its fields and listen to its events, and never
talk to each other. No Qt, and no reference to the viewer, so that a closed viewer
takes its session with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
from psygnal import EventedModel, Signal
from pydantic import ConfigDict, PrivateAttr

from napari_scfm.analysis.groups.grouping import TOLD
from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.viewer.attention.partner_look import PartnerLook

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.masks.history import MaskHistory

ColourBy = Literal["nothing", "gene", "type", "counts", "clusters"]
Tool = Literal["pan", "click", "box", "lasso", "brush", "disc", "stripe"]
Shown = Literal["truth", "prediction"]

NO_CELLS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Message:
    """One sentence for the person at the screen."""

    text: str = ""
    level: Literal["info", "error"] = "info"


@dataclass(frozen=True)
class Legend:
    """What the colours on the cells mean.

    Attributes
    ----------
    title
        What is shown.
    limits, colormap
        Of a value scale; None and "" for categories.
    categories
        (name, RGBA) of each category; empty for a value scale.
    note
        What else must be known, such as "predicted".
    of
        How cells are sorted into the categories, for
        :mod:`~napari_scfm.viewer.hidden`; "" where none can be hidden.
    sizes
        How many of the cells that are shown each category has.
    whole
        The same of the slide's cells, where not all of them are shown.
    chosen
        How many selected cells each category has; empty where none is selected.
    hidden
        Names of the categories that are hidden.
    veil
        How many classes are hidden, in words; "" for none.
    """

    title: str = ""
    limits: tuple[float, float] | None = None
    colormap: str = ""
    categories: tuple[tuple[str, tuple[float, ...]], ...] = ()
    note: str = ""
    of: str = ""
    sizes: tuple[int, ...] = field(default=(), compare=False)
    whole: tuple[int, ...] = field(default=(), compare=False)
    chosen: tuple[int, ...] = field(default=(), compare=False)
    hidden: frozenset[str] = frozenset()
    veil: str = ""

    @property
    def predicted(self) -> bool:
        """Whether any of the colours are predictions."""
        return "predict" in self.note


@dataclass(eq=False)
class Comparison:
    """Truth and prediction of one model on one FOV.

    Attributes
    ----------
    fov, model
        Names; the model whose prediction is on show.
    genes
        Genes with hidden entries, in table order.
    truth, prediction
        (cells, genes) counts; prediction is NaN where the entry was visible, or the
        model does not know the gene.
    hidden
        (cells, genes) whether the entry was hidden.
    summary
        One row per model and baseline.
    result
        The experiment's result, for saving and figures.
    about
        How it was made: model, sha256, seed, mask, versions.
    spread
        (cells, genes) standard deviation over repeated predictions, log1p counts; NaN
        where there is none; None if nothing was repeated.
    models
        Names of all that predicted, in the summary's order.
    at
        Row and column of each hidden entry of the result in this FOV, and its place
        among the result's entries.
    telling
        The gene to look at first.
    unsure
        Spread that only one prediction in a hundred exceeds.
    """

    fov: str
    model: str
    genes: list[str]
    truth: np.ndarray
    prediction: np.ndarray
    hidden: np.ndarray
    summary: Any
    result: Any = None
    about: dict[str, Any] = field(default_factory=dict)
    spread: np.ndarray | None = None
    models: tuple[str, ...] = ()
    at: tuple[np.ndarray, ...] = ()
    telling: str = ""
    unsure: float = 0.0

    def guessed(self, gene: str) -> bool:
        """Return whether the model predicted anything of a gene."""
        column = self.column(gene)
        return column is not None and not np.isnan(self.prediction[:, column]).all()

    def column(self, gene: str) -> int | None:
        """Return the position of a gene, or None if it was not hidden."""
        return self.genes.index(gene) if gene in self.genes else None


@dataclass(eq=False)
class Clusters:
    """Class of each cell of one FOV: cluster, domain or cell type.

    Attributes
    ----------
    fov, model
        Names.
    values
        (cells,) cluster, 0 = largest, or position in ``names``.
    resolution
        Of the clustering.
    about
        How it was made.
    names
        Of the classes of a grouping; empty for the clusters of one FOV.
    grouping
        The :class:`~napari_scfm.analysis.groups.grouping.Grouping` of the whole slide
        that they are a part of, or None.
    confidence
        (cells,) how sure each cell's class is, 0..1, NaN where nobody says; None where
        that is known of no cell.
    """

    fov: str
    model: str
    values: np.ndarray
    resolution: float
    about: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    grouping: Any = None
    confidence: np.ndarray | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each value: the labels, or the clusters' numbers."""
        return self.names or tuple(map(str, range(int(self.values.max()) + 1)))

    @property
    def title(self) -> str:
        """What is shown."""
        if self.said:
            return f"Cell types told by {self.model}"
        about = "" if self.grouping is None else self.grouping.about
        word = "Domains" if about.startswith("Domains") else "Clusters"
        return f"{word} of {self.model}"

    @property
    def note(self) -> str:
        """What else must be known."""
        if self.said:
            return "predicted"
        whole = "" if self.grouping is None else ", whole slide"
        return f"Leiden, resolution {self.resolution:g}{whole}"

    @property
    def said(self) -> bool:
        """Whether they are predicted types: told by a model, a reference or markers."""
        if self.grouping is None:
            return bool(self.names)
        return str(self.grouping.about).startswith(TOLD)

    @property
    def palette(self) -> np.ndarray | None:
        """(classes, 4) colour of each class; None for the standard ones."""
        return None if self.grouping is None else self.grouping.colours


@dataclass(eq=False)
class Stream:
    """Attention field of one FOV, with its streamlines as they are drawn.

    Attributes
    ----------
    fov, model
        Names.
    field
        The :class:`~napari_scfm.analysis.attention.attention_field.AttentionField` on
        show.
    lines
        (m, 2) points (x, y) in um, m >= 2, along the flow.
    strength
        (m,) strength along each line, 0..1.
    about
        How it was made.
    beats
        (m,) whether the region around each point beats chance.
    sender
        (m,) kind that sends more there than its share; -1 for none.
    kinds
        Names of the cell types, or of the clusters, that chance keeps apart.
    palette
        (kinds, 4) RGBA of each kind.
    codes
        (cells,) kind of each cell.
    look
        The :class:`~napari_scfm.analysis.streams.streamlines.StreamLook` of the lines.
    fields
        The fields of both directions, "received" and "sent".
    whole
        The same of all pairs of kinds, whatever ``pair`` is.
    attention
        The :class:`~napari_scfm.models.attention.Attention`; None where a session
        was opened and the model was not asked again.
    pair
        (receiver kind, sender kind) of which alone the field is; None for all.
    table
        Attention of each pair of kinds, as
        :func:`~napari_scfm.analysis.attention.type_table.type_table` says it.
    options
        The :class:`~napari_scfm.experiments.attention.asked.FieldOptions` asked for.
    xy
        (cells, 2) positions (x, y) in um.
    senders
        By direction, (cells, kinds) how much more than its share each kind sends.
    checks
        What :func:`~napari_scfm.experiments.attention.checks.check_attention` found;
        None before it was asked.
    """

    fov: str
    model: str
    field: Any
    lines: list[np.ndarray] = field(default_factory=list)
    strength: list[np.ndarray] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    beats: list[np.ndarray] = field(default_factory=list)
    sender: list[np.ndarray] = field(default_factory=list)
    kinds: tuple[str, ...] = ()
    palette: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    codes: np.ndarray = field(default_factory=lambda: NO_CELLS)
    look: StreamLook = field(default_factory=StreamLook)
    fields: dict[str, Any] = field(default_factory=dict)
    attention: Any = None
    pair: tuple[str, str] | None = None
    table: Any = None
    options: Any = None
    xy: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    whole: dict[str, Any] = field(default_factory=dict)
    senders: dict[str, np.ndarray] = field(default_factory=dict)
    checks: Any = None


class Session(EventedModel):
    """State of one viewer; every field emits ``events.<field>`` when it changes.

    ``mask`` is what is hidden of the FOV on show and ``recipe`` the same written down.
    ``in_turn`` hides each of its genes alone, one after the other, when predicting.
    ``radius`` (um) belongs to the brush, the disc and the stripe. ``curtain`` is where
    truth ends and prediction begins, 0..1 of the FOV's width; None without a curtain.
    ``cell`` is the row of the cell whose card is open, ``influence`` which cells
    mattered for it, ``partners`` whom it attends to or who attends to it, drawn as
    ``partner_look`` says. ``ligand`` is a ligand with a receptor that is on show.
    ``grouping`` is what all cells of the slide are sorted into; ``clusters`` are its
    part in the FOV on show. ``embedding`` is the picture of cells in two dimensions
    that is on show.
    ``hidden_classes`` are not shown; :mod:`~napari_scfm.viewer.hidden` says what they
    are classes of, ``hidden_of``, and changes both.
    ``examples`` are cells of known kinds to learn from, ``refined`` the embedding that
    was learned, while it stands in the place of the model's.
    ``painted`` is emitted with the :class:`Legend` after the cells were recoloured.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    painted: ClassVar[Signal] = Signal(object)

    slide: Any = None
    fov: Any = None
    colour_by: ColourBy = "nothing"
    gene: str = ""
    log: bool = False
    limits: tuple[float, float] | None = None
    colormap: str = "viridis"
    selection: np.ndarray = NO_CELLS
    tool: Tool = "pan"
    radius: float = 30.0
    mask: Any = None
    recipe: Any = None
    in_turn: bool = False
    model: Any = None
    comparison: Comparison | None = None
    shown: Shown = "truth"
    side_by_side: bool = False
    curtain: float | None = None
    fade_uncertain: bool = False
    clusters: Clusters | None = None
    grouping: Any = None
    hidden_classes: frozenset[str] = frozenset()
    hidden_of: str = ""
    examples: Any = None
    refined: Any = None
    stream: Stream | None = None
    cell: int | None = None
    influence: Any = None
    partners: Any = None
    partner_look: PartnerLook = PartnerLook()
    ligand: Any = None
    embedding: Any = None
    picture_look: Any = None
    message: Message = Message()
    busy: str = ""

    _histories: dict[str, MaskHistory] = PrivateAttr(default_factory=dict)
    _parts: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def histories(self) -> dict[str, MaskHistory]:
        """Undoable masks, one per FOV that was worked on."""
        return self._histories

    @property
    def parts(self) -> dict[str, Any]:
        """Objects that live as long as the session, such as the painter."""
        return self._parts

    def say(self, text: str, level: Literal["info", "error"] = "info") -> None:
        """Show one sentence; the same sentence twice is said twice."""
        if self.message == Message(text, level):
            self.message = Message()
        self.message = Message(text, level)

    def fail(self, error: Exception) -> None:
        """Show an error as its sentence."""
        self.say(str(error), "error")

    @property
    def n_cells(self) -> int:
        """Number of cells of the FOV, 0 without one."""
        return 0 if self.fov is None else int(self.fov.table.n_obs)


_SESSIONS: WeakKeyDictionary[Viewer, Session] = WeakKeyDictionary()


def bare(viewer: Viewer) -> Viewer:
    """Return the viewer itself, where napari hands plugins a proxy of it."""
    return getattr(viewer, "__wrapped__", viewer)


def session_of(viewer: Viewer) -> Session:
    """Return the session of a viewer; made on first use."""
    viewer = bare(viewer)
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Session()
    return _SESSIONS[viewer]
