"""Table of ranked ligand-receptor pairs: correlation, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    import pandas as pd

HEADS = ("Pair", "ρ", "chance", "q")
TIPS = (
    "Ligand → receptor",
    "Rank correlation with model attention over neighbouring pairs of cells",
    "Its mean under the null",
    "False discovery rate (Benjamini and Hochberg)",
)
ROWS = 8
MOST = 500
"""Pairs that are listed; a saved table has them all."""


class PairTable(QTableWidget):
    """Pairs, the surest first; ``picked`` carries the row that was clicked."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__(0, len(HEADS))
        self.setHorizontalHeaderLabels(list(HEADS))
        for column, tip in enumerate(TIPS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 4)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(24)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.cellClicked.connect(lambda row, _: self.picked.emit(row))
        self.cellActivated.connect(lambda row, _: self.picked.emit(row))

    def show_pairs(self, ranked: pd.DataFrame) -> None:
        """Show the table of :func:`~napari_scfm.experiments.attention.rank_pairs`."""
        shown = ranked.head(MOST)
        self.setRowCount(len(shown))
        for at, pair in enumerate(shown.itertuples(index=False)):
            name = f"{pair.ligand} → {pair.receptor}"
            numbers = [pair.spearman, pair.expected, pair.q_value]
            texts = [_signed(pair.spearman), _signed(pair.expected), _small(numbers[2])]
            tip = (
                f"{name}: ρ {pair.spearman:+.3f}, {pair.expected:+.3f} by chance, "
                f"p = {pair.p_value:.2g}, q = {pair.q_value:.2g}. Click: draw it."
            )
            for column, text in enumerate((name, *texts)):
                item = QTableWidgetItem(text)
                item.setToolTip(tip)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.setItem(at, column, item)
        lines = min(len(shown), ROWS) * self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(lines + self.horizontalHeader().sizeHint().height() + 6)


def _signed(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.3f}"


def _small(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2g}"
