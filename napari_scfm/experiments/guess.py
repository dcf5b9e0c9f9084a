"""Every model and baseline guesses the hidden entries of one table.

What any of them gets is a table in which hidden entries are zero already; the mask
says which zeros are not real. The truth is not read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SpecError
from napari_scfm.experiments.board import Board
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.reference import all_without_tested
from napari_scfm.experiments.result import Prediction
from napari_scfm.experiments.turns import Turn, Turns, with_more_hidden
from napari_scfm.masks.silent import silent_notes
from napari_scfm.masks.strata import drawn_notes
from napari_scfm.models.places_probe import place_notes
from napari_scfm.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData

    from napari_scfm.experiments.board import Shown
    from napari_scfm.experiments.guessers import Guesser
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback

FURTHER = 0.1
"""Share of the visible entries that a draw of the mask hides as well."""

_STEPS = 100
"""Steps of progress per model."""


@dataclass(frozen=True)
class Guessed:
    """What was said of one table.

    Attributes
    ----------
    table, mask
        What was tested.
    predictions
        In the order of the guessers; entries in the mask's CSR order.
    draws
        Name -> (draws, entries) float32 repeated predictions in counts.
    learnt
        Whether there was a reference.
    notes
        What the reader of the numbers must know.
    """

    table: AnnData
    mask: Mask
    predictions: list[Prediction]
    draws: dict[str, np.ndarray]
    learnt: bool
    notes: list[str]


def guess(
    table: AnnData,
    mask: Mask,
    spec: ExperimentSpec,
    references: Sequence[AnnData],
    guessers: list[Guesser],
    progress: ProgressCallback | None = None,
) -> Guessed:
    """Let everybody guess what a mask hides of a table.

    Parameters
    ----------
    table
        Raw counts of one or more FOVs.
    mask
        ``spec.mask`` on this table.
    spec
        Turns, draws and seed.
    references
        Cells in which hidden genes are measured; cells of ``table`` among them are
        left out.
    guessers
        Who guesses.
    progress
        Told by each as it works; Cancelled raised in it stops at once.

    Raises
    ------
    SpecError
        If nothing is left to guess from.
    ScfmError
        If a model refuses.
    """
    others, notes = all_without_tested(table, references)
    notes += drawn_notes(table, spec.mask) + silent_notes(table, mask, *others)
    board = Board(table, others)
    turns = Turns(table, spec.mask, mask, in_turn=spec.in_turn)
    sheets = [_Sheet(one, mask, spec) for one in guessers]
    counter = _Counter(progress, len(turns) * (1 + spec.draws) * len(sheets))
    for number, turn in enumerate(turns):
        refuse_nothing_left(turn.mask, bool(others))
        label = f"without {turn.gene}" if turn.gene else ""
        for draw, shown in _shown(board, turn, spec):
            for sheet in sheets:
                tell = counter.begin(sheet.guesser.name, _told(label, draw))
                sheet.fill(shown, turn, draw, tell)
            if number == 0 and draw is None:
                notes += _place_notes(sheets, shown)
    counter.end()
    return Guessed(
        table,
        mask,
        [sheet.prediction() for sheet in sheets],
        {sheet.guesser.name: sheet.draws for sheet in sheets if len(sheet.draws)},
        bool(others),
        notes,
    )


def refuse_nothing_left(mask: Mask, has_reference: bool) -> None:
    """Refuse a mask that leaves nothing to guess from.

    Raises
    ------
    SpecError
        If all genes are hidden, or all cells without a reference.
    """
    cells, genes = mask.shape
    if len(mask.hidden_genes) == genes and not has_reference:
        raise SpecError(
            f"All {genes} genes are hidden, so there is nothing to guess from.",
            "Hide fewer.",
        )
    if len(mask.hidden_cells) == cells and not has_reference:
        raise SpecError(
            f"All {cells} cells are hidden, so there is nothing to guess from.",
            "Leave some cells visible, or give a reference.",
        )


def _shown(
    board: Board, turn: Turn, spec: ExperimentSpec
) -> Iterator[tuple[int | None, Shown]]:
    """Yield what is shown in a turn: once as it is (None), then for each draw."""
    plain = board.show(turn.mask)
    yield None, plain
    for draw in range(spec.draws):
        if spec.spread == "latent":
            yield draw, plain
        else:
            more = with_more_hidden(turn.mask, FURTHER, (spec.seed, draw))
            yield draw, board.show(more)


def _told(label: str, draw: int | None) -> str:
    more = "" if draw is None else f"draw {draw + 1}"
    return ", ".join(part for part in (label, more) if part)


def _place_notes(sheets: list[_Sheet], shown: Shown) -> list[str]:
    notes = []
    for sheet in sheets:
        one = sheet.guesser
        if one.kind == "model":
            notes += place_notes(one.model, shown.table, shown.mask, one.neighbourhood)
    return notes


class _Sheet:
    """What one guesser says, filled turn by turn."""

    def __init__(self, guesser: Guesser, mask: Mask, spec: ExperimentSpec) -> None:
        self.guesser, self.spec = guesser, spec
        self._rows = np.repeat(np.arange(mask.shape[0]), np.diff(mask.matrix.indptr))
        self._columns = mask.matrix.indices
        self._genes = mask.genes
        self._values = np.full(len(self._columns), np.nan, dtype=np.float32)
        draws = spec.draws
        if spec.spread == "latent" and guesser.kind == "baseline":
            draws = 0
        self.draws = np.full((draws, len(self._columns)), np.nan, dtype=np.float32)
        self._unlearnable: dict[str, None] = {}

    def fill(
        self, shown: Shown, turn: Turn, draw: int | None, progress: ProgressCallback
    ) -> None:
        """Guess the entries of a turn; ``draw`` numbers a repeat."""
        if draw is not None and not len(self.draws):
            return
        one, answers = self.guesser, turn.answers
        rows, columns = self._rows[answers], self._columns[answers]
        asked = turn.asked(columns)
        place = np.searchsorted(asked, columns)
        genes = [str(gene) for gene in self._genes[asked]]
        model = one.model.fit(shown.learn, mask=shown.learn_mask)
        if draw is None:
            lost = set(getattr(model, "unlearnable", ())).intersection(genes)
            self._unlearnable.update(dict.fromkeys(g for g in genes if g in lost))
        elif self.spec.spread == "latent":
            model = model.drawing(_seed_of(self.spec.seed, draw))
        more: dict[str, Any] = {}
        if one.neighbourhood is not None:
            more["neighbourhood"] = one.neighbourhood
        values = model.impute(
            shown.table, genes, mask=shown.mask, progress=progress, **more
        )
        into = self._values if draw is None else self.draws[draw]
        into[answers] = values[rows, place]

    def prediction(self) -> Prediction:
        """Return what was said."""
        one = self.guesser
        more: dict[str, Any] = {}
        if one.neighbourhood is not None:
            more["neighbourhood"] = one.neighbourhood
        return Prediction(
            name=one.name,
            kind=one.kind,
            values=self._values,
            unlearnable=tuple(self._unlearnable),
            provenance=provenance(one.model.info, seed=self.spec.seed, **more),
            spread=spread_of(self.draws),
        )


def spread_of(draws: np.ndarray) -> np.ndarray | None:
    """Return the spread of each entry over draws.

    Parameters
    ----------
    draws
        (draws, entries) predicted counts.

    Returns
    -------
    (entries,) float32 standard deviation (divisor draws - 1) of log1p counts; NaN
    where a draw has no value; None without draws.
    """
    if not len(draws):
        return None
    logs = np.log1p(np.clip(draws, 0, None))
    return np.asarray(logs.std(axis=0, ddof=1, dtype=np.float64), dtype=np.float32)


def _seed_of(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])


class _Counter:
    """Tells the progress of many predictions as that of one piece of work."""

    def __init__(self, progress: ProgressCallback | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, -1

    def begin(self, name: str, label: str) -> ProgressCallback:
        """Return what the next prediction tells its progress to."""
        self._done += 1
        done = self._done

        def tell(now: Progress) -> None:
            part = min(now.done / now.total, 1.0) if now.total else 0.0
            said = ": ".join(text for text in (name, label or now.message) if text)
            at = round((done + part) * _STEPS)
            report(self._progress, at, self._total * _STEPS, said)

        tell(Progress(0, 1))
        return tell

    def end(self) -> None:
        """Tell that all is guessed."""
        total = self._total * _STEPS
        report(self._progress, total, total, "scoring")
