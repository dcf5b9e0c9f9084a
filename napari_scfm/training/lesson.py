"""What a run is made of, checked before it begins: network, bags, objective."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SpecError
from napari_scfm.models.cellplm.reading import TableReading
from napari_scfm.training.bags import (
    fov_bags,
    in_columns,
    reference_bags,
    single_cells,
    split,
    unlearned,
    with_fovs,
    without_genes,
)
from napari_scfm.training.labels import class_sizes, read_labels, trained_classes
from napari_scfm.training.objectives.annotate import AnnotateObjective
from napari_scfm.training.objectives.impute import ImputeObjective
from napari_scfm.training.objectives.masked import MaskedObjective
from napari_scfm.training.objectives.supcon import SupConObjective
from napari_scfm.training.pretraining import PretrainObjective
from napari_scfm.training.start import NEW, config_for, new_config
from napari_scfm.training.targets import target_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.model import CellPLM
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.objectives.base import Objective
    from napari_scfm.training.settings import TrainSettings

OBJECTIVES = ("masked", "impute", "supcon", "annotate", "pretrain", "sct")
LABELLED = ("supcon", "annotate")


@dataclass(frozen=True)
class Wish:
    """What a caller of :func:`napari_scfm.train` asked for, see there."""

    objective: str
    labels: str | None
    genes: Sequence[str]
    reference: AnnData | None
    validation: Sequence[str]
    epochs: int
    seed: int
    settings: TrainSettings

    def __post_init__(self) -> None:
        for field_name in ("genes", "validation"):
            given = getattr(self, field_name)
            # one name alone need not be in a list
            names = [given] if isinstance(given, str) else map(str, given)
            object.__setattr__(self, field_name, tuple(names))

    def check(self) -> None:
        """Refuse an unknown objective, no epochs, and genes where none are imputed.

        Raises
        ------
        SpecError
            Saying which there are.
        """
        if self.objective not in OBJECTIVES:
            raise SpecError(
                f"There is no training objective {self.objective!r}.",
                f"Objectives are: {', '.join(OBJECTIVES)}.",
            )
        if self.epochs < 1:
            raise SpecError(
                f"{self.epochs} epochs train nothing.", "Ask for 1 or more."
            )
        given = len(self.genes) > 0 or self.reference is not None
        if given and self.objective != "impute":
            raise SpecError(
                f"Objective {self.objective!r} reads no target genes and no reference.",
                "Use objective='impute', or leave them out.",
            )


@dataclass
class Lesson:
    """Everything that a run reads.

    Attributes
    ----------
    config
        Of the network.
    rows
        (genes,) positions of the bags' columns in its gene list.
    training, held_out
        Bags.
    notes
        What a user should know.
    targets
        Names of the target genes, as the model has them.
    """

    config: CellPLMConfig
    rows: np.ndarray
    training: list[TrainingBag]
    held_out: list[TrainingBag]
    notes: list[str]
    targets: list[str] = field(default_factory=list)

    def objective(self, wish: Wish) -> Objective:
        """Return the objective; one with a head draws its weights from torch."""
        if wish.objective == "supcon":
            return SupConObjective(wish.settings, self.config.post_latent_dim)
        if wish.objective == "annotate":
            sizes = class_sizes(self.training, self.config.out_dim)
            return AnnotateObjective(wish.settings, sizes)
        if wish.objective == "impute":
            names = np.array(self.config.gene_list)[self.rows]
            return ImputeObjective(wish.settings, np.isin(names, self.targets))
        if wish.objective == "pretrain":
            return PretrainObjective(wish.settings)
        return MaskedObjective(wish.settings)


def read_lesson(wish: Wish, table: AnnData, given: CellPLM | None) -> Lesson:
    """Return what a run reads.

    Parameters
    ----------
    wish
        What was asked for.
    table
        Cells x genes, raw counts.
    given
        The model to go on from, or None.

    Raises
    ------
    SpecError, ModelError
        See :func:`napari_scfm.train`.
    """
    table, reference = with_fovs(table), wish.reference
    notes: list[str] = []
    if reference is not None:
        reference = single_cells(reference, table, notes)
    config = given.config if given else None
    if config is None:
        config = new_config(table, wish.settings, wish.genes, reference)
    codes: np.ndarray | None = None
    names: list[str] = []
    if wish.objective in LABELLED:
        codes, names = read_labels(table, wish.labels)
    reading = TableReading(table, None, config, NEW)
    found = fov_bags(reading, codes)
    training, held_out = split(found, wish.validation, notes)
    classes: list[str] = []
    if wish.objective in LABELLED:
        training, held_out, classes = trained_classes(training, held_out, names, notes)
    lesson = Lesson(
        config_for(wish.objective, config, classes),
        reading.rows,
        training,
        held_out,
        reading.notes + notes,
    )
    if wish.objective == "impute":
        _add_targets(lesson, wish, reading, reference)
    return lesson


def _add_targets(
    lesson: Lesson, wish: Wish, reading: TableReading, reference: AnnData | None
) -> None:
    """Put target genes into the columns of all bags, and reference bags beside them."""
    source = None
    if reference is not None:
        source = TableReading(reference, None, reading.config, NEW)
    targets = target_rows(
        wish.genes,
        reading,
        source,
        per_stratum=wish.settings.per_stratum,
        seed=wish.seed,
    )
    columns = np.concatenate([reading.rows, np.setdiff1d(targets, reading.rows)])
    asked = np.isin(columns, targets)
    lesson.rows = columns
    lesson.targets = [reading.config.gene_list[row] for row in targets]
    for bags in (lesson.training, lesson.held_out):
        for at, bag in enumerate(bags):
            counts, measured = in_columns(bag.counts, reading.rows, columns)
            bags[at] = replace(bag, counts=counts, measured=measured)
    if source is None:
        return
    lesson.training = [without_genes(bag, asked) for bag in lesson.training]
    lesson.held_out = [unlearned(bag, asked) for bag in lesson.held_out]
    shared = np.isin(columns[~asked], source.rows).sum()
    lesson.notes.append(
        f"The reference measures {shared} of the table's {(~asked).sum()} other genes."
    )
    shown, kept = reference_bags(source, columns, wish.seed, bool(lesson.held_out))
    lesson.training += shown
    lesson.held_out += kept
