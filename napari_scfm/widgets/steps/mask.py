"""Step 4: hide genes, cells or single entries from the model, and see how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QButtonGroup, QFileDialog, QGridLayout, QPushButton, QWidget

from napari_scfm.masks.describe import describe as recipe_in_words
from napari_scfm.viewer.hiding import masking, presets
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, Step, button, hint, row
from napari_scfm.widgets.steps.mask_cells import CellsPane
from napari_scfm.widgets.steps.mask_entries import EntriesPane
from napari_scfm.widgets.steps.mask_genes import GenesPane

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.masks.spec import MaskSpec

MODES = ("Genes", "Cells", "Entries")
JSON = "Recipe (*.json)"


class MaskStep(Step):
    """Three modes with live counts, presets, what is hidden, undo and redo."""

    def __init__(self, context: Context) -> None:
        super().__init__("4  Hide", context)
        self.genes = GenesPane(context, self.hide)
        self.cells = CellsPane(context)
        self.entries = EntriesPane(context, self.hide, lambda: self.genes.checked)
        self.genes.checks.changed.connect(self.entries.count_block)
        self.panes: dict[str, QWidget] = dict(
            zip(MODES, (self.genes, self.cells, self.entries), strict=True)
        )
        self.modes = QButtonGroup(self)
        self.modes.setExclusive(True)
        self.presets = Section("Presets and files")
        self.status = hint()
        go = context.command
        self.undo = button("Undo", go("undo"), "Undo the last mask", "undo")
        self.redo = button("Redo", go("redo"), "Redo the mask", "redo")
        self.clear = button("Clear", go("unhide_all"), "Hide nothing any more")
        self._fill_presets()
        self._lay_out()
        for event in (self.session.events.mask, self.session.events.fov):
            context.listen(event, self._on_mask)
        self.choose("Genes")
        self._on_mask()

    def _lay_out(self) -> None:
        self.body.addLayout(row(*[self._mode(name) for name in MODES]))
        for pane in self.panes.values():
            self.body.addWidget(pane)
        self.body.addWidget(self.presets)
        self.body.addWidget(self.status)
        self.body.addLayout(row(self.undo, self.redo, self.clear))

    def _mode(self, name: str) -> QPushButton:
        made = button(name, lambda: self.choose(name), f"Hide {name.lower()}")
        made.setCheckable(True)
        made.setProperty("mode", name)
        self.modes.addButton(made)
        return made

    def _fill_presets(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, (name, preset) in enumerate(presets.PRESETS.items()):
            made = button(preset.title, self._applier(name), preset.tip)
            made.setProperty("preset", name)
            grid.addWidget(made, place // 2, place % 2)
        self.presets.add(
            grid,
            row(
                button(
                    "Save recipe…", self._ask_save, "Write what is hidden to a file"
                ),
                button("Open recipe…", self._ask_open, "Hide what a file says"),
            ),
        )

    def _applier(self, name: str) -> Callable[[], bool]:
        return lambda: self.context.attempt(presets.apply, self.session, name)

    def choose(self, mode: str) -> None:
        """Show the controls of a mode."""
        for made in self.modes.buttons():
            made.setChecked(made.property("mode") == mode)
        for name, pane in self.panes.items():
            pane.setVisible(name == mode)

    def hide(self, spec: MaskSpec) -> None:
        """Hide what a spec says."""
        self.context.attempt(masking.hide, self.session, spec)

    def _ask_save(self) -> None:
        if self.context.attempt(presets.check_savable, self.session):
            path, _ = QFileDialog.getSaveFileName(self, "Save", "hidden.json", JSON)
            if path:
                self.save(path)

    def save(self, path: str) -> None:
        """Write what is hidden to a JSON file."""
        if self.context.attempt(presets.save_recipe, self.session, path):
            self.session.say(f"What is hidden is written to {path}.")

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open", "", JSON)
        if path:
            self.open(path)

    def open(self, path: str) -> None:
        """Hide what a JSON file says, in place of what is hidden."""
        self.context.attempt(presets.open_recipe, self.session, path)

    def _on_mask(self) -> None:
        session = self.session
        history = None
        if session.fov is not None:
            history = session.histories.get(session.fov.name)
        mask, recipe = session.mask, session.recipe
        any_ = mask is not None and mask.n_hidden > 0
        said = f"\nRecipe: {recipe_in_words(recipe)}." if any_ else ""
        self.status.setText(f"{masking.describe(mask)}{said}")
        self.undo.setEnabled(history is not None and history.can_undo)
        self.redo.setEnabled(history is not None and history.can_redo)
        self.clear.setEnabled(any_)
        self._count()

    def _count(self) -> None:
        much = masking.tally(self.session.mask)
        counts = (much.genes, much.cells, much.entries)
        for made, count in zip(self.modes.buttons(), counts, strict=True):
            name = made.property("mode")
            made.setText(f"{name}  {short(count)}" if count else name)


def short(count: int) -> str:
    """Return a count for a narrow button: 1,234 as it is, 1234567 as 1.2M."""
    if count < 100_000:
        return f"{count:,}"
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count / 1e3:.0f}k"
