"""Step 4: select cells, and hide cells, genes or single entries from the model."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container, FloatSpinBox, SpinBox
from qtpy.QtWidgets import QButtonGroup, QLineEdit, QPushButton

from napari_scfm.viewer import masking
from napari_scfm.widgets.step import Context, Step, button, hint, row

TOOLS = {"pan": "Pan", "click": "Click", "box": "Box", "lasso": "Lasso"}
TIPS = {
    "pan": "Move and zoom",
    "click": "Select the cell under the mouse",
    "box": "Select the cells in a box",
    "lasso": "Select the cells inside a line",
}
HOW = "Shift adds to the selection, Alt takes away. Selecting hides nothing yet."


class MaskStep(Step):
    """Tools, hide and show, genes, random share, undo and redo, live count."""

    def __init__(self, context: Context) -> None:
        super().__init__("4  Hide cells and genes", context)
        self.tools = QButtonGroup(self)
        self.tools.setExclusive(True)
        buttons = [self._tool(name, text) for name, text in TOOLS.items()]
        self.selected = hint()
        go = context.command
        self.hide_cells = button(
            "Hide selected cells",
            go("hide_selected"),
            "Hide the selected cells from the model",
            "hide_selected",
        )
        self.show_cells = button(
            "Show again",
            go("unhide_selected"),
            "Let the model see the selected cells again",
            "unhide_selected",
        )
        self.genes = QLineEdit()
        self.genes.setPlaceholderText("Genes to hide: EPCAM, CD3E")
        self.genes.returnPressed.connect(self.hide_typed_genes)
        hide = button("Hide genes", self.hide_typed_genes, "Hide them in all cells")
        self.form = self._random_form()
        self.status = hint()
        self.undo = button("Undo", go("undo"), "Undo the last mask", "undo")
        self.redo = button("Redo", go("redo"), "Redo the mask", "redo")
        self.clear = button("Clear", go("unhide_all"), "Hide nothing any more")
        self._lay_out(buttons, hide)
        self._listen()

    def _lay_out(self, buttons: list[QPushButton], hide: QPushButton) -> None:
        self.body.addLayout(row(*buttons))
        self.body.addWidget(self.selected)
        self.body.addLayout(row(self.hide_cells, self.show_cells))
        self.body.addLayout(row(self.genes, hide))
        self.body.addWidget(self.form.native)
        random = button("Hide at random", self.hide_random, "Drawn with the seed")
        self.body.addWidget(random)
        self.body.addWidget(self.status)
        self.body.addLayout(row(self.undo, self.redo, self.clear))

    def _listen(self) -> None:
        context = self.context
        context.listen(self.session.events.tool, self._on_tool)
        context.listen(self.session.events.selection, self._on_selection)
        context.listen(self.session.events.mask, self._on_mask)
        context.listen(self.session.events.fov, self._on_mask)
        self._on_tool()
        self._on_selection()
        self._on_mask()

    def _tool(self, name: str, text: str) -> QPushButton:
        key = "clear" if name == "pan" else f"tool_{name}"
        made = button(text, self.context.command(f"tool_{name}"), TIPS[name], key)
        made.setCheckable(True)
        made.setProperty("tool", name)
        self.tools.addButton(made)
        return made

    def _random_form(self) -> Container[Any]:
        self.what = ComboBox(label="Random", choices=["genes", "cells", "entries"])
        self.count = SpinBox(label="Genes", value=20, min=1, max=100_000)
        self.share = FloatSpinBox(
            label="Share", value=0.1, min=0.01, max=0.9, step=0.05
        )
        self.seed = SpinBox(label="Seed", value=0, max=2**31 - 1)
        form = Container(widgets=[self.what, self.count, self.share, self.seed])
        form.margins = (0, 0, 0, 0)
        self.share.visible = False
        self.what.changed.connect(self._on_what)
        return form

    def _on_what(self, what: str) -> None:
        self.count.visible = what == "genes"
        self.share.visible = what != "genes"

    def hide_typed_genes(self) -> None:
        """Hide the genes that are named in the line."""
        names = self.genes.text().replace(",", " ").split()
        if self.context.attempt(masking.hide_genes, self.session, names):
            self.genes.clear()

    def hide_random(self) -> None:
        """Hide what the random form says."""
        session, what, seed = self.session, self.what.value, self.seed.value
        if what == "genes":
            self.context.attempt(
                masking.hide_random_genes, session, self.count.value, seed
            )
        else:
            self.context.attempt(
                masking.hide_share, session, what, self.share.value, seed
            )

    def _on_tool(self) -> None:
        for made in self.tools.buttons():
            made.setChecked(made.property("tool") == self.session.tool)

    def _on_selection(self) -> None:
        count = len(self.session.selection)
        noun = "cell" if count == 1 else "cells"
        self.selected.setText(f"{count} {noun} selected." if count else HOW)

    def _on_mask(self) -> None:
        session = self.session
        history = None
        if session.fov is not None:
            history = session.histories.get(session.fov.name)
        self.status.setText(masking.describe(session.mask))
        self.undo.setEnabled(history is not None and history.can_undo)
        self.redo.setEnabled(history is not None and history.can_redo)
        mask = session.mask
        self.clear.setEnabled(mask is not None and mask.n_hidden > 0)
