"""Gene checks: a searchable list of genes with check marks, quick for any panel.

What is typed narrows the list: a few letters (fuzzy), or a pattern such as ``KRT*``.
Several names in the line, typed or pasted, are checked together on Return.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QLineEdit, QListView, QVBoxLayout, QWidget

from napari_scfm.viewer.fuzzy import rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROWS = 6
_CHECKED, _UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


def is_pattern(text: str) -> bool:
    """Return whether somebody typed a pattern, not a name."""
    return any(letter in text for letter in "*?[")


def is_list(text: str) -> bool:
    """Return whether somebody typed or pasted more than one name."""
    return len(re.split(r"[\s,;]+", text.strip())) > 1


def matches(query: str, names: Sequence[str]) -> list[str]:
    """Return the names that fit a pattern or, fuzzily, what was typed."""
    if is_list(query):
        return list(names)
    if is_pattern(query):
        wanted = query.strip().casefold()
        return [name for name in names if fnmatchcase(name.casefold(), wanted)]
    return rank(query, names)


class CheckModel(QAbstractListModel):
    """Names with check marks; only those that are shown have rows."""

    toggled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names: list[str] = []
        self.shown: list[str] = []
        self.checked: dict[str, None] = {}
        self.hidden: frozenset[str] = frozenset()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of names that are shown."""
        return len(self.shown)

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Name, check mark, and whether the gene is hidden already."""
        name = self.shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{name}  · hidden" if name in self.hidden else name
        if role == Qt.ItemDataRole.CheckStateRole:
            return _CHECKED if name in self.checked else _UNCHECKED
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Every name can be checked."""
        return (
            Qt.ItemFlag.ItemIsEnabled
            | Qt.ItemFlag.ItemIsUserCheckable
            | Qt.ItemFlag.ItemIsSelectable
        )

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """Check or uncheck a name."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        self.mark([self.shown[index.row()]], Qt.CheckState(value) == _CHECKED)
        return True

    def offer(self, names: Sequence[str]) -> None:
        """Take other names; check marks of names that are gone go too."""
        self.names = list(names)
        known = set(self.names)
        self.checked = {name: None for name in self.checked if name in known}
        self.show_only(self.names)
        self.toggled.emit()

    def show_only(self, names: Sequence[str]) -> None:
        """Show some of the names, in this order."""
        self.beginResetModel()
        self.shown = list(names)
        self.endResetModel()

    def mark(self, names: Iterable[str], on: bool) -> None:
        """Check or uncheck names."""
        for name in names:
            if on:
                self.checked[name] = None
            else:
                self.checked.pop(name, None)
        self.repaint_rows()
        self.toggled.emit()

    def repaint_rows(self) -> None:
        """Draw the rows that are in sight again."""
        if self.shown:
            self.dataChanged.emit(self.index(0), self.index(len(self.shown) - 1))


class GeneChecks(QWidget):
    """Search line and list of check marks.

    ``changed`` tells that other genes are checked, ``searched`` what is typed,
    ``listed`` carries several names that were typed or pasted into the line.
    """

    changed = Signal()
    searched = Signal(str)
    listed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = CheckModel(self)
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._take)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setFixedHeight(ROWS * (self.fontMetrics().height() + 6) + 6)
        self.list.activated.connect(self._toggle)
        self.model.toggled.connect(self.changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        self.offer([])

    @property
    def checked(self) -> list[str]:
        """The genes that are checked, in the order of the table."""
        return [name for name in self.model.names if name in self.model.checked]

    @property
    def shown(self) -> list[str]:
        """The genes that fit what was typed."""
        return self.model.shown

    def offer(self, names: Sequence[str]) -> None:
        """Take the genes of another slide."""
        if list(names) != self.model.names or not names:
            self.model.offer(names)
            hint = f"Search {len(names)} genes, or KRT*, or paste a list"
            self.search.setPlaceholderText(hint if names else "No genes yet")
            self._filter(self.search.text())

    def mark(self, names: Iterable[str], on: bool = True) -> None:
        """Check or uncheck genes."""
        self.model.mark(names, on)

    def tell_hidden(self, names: Iterable[str]) -> None:
        """Say which genes are hidden already."""
        hidden = frozenset(names)
        if hidden != self.model.hidden:
            self.model.hidden = hidden
            self.model.repaint_rows()

    def _filter(self, text: str) -> None:
        self.model.show_only(matches(text, self.model.names))
        self.searched.emit(text.strip())

    def _toggle(self, index: QModelIndex) -> None:
        name = self.model.shown[index.row()]
        self.mark([name], name not in self.model.checked)

    def _take(self) -> None:
        text = self.search.text()
        if is_list(text):
            self.listed.emit(text)
        elif text.strip() and self.shown:
            self.mark(self.shown if is_pattern(text) else self.shown[:1])
        elif text.strip():
            self.listed.emit(text)
