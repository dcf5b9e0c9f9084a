"""Before sCT is loaded: its card, what it costs here, its licence, and Load it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_scfm.models.sct import kept
from napari_scfm.viewer.sct_offer import UNKNOWN, Offer, agree, offer, released
from napari_scfm.widgets.step import Context, button, hint, row

if TYPE_CHECKING:
    from collections.abc import Callable

AGREE = "I have read this: load it"
LOAD = "Load it"
_TABLES = "Gene tables (*.csv)"


class SCTOffer(QWidget):
    """Shown in place of a model's card while sCT is chosen and not loaded.

    Parameters
    ----------
    context
        Session and jobs.
    load
        Loads weights without asking again.
    """

    def __init__(self, context: Context, load: Callable[[Path], Any]) -> None:
        super().__init__()
        self.context, self._load = context, load
        self.text = hint()
        self.agree = button(AGREE, self._agreed, "Load these weights")
        self.files = button(
            "Choose its folder…", self._ask_files, "The folder of params.joblib"
        )
        self.genes = button(
            "Gene table…",
            self._ask_genes,
            "A table with the columns position and ensembl_id: which position of the "
            "model is which gene",
        )
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self.text)
        body.addLayout(row(self.agree))
        body.addLayout(row(self.files, self.genes))
        self._found: Offer | None = None
        self.hide()

    def look(self, weights: Path | None, device: str) -> None:
        """Show what is known of weights, or how to get them; nothing is loaded."""
        if weights is None:
            self._show(None)
            return

        def work(_: Any) -> Offer:
            return offer(weights, device)

        self.context.jobs.run("Looking at sCT", work, self._show)

    def ask_genes(self, weights: Path) -> None:
        """Offer to name the gene table of weights that are loaded without one."""
        self._found = Offer(weights, "", True)
        self.text.setText(
            "Which position of this model is which gene is not known. Put the two "
            "gene maps beside its weights, or name a table."
        )
        self.agree.hide()
        self.files.hide()
        self.genes.show()
        self.show()

    def _show(self, found: Offer | None) -> None:
        self._found = found
        self.text.setText(UNKNOWN if found is None else found.text)
        self.agree.setVisible(found is not None)
        self.agree.setText(LOAD if found is not None and found.accepted else AGREE)
        self.files.setVisible(True)
        self.genes.setVisible(False)
        self.show()
        if found is not None:
            self.context.session.say("Read the card of sCT, then load it.")

    def _agreed(self) -> None:
        if self._found is not None:
            agree(self._found.path)
            self._load(self._found.path)

    def _ask_files(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Where are the sCT weights?")
        if path:
            self.chosen(Path(path))

    def chosen(self, path: Path) -> None:
        """Take a folder that was chosen as that of the weights."""
        from napari_scfm.models.sct.files import find_files

        files = find_files(path)
        if files is None:
            self.context.session.say(
                f"{path} holds no sCT weights (params.joblib with config.json).",
                "error",
            )
            return
        self.context.attempt(self._take, files.weights)

    def _take(self, weights: Path) -> None:
        """Show what is known of released weights; load others, which ask nothing."""
        if released(weights) is None:
            self._load(weights)
        else:
            self.look(weights, "auto")

    def _ask_genes(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Gene table", filter=_TABLES)
        if path:
            self.named(Path(path))

    def named(self, table: Path) -> None:
        """Take a table as the order of the genes, and load the weights again."""
        from napari_scfm.models.sct.genes import read_genes

        if self._found is not None and self.context.attempt(read_genes, table):
            kept.keep(self._found.path, table)
            self._load(self._found.path)
