"""Hide single entries: a share of all or of the expressed, dropout, or a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_scfm.errors import MaskError, counted
from napari_scfm.masks.parts import Block, Dropout, RandomEntries
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.widgets.section import Section, percent, seed_box, seeded
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from collections.abc import Callable

PRESETS = (15, 30, 40, 80)
"""Shares of sCT's tables, percent."""
RULES = {"exp": "low counts rather than high", "uniform": "all counts alike"}


class EntriesPane(QWidget):
    """Random share, dropout, block of checked genes and selected cells.

    Parameters
    ----------
    hide
        Hides a spec, in the background where that takes long.
    genes
        Gives the genes that are checked in the other pane.
    """

    def __init__(
        self,
        context: Context,
        hide: Callable[[MaskSpec], None],
        genes: Callable[[], list[str]],
    ) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._hide, self._genes = hide, genes
        self.eligible = narrow(QComboBox())
        self.eligible.addItem("of expressed", "expressed")
        self.eligible.addItem("of all", "all")
        self.eligible.setToolTip("Expressed entries have a count above 0")
        self.share = percent(15)
        self.seed = seed_box()
        self.random = button("Hide", self.hide_share, "Hide entries drawn at random")
        self.dropout = Section("As a dropout would")
        self.block = Section("Block of genes × cells")
        self._fill_dropout()
        self._fill_block()
        self._lay_out()
        context.listen(self.session.events.selection, self.count_block)
        self.count_block()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.presets = [self._preset(share) for share in PRESETS]
        column.addLayout(row(self.share, self.eligible))
        column.addLayout(row(*self.presets))
        column.addLayout(row(seeded(self.seed), 1, self.random))
        column.addWidget(self.dropout)
        column.addWidget(self.block)

    def _preset(self, share: int) -> QWidget:
        made = button(f"{share} %", lambda: self.share.setValue(share), "Take this")
        made.setMinimumWidth(40)
        return made

    def _fill_dropout(self) -> None:
        self.rule = narrow(QComboBox())
        for name, text in RULES.items():
            self.rule.addItem(text, name)
        self.rule.setToolTip("The ways of DeepImpute (exponential) and scGNN (uniform)")
        self.lost = percent(10)
        drop = button("Hide", self.hide_dropout, "Hide a share of each cell's counts")
        self.dropout.add(
            hint(
                "A share of each cell's counts above 0, in cells with more than five:"
            ),
            self.rule,
            row(self.lost, 1, drop),
        )

    def _fill_block(self) -> None:
        self.size = hint()
        self.hide_block_ = button(
            "Hide block",
            self.hide_block,
            "Hide the checked genes in the selected cells",
        )
        self.block.add(self.size, self.hide_block_)

    def hide_share(self) -> None:
        """Hide a random share of the entries."""
        drawn = RandomEntries(
            fraction=self.share.value() / 100, eligible=self.eligible.currentData()
        )
        self._hide(MaskSpec(entries=drawn, seed=self.seed.value()))

    def hide_dropout(self) -> None:
        """Hide what a dropout would take."""
        lost = Dropout(rule=self.rule.currentData(), fraction=self.lost.value() / 100)
        self._hide(MaskSpec(dropout=lost, seed=self.seed.value()))

    def hide_block(self) -> None:
        """Hide the checked genes in the selected cells."""
        self.context.attempt(self._block)

    def _block(self) -> None:
        genes, rows = self._genes(), self.session.selection
        if not genes or len(rows) == 0:
            raise MaskError(
                "A block needs genes and cells.",
                "Check genes under Genes and select cells under Cells first.",
            )
        cells = tuple(self.session.fov.table.obs_names[rows])
        self._hide(MaskSpec(blocks=(Block(genes=tuple(genes), cells=cells),)))

    def count_block(self) -> None:
        """Say how large the block is."""
        genes, cells = len(self._genes()), len(self.session.selection)
        self.size.setText(
            f"{counted(genes, 'checked gene')} × {counted(cells, 'selected cell')} "
            f"= {counted(genes * cells, 'entry', 'entries')}"
        )
