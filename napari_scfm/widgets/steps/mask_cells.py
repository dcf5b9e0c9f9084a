"""Hide cells: tools on the canvas, rules, and the act of hiding what is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.hiding import picking
from napari_scfm.viewer.hiding.groups import CLUSTERS, groups_of, rule_of_group
from napari_scfm.widgets.section import (
    Section,
    length,
    percent,
    seed_box,
    seeded,
    whole,
)
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from collections.abc import Callable

TOOLS = {
    "pan": ("Pan", "Move and zoom"),
    "click": ("Click", "Select the cell under the mouse"),
    "box": ("Box", "Select the cells in a box"),
    "lasso": ("Lasso", "Select the cells inside a line"),
    "brush": ("Brush", "Select the cells that a round brush passes over"),
    "disc": ("Disc", "Click the middle of a disc, or drag it open"),
    "stripe": ("Stripe", "Drag the middle line of a stripe"),
}
HOW = "Nothing selected. Shift adds, Alt takes away; selecting hides nothing yet."


def held() -> picking.How:
    """Return what the keys that are held make of a button's selection."""
    keys = QApplication.keyboardModifiers()
    if keys & Qt.KeyboardModifier.ShiftModifier:
        return "add"
    return "subtract" if keys & Qt.KeyboardModifier.AltModifier else "replace"


class CellsPane(QWidget):
    """Tools, radius, selection count, rules, Hide selected and Show again."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self.group = QButtonGroup(self)
        self.group.setExclusive(True)
        self.radius = length(30, "Of brush and disc; half the width of a stripe")
        self.radius.valueChanged.connect(self._on_radius_box)
        self.selected = hint()
        go = context.command
        self.everything = button("All", go("select_all"), "Select all", "select_all")
        self.others = button("Invert", go("invert"), "Select the others", "invert")
        self.none = button("None", go("clear"), "Select nothing", "clear")
        self.hide = button(
            "Hide selected",
            go("hide_selected"),
            "Hide the selected cells from the model",
            "hide_selected",
        )
        self.show_again = button(
            "Show again",
            go("unhide_selected"),
            "Let the model see the selected cells again",
            "unhide_selected",
        )
        self.rules = Section("By type, rule or chance")
        self._fill_rules()
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        tools = QGridLayout()
        tools.setSpacing(4)
        for place, name in enumerate(TOOLS):
            tools.addWidget(self._tool(name), place // 4, place % 4)
        tools.addWidget(self.radius, 1, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(tools)
        column.addWidget(self.selected)
        column.addLayout(row(self.everything, self.others, self.none))
        column.addWidget(self.rules)
        column.addLayout(row(self.hide, self.show_again))

    def _tool(self, name: str) -> QPushButton:
        text, tip = TOOLS[name]
        key = "clear" if name == "pan" else f"tool_{name}"
        made = button(text, self.context.command(f"tool_{name}"), tip, key)
        made.setCheckable(True)
        made.setProperty("tool", name)
        self.group.addButton(made)
        return made

    def _fill_rules(self) -> None:
        self.column = narrow(QComboBox())
        self.column.currentTextChanged.connect(self._on_column)
        self.value = narrow(QComboBox(), 8)
        for box in (self.column, self.value):
            box.setMinimumWidth(60)
        self.nth = whole(5, 2, 1000)
        self.share = percent(10, 1)
        self.share.setDecimals(0)
        self.seed = seed_box()
        pick = self._picker
        self.by_group = pick(self._group_rule, "Select the cells of this group")
        self.by_nth = pick(lambda: MaskSpec(every_nth=self.nth.value()), "Select them")
        self.by_share = pick(self._share_rule, "Select cells drawn with the seed")
        grid = QGridLayout()
        grid.setSpacing(4)
        lines = (
            (self.column, self.value, self.by_group),
            (QLabel("Every n-th"), self.nth, self.by_nth),
            (self.share, seeded(self.seed), self.by_share),
        )
        for number, line in enumerate(lines):
            for place, part in enumerate(line):
                grid.addWidget(part, number, place)
        grid.setColumnStretch(1, 1)
        self.rules.add(grid)

    def _picker(self, rule: Callable[[], MaskSpec | Any], tip: str) -> QPushButton:
        def pick() -> None:
            self.context.attempt(self._pick, rule)

        made = button("Select", pick, f"{tip}; Shift adds, Alt takes away")
        made.setFixedWidth(made.fontMetrics().horizontalAdvance("Select") + 18)
        return made

    def _pick(self, rule: Callable[[], MaskSpec | Any]) -> None:
        made = rule()
        if isinstance(made, MaskSpec):
            picking.pick_by(self.session, made, held())
        else:
            picking.pick(self.session, made, held())

    def _group_rule(self) -> MaskSpec | Any:
        return rule_of_group(
            self.session, self.column.currentText(), self.value.currentText()
        )

    def _share_rule(self) -> MaskSpec:
        share = self.share.value() / 100
        return MaskSpec(cell_fraction=share, seed=self.seed.value())

    def _listen(self) -> None:
        events, listen = self.session.events, self.context.listen
        listen(events.tool, self._on_tool)
        listen(events.radius, self._on_radius)
        listen(events.selection, self._on_selection)
        listen(events.fov, self._on_groups)
        listen(events.clusters, self._on_groups)
        self._on_tool()
        self._on_radius()
        self._on_selection()
        self._on_groups()

    def _on_tool(self) -> None:
        for made in self.group.buttons():
            made.setChecked(made.property("tool") == self.session.tool)

    def _on_radius_box(self, value: float) -> None:
        self.session.radius = float(value)

    def _on_radius(self) -> None:
        with signals_blocked(self.radius):
            self.radius.setValue(self.session.radius)

    def _on_selection(self) -> None:
        count, of = len(self.session.selection), self.session.n_cells
        noun = "cell" if of == 1 else "cells"
        self.selected.setText(f"{count:,} of {of:,} {noun} selected." if count else HOW)

    def _on_groups(self) -> None:
        self._groups = groups_of(self.session)
        before = self.column.currentText()
        with signals_blocked(self.column):
            self.column.clear()
            self.column.addItems(list(self._groups))
            self.column.setCurrentIndex(max(self.column.findText(before), 0))
        for part in (self.column, self.value, self.by_group):
            part.setEnabled(bool(self._groups))
        self._on_column(self.column.currentText())
        self._on_selection()

    def _on_column(self, column: str) -> None:
        self.value.clear()
        self.value.addItems(self._groups.get(column, []))
        text = "Cluster of the model" if column == CLUSTERS else f"Value of {column}"
        self.value.setToolTip(text)
