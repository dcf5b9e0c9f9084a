"""Training an sct-panel: what is read, and how it becomes a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import SpecError
from napari_scfm.models.sct.info import model_info
from napari_scfm.models.sct.model import SCT
from napari_scfm.models.sct.options import OPTIONS, SCTOptions, saved_options
from napari_scfm.models.sct.table import Reading
from napari_scfm.training.bags import split, with_fovs
from napari_scfm.training.run import Run
from napari_scfm.training.sct.bags import token_bags
from napari_scfm.training.sct.objective import SCTObjective
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.sct.start import PANEL, first_panel, given_panel, panel_config
from napari_scfm.training.sct.trainer import SCTTrainer

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.lesson import Wish
    from napari_scfm.training.run import Where

OBJECTIVE = "sct"


@dataclass
class PanelLesson:
    """What a run reads.

    Attributes
    ----------
    config
        Of the network.
    training, held_out
        Bags of tokens.
    notes
        What a user should know.
    """

    config: SCTConfig
    training: list[TrainingBag]
    held_out: list[TrainingBag]
    notes: list[str]

    @property
    def rows(self) -> np.ndarray:
        """(genes,) positions of the bags' columns: as the genes follow one another."""
        return np.arange(len(self.config.measured))


def train_panel(
    wish: Wish, table: AnnData, model: str | Path | CellModel, where: Where
) -> SCT:
    """Train an sCT network; see :func:`napari_scfm.train`.

    Raises
    ------
    SpecError
        If the objective or settings are another family's, a FOV is unknown, or the run
        in ``out`` is another one.
    ModelError
        If there are too many genes, or the loss is no longer a number.
    """
    settings = _settings(wish)
    wish = replace(wish, objective=OBJECTIVE)
    given = given_panel(model, where.device)
    lesson = read_panel_lesson(wish, table, given, settings)
    run = Run(wish, lesson, where, given)
    complete = run.complete(SCT)
    if complete is not None:
        return complete
    with run.begun():
        tokens = [bag.counts for bag in lesson.training]
        network = first_panel(lesson.config, given, tokens)
        history = run.teach(network, SCTObjective(settings), SCTTrainer)

    def wrap(network: SCTNetwork, kept: dict[str, Any]) -> SCT:
        name, extra = where.name(PANEL), network.config.extra | kept
        # without a folder yet, it is called as the folder that it is saved in
        filed = "" if where.out is None else name
        network.config = replace(network.config, name=filed, extra=extra)
        info = model_info(network.config, None, name, kept["parameters"])
        return SCT(network, info, device=where.device)

    return run.end(network, history, wrap)


def _settings(wish: Wish) -> SCTSettings:
    """Return the settings.

    Raises
    ------
    SpecError
        If the objective or the settings are another family's.
    """
    if wish.objective not in ("masked", OBJECTIVE):
        raise SpecError(
            f"An sCT network does not learn by {wish.objective!r}.",
            f"Leave the objective out, or say {OBJECTIVE!r}; models of the CellPLM "
            "family learn the others.",
        )
    if not isinstance(wish.settings, SCTSettings):
        raise SpecError(
            "These settings are of another family than sCT.",
            "Give SCTSettings of napari_scfm.training.sct.settings.",
        )
    return wish.settings


def read_panel_lesson(
    wish: Wish, table: AnnData, given: SCT | None, settings: SCTSettings
) -> PanelLesson:
    """Return what a run reads.

    The order of a new network's genes and all its starting points come from the FOVs
    that are trained on.

    Raises
    ------
    SpecError, ModelError
        See :func:`train_panel`.
    """
    table, notes = with_fovs(table), list[str]()
    if settings.encoding != "none" and keys.SPATIAL not in table.obsm:
        settings = replace(settings, encoding="none")
        notes.append(
            "The table has no coordinates in obsm['spatial']: cells were read together "
            "at random, and the network reads no places."
        )
    options = SCTOptions(values="log1p_counts", min_total_fraction=0.0)
    if given is None:
        config = panel_config(table, _values(table, wish.validation), settings)
        config = replace(config, extra={**config.extra, OPTIONS: options.to_dict()})
    else:
        config, options = given.config, saved_options(given.config)
    reading = Reading(table, None, config, config.measured, options, PANEL)
    training, held_out = split(token_bags(reading), wish.validation, notes)
    return PanelLesson(config, training, held_out, reading.notes + notes)


def _values(table: AnnData, validation: Any) -> sparse.csr_array:
    """Return log1p counts of the cells that are trained on."""
    counts = sparse.csr_array(table.X, dtype=np.float64)
    if keys.FOV in table.obs and len(validation):
        names = table.obs[keys.FOV].astype(str)
        kept = ~names.isin(list(validation)).to_numpy()
        counts = counts[np.flatnonzero(kept)] if kept.any() else counts
    return sparse.csr_array(counts.log1p())
