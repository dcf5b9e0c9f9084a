"""What is asked of an attention field, the same from window, command and figure.

Decides the cell kinds that the null keeps fixed: a column of the table, the cells'
own types, or clusters of the embedding of this one field of view; and refuses to read
directions between neighbours from a model that ignores where cells lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.clusters import cluster
from napari_scfm.errors import ModelError, ScfmError, named
from napari_scfm.models.places_probe import attention_reads_positions

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from napari_scfm.analysis.attention.attention_field import AttentionField, Direction
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

UNKNOWN = "unknown"
"""Kind of cells without a value where others have one."""

CLUSTERS = "embedding"
"""Asks for clusters of the embedding also where cell types are known."""


@dataclass(frozen=True)
class FieldOptions:
    """How an attention field is computed.

    Attributes
    ----------
    layer
        From 0, negative from the last, or "rollout" through all layers.
    head
        From 0; None for the mean over heads.
    weighting
        "weights", or "values": weights times the length of what they move.
    neighbours
        Only the nearest so many cells are partners; None for all cells.
    radius
        Only cells within so many um are partners; None for all cells.
    null
        What chance means, see :func:`.attention_field`; "" for the regime's own.
    permutations, seed
        Of the joint test.
    strata
        Column of ``obs`` that names the cell kinds, :data:`CLUSTERS` for clusters of
        the embedding; "" for cell types where they are known, clusters otherwise.
    direction
        "received" or "sent".
    pair
        Kinds of receiver and sender that the field is restricted to; None for all.
    smoothing_um
        Width of the smoothing in um; None for the usual number of cell distances.
    """

    layer: int | Literal["rollout"] = -1
    head: int | None = None
    weighting: Literal["weights", "values"] = "weights"
    neighbours: int | None = None
    radius: float | None = None
    null: str = ""
    permutations: int = 99
    seed: int = 0
    strata: str = ""
    direction: Direction = "received"
    pair: tuple[str, str] | None = None
    smoothing_um: float | None = None

    @property
    def local(self) -> bool:
        """Whether partners are neighbours, so that arrows can mean a direction."""
        return self.neighbours is not None or self.radius is not None

    def about(self) -> dict[str, Any]:
        """Return the options that differ from the usual ones, as plain values."""
        usual = FieldOptions()
        fields = self.__dataclass_fields__
        said = {name: getattr(self, name) for name in fields}
        kept = {k: v for k, v in said.items() if v != getattr(usual, k)}
        if self.pair is not None:
            kept["pair"] = list(self.pair)
        return kept


@dataclass(frozen=True)
class Kinds:
    """The kind of every cell of a field of view.

    Attributes
    ----------
    codes
        (n,) position in ``names``.
    names
        Cell types, values of a column, or "cluster 0" and so on.
    source
        Where they come from: a column's name, or :data:`CLUSTERS`.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    source: str

    @property
    def labels(self) -> np.ndarray:
        """(n,) name of each cell's kind: the strata of the null."""
        names: np.ndarray = np.asarray(self.names, dtype=object)[self.codes]
        return names.astype(str)

    def cells_of(self, name: str) -> np.ndarray:
        """Return (n,) whether a cell is of a kind.

        Raises
        ------
        ScfmError
            If there is no such kind.
        """
        if name not in self.names:
            raise ScfmError(
                f"No cell here is of kind {name!r}.",
                f"The kinds are {named(self.names, 20)}.",
            )
        return np.asarray(self.codes == self.names.index(name))


def cell_kinds(
    table: AnnData,
    embed: Callable[[], np.ndarray],
    column: str = "",
    seed: int = 0,
) -> Kinds:
    """Return the cell kinds of one field of view: what the null keeps fixed.

    Parameters
    ----------
    table
        Its cells.
    embed
        Returns their (n, d) embedding; called only where clusters are needed.
    column
        See :attr:`FieldOptions.strata`.
    seed
        Of the clusters.

    Raises
    ------
    ScfmError
        If a column is asked for that is not there, or has no value on these cells.
    """
    name = column or keys.CELL_TYPE
    known = name in table.obs and bool(table.obs[name].notna().any())
    if known and column != CLUSTERS:
        return _of_column(table, name)
    if column not in ("", CLUSTERS):
        raise ScfmError(
            f"The cells have no values in the column {column!r}.",
            f"The table's columns are {named(table.obs.columns, 20)}; without one, "
            "cell types or clusters of the embedding are kept fixed.",
        )
    codes = np.asarray(cluster(embed(), 1.0, seed), dtype=np.intp)
    count = int(codes.max(initial=-1)) + 1
    names = [f"cluster {i}" for i in range(count)]
    if (codes < 0).any():
        names.append(UNKNOWN)
    return Kinds(np.where(codes < 0, count, codes), tuple(names), CLUSTERS)


def _of_column(table: AnnData, name: str) -> Kinds:
    import pandas as pd

    values = table.obs[name].astype(object)
    kinds = pd.Categorical(values.where(values.notna(), UNKNOWN).astype(str))
    codes = np.asarray(kinds.codes, dtype=np.intp)
    return Kinds(codes, tuple(map(str, kinds.categories)), name)


def refuse_blind(model: CellModel, table: AnnData, options: FieldOptions) -> None:
    """Refuse neighbours as partners for a model that ignores where cells lie.

    Raises
    ------
    ModelError
        If the field is local and the attention does not change when cells exchange
        their places.
    ScfmError
        If both a number of neighbours and a radius are asked for.
    """
    if options.neighbours is not None and options.radius is not None:
        raise ScfmError(
            "Partners cannot be both the nearest cells and those within a radius.",
            "Ask for one of the two.",
        )
    if options.local and not sees_places(model, table, options):
        raise ModelError(
            f"Model {model.info.name} does not read coordinates, so its attention "
            "between neighbours has no direction.",
            "Ask for all cells as partners, or for a model that reads coordinates.",
        )


def sees_places(
    model: CellModel, table: AnnData, options: FieldOptions | None = None
) -> bool:
    """Tell whether the asked attention changes when cells exchange their places."""
    options = options or FieldOptions()
    return attention_reads_positions(
        model,
        table,
        layer=options.layer,
        head=options.head,
        weighting=options.weighting,
    )


def attend_as(
    model: CellModel,
    table: AnnData,
    options: FieldOptions,
    *,
    mask: Mask | None = None,
    progress: ProgressCallback | None = None,
) -> Attention:
    """Return the model's attention, of the asked layer, head and weighting."""
    return model.attend(table, mask=mask, progress=progress, **how(options))


def how(options: FieldOptions) -> dict[str, Any]:
    """Return the keywords of ``model.attend`` that differ from its own."""
    asked: dict[str, Any] = {"layer": options.layer}
    if options.head is not None:
        asked["head"] = options.head
    if options.weighting != "weights":
        asked["weighting"] = options.weighting
    return asked


def field_as(
    attention: Attention, xy: np.ndarray, kinds: Kinds, options: FieldOptions
) -> AttentionField:
    """Return the attention field of one field of view.

    Parameters
    ----------
    attention
        Of its cells, of all kinds.
    xy
        (n, 2) positions in um.
    kinds
        See :func:`cell_kinds`.
    options
        What is asked for; layer, head and weighting are in the attention already.

    Raises
    ------
    ScfmError
        If a kind of ``options.pair`` is not there, or the field cannot be computed.
    """
    asked: dict[str, Any] = {
        "neighbours": options.neighbours,
        "radius": options.radius,
        "null": options.null or None,
        "smoothing_um": options.smoothing_um,
    }
    return attention_field(
        of_pair(attention, kinds, options.pair),
        np.asarray(xy, dtype=np.float64),
        direction=options.direction,
        strata=kinds.labels,
        permutations=options.permutations,
        seed=options.seed,
        even_keys=True,
        **{name: value for name, value in asked.items() if value is not None},
    )


def of_pair(
    attention: Attention, kinds: Kinds, pair: tuple[str, str] | None
) -> Attention:
    """Return attention from receivers of one kind on senders of another only."""
    if pair is None:
        return attention
    receivers, senders = (kinds.cells_of(name) for name in pair)
    return attention.restricted(receivers=receivers, senders=senders)
