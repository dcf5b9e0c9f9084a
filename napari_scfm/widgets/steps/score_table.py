"""Score table: a row per model and baseline; a click puts its prediction on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtWidgets import QWidget

COLUMNS = {"pearson": "Pearson", "rmse": "RMSE", "mcc_all": "MCC", "cosine": "Cosine"}
TIPS = {
    "pearson": "Mean Pearson correlation per gene, log1p counts",
    "rmse": "Mean root of the squared error per gene, log1p counts",
    "mcc_all": "Matthews correlation of five expression levels, all entries",
    "cosine": "Mean cosine per gene, log1p counts",
}


class ScoreTable(QTableWidget):
    """Scores of a comparison.

    ``chosen`` carries the name of the model whose row was clicked.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setColumnCount(1 + len(COLUMNS))
        self.setHorizontalHeaderLabels(["", *COLUMNS.values()])
        for place, tip in enumerate(TIPS.values(), start=1):
            self.horizontalHeaderItem(place).setToolTip(tip)
        self.verticalHeader().hide()
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setMinimumSectionSize(20)
        self.cellClicked.connect(lambda line, _: self.chosen.emit(self._name(line)))

    def _name(self, line: int) -> str:
        return str(self.item(line, 0).data(Qt.ItemDataRole.UserRole))

    def fill(self, summary: pd.DataFrame, shown: str) -> None:
        """Show the scores; the model on show stands out."""
        self.setRowCount(len(summary))
        for line, (_, scores) in enumerate(summary.reset_index().iterrows()):
            name = str(scores["model"])
            texts = [name, *(number(scores.get(c, float("nan"))) for c in COLUMNS)]
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setData(Qt.ItemDataRole.UserRole, name)
                item.setToolTip(told_of(scores))
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.setItem(line, column, item)
        self.mark(shown)
        self.resizeRowsToContents()
        tall = sum(self.rowHeight(i) for i in range(len(summary)))
        self.setFixedHeight(tall + self.horizontalHeader().height() + 4)

    def mark(self, shown: str) -> None:
        """Make the row of the model on show bold."""
        for line in range(self.rowCount()):
            for column in range(self.columnCount()):
                item = self.item(line, column)
                font = item.font()
                font.setBold(self._name(line) == shown)
                item.setFont(font)


def number(value: float) -> str:
    """Return a score for a narrow table; a score that is not defined is a dash."""
    return "–" if value != value else f"{value:.3f}"


def told_of(scores: pd.Series) -> str:
    """Return how many items the scores of a row average, and leave out."""
    name = f"{scores['model']} ({scores.get('kind', 'model')})"
    lines = [f"{name}: a click shows its prediction on the tissue"]
    if "n_entries" in scores:
        lines.append(f"{int(scores['n_entries']):,} hidden entries")
    if "n_genes_defined" in scores:
        left = int(scores.get("n_genes", 0)) - int(scores["n_genes_defined"])
        genes = f"Pearson over {int(scores['n_genes_defined'])} genes"
        lines.append(f"{genes}; {left} left out, where it is not defined")
    if scores.get("n_entries_unpredicted", 0):
        lost = int(scores["n_entries_unpredicted"])
        lines.append(f"{lost:,} entries it could not predict; no row counts them")
    return "\n".join(lines)
