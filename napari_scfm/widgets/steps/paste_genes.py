"""Paste genes: a window that takes a list of names from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout

from napari_scfm.widgets.step import hint

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

ASK = (
    "One gene per line, or separated by commas or spaces; a column of a table is fine."
)


class PasteGenes(QDialog):
    """Asks for a list of genes.

    Parameters
    ----------
    check
        Says what would be taken of a text, in one sentence.
    """

    def __init__(self, check: Callable[[str], str], parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Paste a list of genes")
        self._check = check
        self.text = QPlainTextEdit()
        self.text.setPlaceholderText("EPCAM\nKRT8\nKRT18")
        self.text.textChanged.connect(self._on_text)
        self.found = hint(ASK)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.take = buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.take.setText("Check these")
        self.take.setEnabled(False)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for part in (self.text, self.found, buttons):
            layout.addWidget(part)
        self.resize(320, 360)

    def _on_text(self) -> None:
        text = self.text.toPlainText()
        self.take.setEnabled(bool(text.strip()))
        self.found.setText(self._check(text) if text.strip() else ASK)
