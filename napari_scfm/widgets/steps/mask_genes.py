"""Hide genes: by name, pattern, family, pasted list, sparsity, chance; in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_scfm.errors import counted, named
from napari_scfm.masks.families import families
from napari_scfm.masks.groups import matching
from napari_scfm.masks.paste import parse_genes
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.masks.strata import STRATA
from napari_scfm.viewer.hiding import masking
from napari_scfm.widgets.section import Section, percent, seed_box, seeded, whole
from napari_scfm.widgets.step import Context, button, narrow, row
from napari_scfm.widgets.steps.gene_checks import GeneChecks, is_pattern
from napari_scfm.widgets.steps.paste_genes import PasteGenes

if TYPE_CHECKING:
    from collections.abc import Callable


class GenesPane(QWidget):
    """Check list, patterns, families, paste, at random, by sparsity, in turn.

    Parameters
    ----------
    hide
        Hides a spec, in the background where that takes long.
    """

    def __init__(self, context: Context, hide: Callable[[MaskSpec], None]) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._hide = hide
        self.checks = GeneChecks()
        self.checks.changed.connect(self._on_checks)
        self.checks.searched.connect(self._on_search)
        self.checks.listed.connect(self.take_list)
        self.all = button("Check these", self._check_shown, "Check all that are listed")
        self.none = button("Uncheck all", self._uncheck, "Check none")
        self.paste = button("Paste list…", self._ask_list, "Take names from a list")
        self.families = narrow(QComboBox(), 10)
        self.families.setToolTip("Check all genes of a family, by their names")
        self.families.activated.connect(self._take_family)
        self.hide_checked = button("Hide", self.hide_genes, "Hide them in all cells")
        self.again = button("Show again", self.show_genes, "Let the model see them")
        self.pattern = button("", self.hide_pattern, "Hide all that fit, in all cells")
        self.turn = QCheckBox("Each alone (leave one marker out)")
        self.turn.setToolTip(
            "Hide each hidden gene alone, one after the other, with the others visible"
        )
        self.turn.toggled.connect(self._on_turn_box)
        self.random = Section("At random")
        self.strata = Section("By sparsity")
        self._fill_random()
        self._fill_strata()
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.checks)
        column.addWidget(self.pattern)
        column.addWidget(self.families)
        column.addLayout(row(self.all, self.none, self.paste))
        column.addLayout(row(self.hide_checked, self.again))
        column.addWidget(self.turn)
        column.addWidget(self.random)
        column.addWidget(self.strata)

    def _fill_random(self) -> None:
        self.unit = narrow(QComboBox())
        self.unit.addItems(["genes", "% of genes"])
        self.count = whole(20)
        self.share = percent(10)
        self.share.setSuffix("")
        self.much = QStackedWidget()
        self.much.addWidget(self.count)
        self.much.addWidget(self.share)
        self.much.setMaximumHeight(self.count.sizeHint().height())
        self.unit.currentIndexChanged.connect(self.much.setCurrentIndex)
        self.seed = seed_box()
        draw = button("Hide", self.hide_random, "Hide genes drawn with the seed")
        self.random.add(row(self.much, self.unit), row(seeded(self.seed), 1, draw))

    def _fill_strata(self) -> None:
        self.each = whole(25)
        self.strata_seed = seed_box()
        each = button("Hide", self.hide_of_each, "Drawn with the seed, see the note")
        each.setToolTip("Hide so many genes of each of the four sparsity strata")
        self.stratum = narrow(QComboBox())
        for name in STRATA:
            self.stratum.addItem(f"{name} sparsity", name)
        all_ = button("Hide all", self.hide_stratum, "Hide every gene of this stratum")
        self.strata.add(
            row(self.each, QLabel("of each stratum"), 1),
            row(seeded(self.strata_seed), 1, each),
            row(self.stratum, all_),
        )

    def _listen(self) -> None:
        events, listen = self.session.events, self.context.listen
        listen(events.fov, self._on_fov)
        listen(events.mask, self._on_mask)
        listen(events.in_turn, self._on_turn)
        self._on_fov()
        self._on_turn()
        self._on_search("")
        self._on_checks()

    @property
    def checked(self) -> list[str]:
        """The genes that are checked."""
        return self.checks.checked

    def hide_genes(self) -> None:
        """Hide the checked genes in all cells; what is typed counts as checked."""
        self.context.attempt(self._hide_checked)

    def _hide_checked(self) -> None:
        spec = masking.checked_genes(self.session, self._meant())
        text = f"Hidden in all cells: {named(spec.genes)}."
        masking.hide(self.session, spec, text)
        self._uncheck()
        self.checks.search.clear()

    def show_genes(self) -> None:
        """Let the model see the checked genes again."""
        self.context.attempt(self._show_checked)

    def _show_checked(self) -> None:
        spec = masking.checked_genes(self.session, self._meant())
        text = f"Visible to the model again: {named(spec.genes)}."
        masking.show_again(self.session, spec, text)

    def _meant(self) -> list[str]:
        """Return the checked genes, or what was typed where none is checked."""
        return self.checked or self.checks.search.text().replace(",", " ").split()

    def hide_pattern(self) -> None:
        """Hide the genes that fit the pattern in the line."""
        text = self.checks.search.text().strip()
        self._hide(MaskSpec(patterns=(text,)))

    def hide_random(self) -> None:
        """Hide genes drawn at random."""
        seed = self.seed.value()
        if self.unit.currentIndex() == 0:
            self.context.attempt(
                masking.hide_random_genes, self.session, self.count.value(), seed
            )
        else:
            share = self.share.value() / 100
            self._hide(MaskSpec(gene_fraction=share, seed=seed))

    def hide_of_each(self) -> None:
        """Hide so many genes of each sparsity stratum."""
        seed = self.strata_seed.value()
        self._hide(MaskSpec(per_stratum=self.each.value(), seed=seed))

    def hide_stratum(self) -> None:
        """Hide every gene of a sparsity stratum."""
        self._hide(MaskSpec(strata=(self.stratum.currentData(),)))

    def take_list(self, text: str) -> None:
        """Check the genes that a pasted list names; name those that are unknown."""
        held = parse_genes(text, self.checks.model.names)
        fits = [n for p in held.patterns for n in matching(self.checks.model.names, p)]
        self.checks.search.clear()
        self.checks.mark([*held.genes, *fits])
        if self.context.attempt(held.require):
            self.session.say(f"Checked: {held.describe()}.")

    def _told(self, text: str) -> str:
        """Return what a pasted list holds, in words."""
        return f"{parse_genes(text, self.checks.model.names).describe()}."

    def _ask_list(self) -> None:
        dialog = PasteGenes(self._told, self)
        if dialog.exec():
            self.take_list(dialog.text.toPlainText())

    def _check_shown(self) -> None:
        self.checks.mark(self.checks.shown)

    def _uncheck(self) -> None:
        self.checks.mark(list(self.checks.model.checked), False)

    def _on_checks(self) -> None:
        count = len(self.checked)
        self.hide_checked.setText(f"Hide {counted(count, 'gene')}" if count else "Hide")
        self.none.setEnabled(bool(count))

    def _on_search(self, text: str) -> None:
        fits = len(self.checks.shown)
        self.pattern.setVisible(is_pattern(text) and fits > 0)
        self.pattern.setText(f"Hide all like {text} ({fits})")

    def _on_fov(self) -> None:
        fov = self.session.fov
        names = [] if fov is None else [str(g) for g in fov.table.var_names]
        if names != self.checks.model.names:
            self.checks.offer(names)
            self._offer_families(names)
        self._on_mask()

    def _offer_families(self, names: list[str]) -> None:
        found = families(names)
        self.families.clear()
        self.families.addItem("Check a family…")
        for stem, genes in found.items():
            self.families.addItem(f"{stem}: {counted(len(genes), 'gene')}", genes)
        self.families.setEnabled(bool(found))

    def _take_family(self, place: int) -> None:
        if place > 0:
            self.checks.mark(self.families.itemData(place))
            self.families.setCurrentIndex(0)

    def _on_mask(self) -> None:
        mask = self.session.mask
        self.checks.tell_hidden([] if mask is None else mask.hidden_genes)

    def _on_turn_box(self, on: bool) -> None:
        self.session.in_turn = on

    def _on_turn(self) -> None:
        self.turn.setChecked(self.session.in_turn)
