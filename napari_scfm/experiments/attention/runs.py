"""Attention of a whole slide: one field, one table and one test per field of view."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.attention.type_table import type_table
from napari_scfm.analysis.streams.streamlines import draw_streams
from napari_scfm.experiments.attention.asked import (
    FieldOptions,
    attend_as,
    cell_kinds,
    field_as,
    refuse_blind,
)
from napari_scfm.experiments.attention.files import FovStreams, field_row
from napari_scfm.experiments.attention.sending import of_pair_only, senders_of
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.slide_runs import attend_slide, embed_slide
from napari_scfm.models.bags import bags
from napari_scfm.models.hub import load_model
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.analysis.streams.streamlines import Lines, StreamLook
    from napari_scfm.experiments.attention.asked import Kinds
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel, ModelInfo
    from napari_scfm.progress import ProgressCallback


@dataclass(frozen=True, eq=False)
class FovAttention:
    """Attention of one field of view.

    Attributes
    ----------
    fov
        Its name; "" for a table without.
    cells
        (n,) its rows of the table.
    attention
        Between its cells.
    kinds, field
        What the null kept fixed, and the field.
    options
        What was asked for.
    """

    fov: str
    cells: np.ndarray
    attention: Attention
    kinds: Kinds
    field: AttentionField
    options: FieldOptions

    def lines(self, look: StreamLook) -> Lines:
        """Return its streams, with the kind that sends more than its share."""
        excess = None
        if look.colour == "sender":
            by_direction = senders_of(
                self.attention, self.kinds, self.options, self.field.xy
            )
            excess = of_pair_only(
                by_direction[str(self.field.direction)],
                self.kinds.names,
                self.options.pair,
            )
        return draw_streams(self.field, look, excess)

    def type_table(self) -> pd.DataFrame:
        """Return the attention of each kind on each kind, with the FOV's name."""
        table = type_table(self.attention, self.kinds.codes, self.kinds.names)
        table.insert(0, "fov", self.fov)
        return table

    def row(self) -> dict[str, Any]:
        """Return what a table of fields says of it."""
        return field_row(self.fov, self.field) | {"strata": self.kinds.source}


@dataclass(frozen=True, eq=False)
class SlideAttention:
    """Attention of all fields of view of a table.

    Attributes
    ----------
    info
        Of the model.
    options
        What was asked.
    attention
        Of all cells; those of different FOVs never attend to each other.
    fovs
        One entry per field of view.
    """

    info: ModelInfo
    options: FieldOptions
    attention: Attention
    fovs: tuple[FovAttention, ...]

    def fields(self) -> pd.DataFrame:
        """Return one row per FOV: cells, energy shares, p-value, null, strata."""
        import pandas as pd

        rows = pd.DataFrame([one.row() for one in self.fovs])
        return rows.astype({"partners": float}) if len(rows) else rows

    def type_tables(self) -> pd.DataFrame:
        """Return the attention of kind on kind, FOV after FOV."""
        import pandas as pd

        return pd.concat([one.type_table() for one in self.fovs], ignore_index=True)

    def streams(self, look: StreamLook) -> list[FovStreams]:
        """Return the streams of all FOVs, as they are written to a file."""
        return [
            FovStreams(one.fov, one.lines(look), one.field, one.kinds.names, look.raw)
            for one in self.fovs
        ]

    def about(self, **more: Any) -> dict[str, Any]:
        """Return how it was made, with the tables, for ``uns`` and for files."""
        asked: dict[str, Any] = {
            "layer": self.options.layer,
            "permutations": self.options.permutations,
        }
        asked |= self.options.about() | more
        asked["seed"] = self.options.seed
        return provenance(self.info, **asked)

    def store(self, table: AnnData, top_k: int = 10) -> None:
        """Write attention, residual vectors, kinds and provenance into a table.

        Parameters
        ----------
        table
            The table that was read; ``obsp``, ``obsm``, ``obs`` and ``uns`` are
            written.
        top_k
            Strongest weights kept per cell.
        """
        import pandas as pd

        name, n = self.info.name, self.attention.n_cells
        flow, kinds = np.zeros((n, 2), np.float32), np.full(n, "", dtype=object)
        for one in self.fovs:
            flow[one.cells] = one.field.residual
            kinds[one.cells] = one.kinds.labels
        table.obsp[keys.attention(name)] = self.attention.top_k(top_k).tocsr()
        table.obsm[keys.flow(name, self.options.direction)] = flow
        table.obs[keys.kind(name)] = pd.Categorical(kinds.astype(str))
        table.uns[keys.UNS] = self.about(fields=self.fields(), types=self.type_tables())


def attend_fov(
    model: CellModel,
    table: AnnData,
    options: FieldOptions | None = None,
    *,
    mask: Mask | None = None,
    embed: Callable[[], np.ndarray] | None = None,
) -> FovAttention:
    """Return the attention field of one field of view, as the window draws it.

    Parameters
    ----------
    model
        A model that can attend.
    table, mask
        The cells of the field of view, and what is hidden of them.
    options
        Which attention, among which cells, against which chance.
    embed
        Returns their embedding where that is known already.

    Raises
    ------
    ModelError
        If the model cannot attend, or ignores places and neighbours were asked for.
    """
    options = options or FieldOptions()
    refuse_blind(model, table, options)
    attention = attend_as(model, table, options, mask=mask)
    embed = embed or (lambda: model.embed(table, mask=mask))
    return _of_fov(table, attention, embed, options, np.arange(table.n_obs))


def attend_table(
    table: AnnData,
    model: str,
    options: FieldOptions | None = None,
    *,
    device: str = "auto",
    scheduler: str = "",
    progress: ProgressCallback | None = None,
) -> SlideAttention:
    """Return the attention fields of all FOVs of a table, as the window draws them.

    Parameters
    ----------
    table
        Raw counts of one or more FOVs.
    model, device, scheduler
        See :func:`napari_scfm.experiments.slide_runs.attend_slide`.
    options
        Which attention, among which cells, against which chance.
    progress
        Told after each FOV.

    Raises
    ------
    ModelError
        If the model cannot attend, or ignores places and neighbours were asked for.
    """
    options = options or FieldOptions()
    home = bags(table)
    loaded = load_model(model, device if not scheduler else "cpu")
    if home:
        refuse_blind(loaded, table[home[0]], options)
    attention = attend_slide(
        table,
        model,
        layer=options.layer,
        head=options.head,
        weighting=options.weighting,
        device=device,
        scheduler=scheduler,
    )

    @cache
    def embedding() -> np.ndarray:
        return embed_slide(table, model, device=device, scheduler=scheduler)

    fovs = []
    for done, cells in enumerate(home, start=1):
        fovs.append(
            _of_fov(
                table[cells],
                attention.of(cells),
                partial(_rows, embedding, cells),
                options,
                cells,
            )
        )
        report(progress, done, len(home), f"field of FOV {fovs[-1].fov}")
    return SlideAttention(loaded.info, options, attention, tuple(fovs))


def _of_fov(
    table: AnnData,
    attention: Attention,
    embed: Callable[[], np.ndarray],
    options: FieldOptions,
    cells: np.ndarray,
) -> FovAttention:
    named = keys.FOV in table.obs and table.n_obs
    name = str(table.obs[keys.FOV].iloc[0]) if named else ""
    kinds = cell_kinds(table, embed, options.strata, options.seed)
    xy = np.asarray(table.obsm[keys.SPATIAL])[:, :2]
    field = field_as(attention, xy, kinds, options)
    return FovAttention(name, cells, attention, kinds, field, options)


def _rows(embedding: Callable[[], np.ndarray], cells: np.ndarray) -> np.ndarray:
    return np.asarray(embedding()[cells])
