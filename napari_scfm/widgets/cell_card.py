"""The cell card: opens under the legend while one cell is selected.

What the cell is, its hidden genes with truth and every prediction, its neighbours,
whom it attends to, and which cells mattered for its guess. A title that folds; a
body that scrolls and never takes more than half of the dock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_scfm.viewer import card, influence_layers, tasks
from napari_scfm.viewer.acts import clear_selection, colour_by_gene
from napari_scfm.widgets.attention.partners import PartnerTable
from napari_scfm.widgets.cell_tables import (
    TOP,
    CellTable,
    GuessTable,
    ModelKey,
    model_colours,
)
from napari_scfm.widgets.legend import LegendView
from napari_scfm.widgets.step import Context, button, hint, row

if TYPE_CHECKING:
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QResizeEvent

    from napari_scfm.experiments.influenced import Influence
    from napari_scfm.viewer.card import Card

NOT_PREDICTED = "Hidden, but not predicted yet: press Predict in step 5."
NOTHING_HIDDEN = "Nothing of it was predicted: hide it (H) or genes, and press Predict."
HEAD = """QPushButton {
    text-align: left; font-weight: bold; border: none; background: transparent;
    padding: 3px;
}"""


class CellCard(QWidget):
    """The card of the session's cell; out of sight without one."""

    _card: Card | None = None

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._make_head()
        self._make_guesses()
        self._make_around()
        self._lay_out()
        card.follow(self.session)
        influence_layers.install(context.viewer, self.session)
        events = self.session.events
        for signal in (events.cell, events.comparison, events.mask, events.fov):
            context.listen(signal, self.refresh)
        context.listen(events.influence, self._on_influence)
        context.listen(events.partners, self._on_partners)
        self.refresh()

    def _make_head(self) -> None:
        self.head = QPushButton()
        self.head.setCheckable(True)
        self.head.setChecked(True)
        self.head.setFlat(True)
        self.head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.head.setStyleSheet(HEAD)
        self.head.toggled.connect(self._on_fold)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setToolTip("Close the card: select nothing [Esc]")
        self.close_button.clicked.connect(lambda: clear_selection(self.session))
        self.facts = hint()

    def _make_guesses(self) -> None:
        self.key = ModelKey()
        self.guesses = GuessTable()
        self.guesses.picked.connect(self._on_gene)
        self.no_guess = hint()
        self.all = QToolButton()
        self.all.setCheckable(True)
        self.all.setAutoRaise(True)
        self.all.toggled.connect(self._fill_guesses)

    def _make_around(self) -> None:
        self.ask = button(
            "Which cells mattered?",
            self.run_influence,
            "Hide each of its 12 nearest visible cells in turn, let the model guess "
            "again, and draw how far the guess moves",
        )
        self.remove = button("Remove", self._remove, "Take the drawing off the tissue")
        self.verdict = hint()
        self.scale = LegendView()
        self.near = CellTable("Δ guess", "Change of the guess without this cell alone")
        self.near.picked.connect(lambda line: self._select(self.near, line))
        self.partners = PartnerTable(self.context)

    def _lay_out(self) -> None:
        inside = QWidget()
        body = QVBoxLayout(inside)
        body.setContentsMargins(10, 0, 4, 4)
        body.setSpacing(4)
        parts = [self.facts, self.key, self.guesses, self.no_guess, self.all]
        for part in parts:
            body.addWidget(part)
        body.addLayout(row(self.ask, self.remove))
        for part in (self.verdict, self.scale, QLabel("Neighbours"), self.near):
            body.addWidget(part)
        body.addWidget(QLabel("Model attention"))
        body.addWidget(self.partners)
        body.addStretch(1)
        self.body = _Body(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row(self.head, self.close_button))
        layout.addWidget(self.body)

    def changeEvent(self, event: QEvent) -> None:
        """Choose colours that read on another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._fill_guesses()

    def refresh(self, *_: Any) -> None:
        """Show the session's cell, or nothing."""
        at = self.session.cell
        if at is None or self.session.fov is None or at >= self.session.n_cells:
            self._card = None
            self.hide()
            return
        old, self._card = self._card, card.card_of(self.session, at)
        if old is None or (old.row, old.fov) != (at, self._card.fov):
            self.all.setChecked(False)
            if self.session.partners is None:
                self.body.verticalScrollBar().setValue(0)
        self._on_fold(self.head.isChecked())
        self.facts.setText(f"{self._card.facts} {self._card.hidden}")
        self._fill_guesses()
        self._on_influence()
        self.show()
        self._on_partners()

    def _on_fold(self, open_: bool) -> None:
        self.body.setVisible(open_)
        if self._card is not None:
            parts = [self._card.name, self._card.kind, self._card.fov]
            text = " · ".join(part for part in parts if part)
            self.head.setText(f"{'▾' if open_ else '▸'}  Cell {text}")
            self.head.setToolTip(f"Cell {text}")

    def _fill_guesses(self, *_: Any) -> None:
        made = self._card
        if made is None:
            return
        guesses = made.guesses
        for part in (self.key, self.guesses):
            part.setVisible(bool(guesses))
        self.no_guess.setVisible(not guesses)
        hidden = not made.hidden.startswith("Nothing")
        self.no_guess.setText(NOT_PREDICTED if hidden else NOTHING_HIDDEN)
        self.all.setVisible(len(guesses) > TOP)
        if not guesses:
            return
        few = not self.all.isChecked()
        count = len(guesses)
        self.all.setText(f"Show all {count}" if few else f"Show the {TOP} worst")
        dark = self.palette().window().color().lightness() < 128
        colours = model_colours(list(guesses[0].predicted), dark)
        self.key.show_models(colours, made.errors, made.model)
        shown = guesses[:TOP] if few else guesses
        self.guesses.show_guesses(shown, colours, made.model)

    def _on_influence(self, *_: Any) -> None:
        made, here = self.session.influence, self._card
        self.remove.setVisible(made is not None)
        if here is None:
            return
        ours = made is not None and made.row == here.row
        self.verdict.setVisible(made is not None)
        self.scale.show_legend(influence_layers.legend_of(made) if ours else _NONE)
        numbers = [""] * len(here.neighbours)
        if ours:
            self.verdict.setText(" ".join([made.sentence, *_first_note(made)]))
            self.verdict.setToolTip("\n".join(made.notes))
            moved = dict(
                zip(made.near.rows, made.change(made.near.single), strict=True)
            )
            numbers = [_small(moved.get(cell.row)) for cell in here.neighbours]
        elif made is not None:
            self.verdict.setText(f"Drawn on the tissue: which cells mattered for "
                                 f"{made.cell}.")  # fmt: skip
        self.near.show_cells(here.neighbours, numbers)

    def _on_partners(self, *_: Any) -> None:
        self.body.updateGeometry()
        if self.session.partners is not None and self._card is not None:
            # after the table has found its height
            QTimer.singleShot(0, self._to_partners)

    def _to_partners(self) -> None:
        self.body.widget().layout().activate()
        self.body.ensureWidgetVisible(self.partners, 0, 0)

    def run_influence(self) -> None:
        """Ask which cells mattered, in the background."""
        self.context.attempt(self._start_influence)

    def _start_influence(self) -> None:
        work, at = tasks.work_of(self.session, "impute"), self._card.row
        name = self._card.name

        def task(progress: Any) -> Influence:
            return card.which_cells_mattered(work, at, progress)

        def done(made: Influence) -> None:
            if self.session.fov is not work.fov:
                self.session.say(f"{name} of {work.fov.name} is no longer on show.")
                return
            self.session.side_by_side = False
            self.session.influence = made
            self.session.say(
                f"Drawn on the tissue: which cells mattered for {name}, as "
                f"{made.model} guesses it. The card says how much."
            )

        self.context.jobs.run(f"Knocking out the neighbours of {name}", task, done)

    def _remove(self) -> None:
        self.session.influence = None

    def _on_gene(self, line: int) -> None:
        gene = self.guesses.gene(line)
        self.context.attempt(colour_by_gene, self.session, gene)

    def _select(self, table: CellTable, line: int) -> None:
        card.select(self.session, table.cell(line))


class _Body(QScrollArea):
    """Scrolls; as high as what is in it, up to half of the dock."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """Ask for all of it, but not for more than half of the dock."""
        dock = self.window() if self.parentWidget() is None else _dock_of(self)
        layout = self.widget().layout()
        layout.activate()
        # lines wrap at the width that there is
        wide = max(self.viewport().width(), 200)
        tall = layout.totalHeightForWidth(wide) + 4
        return QSize(280, min(tall, max(160, dock.height() // 2)))

    def eventFilter(self, source: QObject, event: QEvent) -> bool:
        """Ask for other room when what is inside has changed."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(source, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for other room when lines wrap elsewhere."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Stay usable in a low window."""
        return QSize(100, 80)


def _dock_of(widget: QWidget) -> QWidget:
    card_ = widget.parentWidget()
    return card_.parentWidget() or card_


def _first_note(made: Influence) -> list[str]:
    """Return what the reader of the sentence must know first."""
    return [note for note in made.notes[:1] if note.startswith("Nothing of")]


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


_NONE = influence_layers.Legend()
