"""The gene box: type a few letters, choose from what matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QStringListModel, Qt, Signal
from qtpy.QtWidgets import QLineEdit, QListView, QVBoxLayout, QWidget

from napari_scfm.viewer.fuzzy import rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QModelIndex, QObject

ROWS = 5


class GeneBox(QWidget):
    """Search line over a list of genes.

    ``chosen`` carries the gene that was clicked, walked to or entered.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._shown = QStringListModel(self)
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._take_first)
        self.search.installEventFilter(self)
        self.list = QListView()
        self.list.setModel(self._shown)
        self.list.setUniformItemSizes(True)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.list.setFixedHeight(ROWS * (self.fontMetrics().height() + 4) + 6)
        self.list.clicked.connect(self._take)
        self.list.activated.connect(self._take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        self.set_genes([])

    @property
    def names(self) -> list[str]:
        """All genes on offer."""
        return self._names

    def set_genes(self, names: Sequence[str]) -> None:
        """Offer other genes."""
        self._names = list(names)
        self.search.setPlaceholderText(
            f"Search {len(names)} genes, such as {names[0]}"
            if names
            else "No genes yet"
        )
        self._filter(self.search.text())

    @property
    def shown(self) -> list[str]:
        """The genes that match what was typed, best first."""
        return self._shown.stringList()

    def mark(self, gene: str) -> None:
        """Show which gene is chosen, without choosing it again."""
        names = self._shown.stringList()
        if gene in names:
            index = self._shown.index(names.index(gene))
            self.list.setCurrentIndex(index)
            self.list.scrollTo(index)
        else:
            self.list.clearSelection()

    def eventFilter(self, source: QObject, event: QEvent) -> bool:
        """Let the arrow keys of the search line walk the list."""
        if event.type() == QEvent.Type.KeyPress and self._shown.rowCount():
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
            step = steps.get(event.key())
            if step is not None:
                at = self.list.currentIndex().row() + step
                at = min(max(at, 0), self._shown.rowCount() - 1)
                self.list.setCurrentIndex(self._shown.index(at))
                self._take(self._shown.index(at))
                return True
        return super().eventFilter(source, event)

    def _filter(self, text: str) -> None:
        self._shown.setStringList(rank(text, self._names))

    def _take(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data())

    def _take_first(self) -> None:
        if self._shown.rowCount():
            self._take(self._shown.index(0))
        elif self.search.text().strip():
            self.chosen.emit(self.search.text().strip())
