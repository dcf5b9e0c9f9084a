"""Partners of one cell: which way, in multiples of what, and who they are.

The same two buttons stand in the cell card, with a table, and in the attention step.
They read the attention of the streams on show; without streams they ask the model
once, and keep its answer for the cells that are clicked next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from napari_scfm.viewer import acts, card, tasks
from napari_scfm.viewer.attention import partner_layers, partners
from napari_scfm.viewer.attention.numbers import partner_numbers
from napari_scfm.viewer.attention.partner_look import PartnerLook
from napari_scfm.viewer.attention.partner_map import CAVEAT, MEANING
from napari_scfm.widgets.attention.save import save_numbers
from napari_scfm.widgets.cell_tables import CellTable
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from napari_scfm.viewer.attention.partner_look import PartnerWay
    from napari_scfm.viewer.attention.partners import Kept

SCALES = {"even": "× an even share", "usual": "× the key's usual share"}
TIPS = {
    "from": "Colour all cells by how much this cell attends to them: it is the query "
    "(receiver), they are keys (senders)",
    "by": "Colour all cells by how much they attend to this cell: it is the key "
    "(sender), they are queries (receivers)",
}
CLICK = (
    "Select one cell (S, then a click): all cells are coloured by the model's "
    "attention from it or on it, and links lead to the first partners. Esc ends it."
)
POPULAR = "To take popular keys out, choose the key's usual share."
NO_CELL = "Click the cell whose attention you want to see."


class PartnerControls(QWidget):
    """Two buttons, of which at most one is down, and the scale."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        partner_layers.install(context.viewer, self.session)
        self.attends = self._toggle("Attends to", "from")
        self.attended = self._toggle("Attended by", "by")
        self.scale = narrow(QComboBox(), 10)
        for scale, text in SCALES.items():
            self.scale.addItem(text, scale)
            self.scale.setItemData(self.scale.count() - 1, MEANING[scale], 3)
        self.scale.activated.connect(self._on_scale)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.attends, self.attended))
        layout.addWidget(self.scale)
        events = self.session.events
        for name in ("partners", "partner_look", "cell", "stream", "model", "mask"):
            context.listen(getattr(events, name), self.refresh)
        self.refresh()

    def _toggle(self, text: str, way: PartnerWay) -> QPushButton:
        made = QPushButton(text)
        made.setCheckable(True)
        made.setMinimumWidth(10)
        made.setToolTip(TIPS[way])
        made.clicked.connect(lambda on: self.ask(way if on else "off"))
        return made

    def refresh(self, *_: Any) -> None:
        """Show what is on show, or what a click on a cell will show."""
        session = self.session
        look = session.partner_look
        ready = session.cell is None and partners.at_hand(session) is not None
        ready = ready or session.partners is not None
        self.attends.setChecked(ready and look.way == "from")
        self.attended.setChecked(ready and look.way == "by")
        self.scale.setCurrentIndex(self.scale.findData(look.scale))
        self.scale.setToolTip(MEANING[look.scale])

    def _on_scale(self, *_: Any) -> None:
        look = self.session.partner_look
        partner_layers.look_at(self.session, look.way, self.scale.currentData())

    def ask(self, way: PartnerWay) -> None:
        """Show one way or neither, after a run of the model where there was none."""
        self.context.attempt(self._ask, way)
        self.refresh()

    def _ask(self, way: PartnerWay) -> None:
        session = self.session
        if way == "off" or partners.at_hand(session) is not None:
            self._look(way)
            return
        work = tasks.work_of(session, "attend")

        def task(progress: Any) -> Kept:
            return partners.attend(work, progress)

        def done(kept: Kept) -> None:
            if session.fov is not kept.fov:
                name = kept.fov.name
                session.say(f"The attention of {name} is not drawn on another one.")
                return
            session.parts[partners.ATTENTION] = kept
            model = kept.model.info.name
            session.say(f"The attention of {model} in {kept.fov.name} is read.")
            self._look(way)

        self.context.jobs.run("Reading attention", task, done)

    def _look(self, way: PartnerWay) -> None:
        session = self.session
        partner_layers.look_at(session, way)
        if way != "off" and session.cell is None:
            acts.run(self.context.viewer, "tool_click")
            session.say(NO_CELL)


class PartnerTable(QWidget):
    """The controls, what the numbers are worth, and the first partners of the cell."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self.controls = PartnerControls(context)
        self.said = hint()
        self.table = CellTable("×", CAVEAT)
        self.table.picked.connect(
            lambda line: card.select(self.session, self.table.cell(line))
        )
        self.save = button(
            "Save numbers…",
            self._save,
            "Both ways and both scales of all cells, as CSV",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.controls, self.said, self.table, self.save):
            layout.addWidget(part)
        context.listen(self.session.events.partners, self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """List the partners on show; none without any."""
        made = self.session.partners
        for part in (self.controls.scale, self.said, self.save):
            part.setVisible(made is not None)
        top = () if made is None else made.top
        self.table.show_cells(top, [_number(cell.times) for cell in top])
        if made is not None:
            even = made.look == PartnerLook("from", "even")
            parts = [made.said, POPULAR if even else "", CAVEAT]
            self.said.setText(" ".join(part for part in parts if part))

    def _save(self) -> None:
        made = self.session.partners
        start = f"{made.fov}_{made.cell}_attention.csv"
        save_numbers(self, self.context, start, lambda: partner_numbers(self.session))


def _number(times: float) -> str:
    return f"{times:.2f}" if times < 10 else f"{times:.0f}"


class PartnerSection(Section):
    """What a click on a cell shows, for the attention step."""

    def __init__(self, context: Context) -> None:
        super().__init__("Partners of one cell")
        self.controls = PartnerControls(context)
        self.add(hint(CLICK), self.controls)
