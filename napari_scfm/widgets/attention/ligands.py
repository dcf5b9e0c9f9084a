"""A ligand and its receptor beside the attention, and all pairs that the panel holds.

Two gene names, or a click in the table of ranked pairs, put a layer on the tissue;
one sentence says how its pairs of cells correlate with the model's attention.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QWidget,
)

from napari_scfm.errors import ScfmError, counted
from napari_scfm.experiments.attention.ligands import yardstick
from napari_scfm.experiments.attention.resource import liana_installed, resource_for
from napari_scfm.viewer.attention import ligand_layer
from napari_scfm.viewer.attention.ligand_layer import CAVEAT
from napari_scfm.viewer.attention.numbers import ligand_numbers
from napari_scfm.viewer.attention.partners import at_hand
from napari_scfm.viewer.session import Legend
from napari_scfm.widgets.attention.pair_table import PairTable
from napari_scfm.widgets.attention.save import save_numbers
from napari_scfm.widgets.legend import LegendView
from napari_scfm.widgets.section import Section, whole
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.viewer.attention.ligand_layer import LigandMap

ABOUT = (
    "Attention names no molecule. Compare it with a pair of genes: ligand in the "
    "sender times receptor in the receiver, over neighbouring cells."
)
COMPLEX = "A gene of the panel; subunits of a complex are joined by _"
NO_GENES = "Name a ligand and a receptor first, such as CXCL12 and CXCR4."
TABLES = "Tables (*.csv *.tsv *.txt);;All files (*)"
SIDES = {
    "received": "Cells by what they receive",
    "sent": "Cells by what they send",
    "links": "Links of the strongest pairs alone",
}


class LigandSection(Section):
    """Ligand, receptor, Compare; the verdict; all pairs of a list, ranked."""

    def __init__(self, context: Context) -> None:
        super().__init__("Ligand and receptor")
        self.context, self.session = context, context.session
        self.ranked: pd.DataFrame | None = None
        self._ranked_by: Any = None
        ligand_layer.install(context.viewer, self.session)
        self._make_pair()
        self._make_list()
        self.add(hint(ABOUT), self.form, row(self.ask, self.remove), self.verdict)
        self.add(self.side, self.scale, self.cells)
        self.add(row(self.liana, self.file), self.rounds)
        self.add(self.found, self.table, self.save)
        context.listen(self.session.events.ligand, self._on_ligand)
        context.listen(self.session.events.stream, self._on_stream)
        context.listen(self.session.events.fov, self._on_fov)
        self._on_fov()
        self._on_ligand()

    def _make_pair(self) -> None:
        self.ligand, self.receptor = QLineEdit(), QLineEdit()
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        for name, box in (("Ligand", self.ligand), ("Receptor", self.receptor)):
            box.setToolTip(COMPLEX)
            box.setMinimumWidth(40)
            box.returnPressed.connect(self.lay)
            form.addRow(name, box)
        self.ask = button(
            "Compare with attention",
            self.lay,
            "Draw ligand × receptor and correlate it with the model's attention",
        )
        self.remove = button("Remove", self._remove, "Take the layers off the tissue")
        self.verdict = hint()
        self.side = narrow(QComboBox(), 10)
        for side, text in SIDES.items():
            self.side.addItem(text, side)
        self.side.activated.connect(
            lambda _: ligand_layer.turn(self.session, self.side.currentData())
        )
        self.scale = LegendView()
        self.cells = button(
            "Save numbers…", self._save_cells, "What each cell receives and sends, CSV"
        )

    def _make_list(self) -> None:
        self.liana = button(
            "Rank LIANA's pairs",
            self.rank,
            "All pairs of LIANA's consensus that the panel holds; read from the "
            "installed package",
        )
        self.liana.setVisible(liana_installed())
        self.file = button(
            "Rank pairs of a file…",
            self._choose,
            "A table with the columns ligand and receptor",
        )
        self.rounds = whole(
            999, 19, 9999, "Permutations; with few of them no pair can be sure"
        )
        self.rounds.setPrefix("permutations: ")
        self.found = hint()
        self.table = PairTable()
        self.table.picked.connect(self._on_picked)
        self.save = button("Save table…", self._save, "All ranked pairs, as CSV")
        for part in (self.found, self.table, self.save):
            part.hide()

    def lay(self) -> None:
        """Lay the two genes beside the attention, in the background."""
        self.context.attempt(self._lay)

    def _lay(self) -> None:
        ligand, receptor = self.ligand.text().strip(), self.receptor.text().strip()
        if not ligand or not receptor:
            raise ScfmError("A pair needs two genes.", NO_GENES)
        where = ligand_layer.beside(self.session)

        def task(progress: Any) -> LigandMap:
            return ligand_layer.lay(where, ligand, receptor, progress)

        self.context.jobs.run(
            f"Laying {ligand} and {receptor} beside", task, self._laid
        )

    def _laid(self, made: LigandMap) -> None:
        session = self.session
        if session.fov is None or session.fov.name != made.fov:
            session.say(f"The pair of {made.fov} is not drawn on another one.")
            return
        session.side_by_side = False
        session.ligand = made
        session.say(made.result.sentence)

    def rank(self, path: Path | None = None) -> None:
        """Rank all pairs of a file, or of LIANA, in the background."""
        self.context.attempt(self._rank, path)

    def _rank(self, path: Path | None) -> None:
        where = ligand_layer.beside(self.session)
        rounds = self.rounds.value()

        def task(progress: Any) -> tuple[str, pd.DataFrame]:
            listed = resource_for(where.fov.table, path)
            made = ligand_layer.rank(where, listed.pairs, rounds, progress)
            return listed.name, made

        def done(made: tuple[str, pd.DataFrame]) -> None:
            if self.session.fov is not where.fov:
                self.session.say("The pairs belong to a field of view no longer here.")
                return
            self._ranked_by = where.found.attention
            self._show_ranks(*made)

        self.context.jobs.run("Ranking ligand-receptor pairs", task, done)

    def _show_ranks(self, source: str, made: pd.DataFrame) -> None:
        self.ranked = made
        listed = made[~made["decoy"]]
        sure = int((listed["q_value"] <= 0.05).sum())
        pairs = counted(len(listed), "pair")
        beyond = f"; {sure} beyond chance at a false discovery rate of 5%"
        if listed["p_value"].isna().all():
            beyond = ""
        self.found.setText(
            f"{pairs} of {source} on this panel{beyond}. {yardstick(made)} Click one "
            "to draw it."
        )
        self.table.show_pairs(listed)
        for part in (self.found, self.table, self.save):
            part.show()
        self.session.say(f"{pairs} of {source} ranked.")

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Pairs", "", TABLES)
        if path:
            self.rank(Path(path))

    def _save(self) -> None:
        start = f"{self.session.fov.name}_ligand_receptor.csv"
        save_numbers(self, self.context, start, lambda: self.ranked)

    def _save_cells(self) -> None:
        made = self.session.ligand
        start = f"{made.fov}_{made.result.ligand}_{made.result.receptor}.csv"
        save_numbers(self, self.context, start, lambda: ligand_numbers(self.session))

    def _on_picked(self, line: int) -> None:
        pair = self.ranked.iloc[line]
        self.ligand.setText(pair["ligand"])
        self.receptor.setText(pair["receptor"])
        self.lay()

    def _remove(self) -> None:
        self.session.ligand = None

    def _on_ligand(self, *_: Any) -> None:
        made = self.session.ligand
        for part in (self.verdict, self.side, self.remove, self.cells):
            part.setVisible(made is not None)
        self.scale.show_legend(_NONE if made is None else made.legend)
        if made is not None:
            self.verdict.setText(f"{made.result.sentence} {CAVEAT}")
            self.side.setCurrentIndex(self.side.findData(made.side))

    def _on_stream(self, *_: Any) -> None:
        """Forget ranks of an attention that is no longer on show."""
        found = at_hand(self.session)
        attention = None if found is None else found.attention
        if self.ranked is not None and attention is not self._ranked_by:
            self._forget()

    def _on_fov(self, *_: Any) -> None:
        self._forget()
        fov = self.session.fov
        names = [] if fov is None else list(fov.table.var_names)
        for box in (self.ligand, self.receptor):
            known = QCompleter(names, box)
            known.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            known.setFilterMode(Qt.MatchFlag.MatchContains)
            box.setCompleter(known)
            box.setPlaceholderText(f"one of {len(names)} genes" if names else "")

    def _forget(self) -> None:
        self.ranked = None
        for part in (self.found, self.table, self.save):
            part.hide()


_NONE = Legend()
