"""What is asked before streams are drawn: attention, partners, and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget
from superqt.utils import qthrottled, signals_blocked

from napari_scfm import keys
from napari_scfm.experiments.attention.asked import CLUSTERS, FieldOptions
from napari_scfm.viewer.attention.reach import reach_sentence
from napari_scfm.viewer.hiding.groups import CLUSTERS as ON_SHOW
from napari_scfm.viewer.hiding.groups import groups_of
from napari_scfm.widgets.section import Section, length, seed_box, seeded, whole
from napari_scfm.widgets.step import faint, hint, narrow, row

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Session

ALL, NEAREST, WITHIN = "all", "nearest", "within"
PARTNERS = {ALL: "All cells", NEAREST: "Nearest", WITHIN: "Within"}
NULLS = {
    "": "Usual for these partners",
    "rings": "Weights within rings",
    "keys": "Keys within kinds",
    "shift": "Key map shifted",
}
NULL_TIPS = {
    "": "Among near cells the map of keys is shifted; among all cells, keys are "
    "exchanged within kinds",
    "rings": "Each cell's weights are exchanged among partners of like distance",
    "keys": "Cells of a kind exchange what others attend to in them",
    "shift": "What cells are attended to for is shifted as a whole over the tissue: "
    "the strict setting",
}


class Asking(QWidget):
    """Layer, head and weights; partners; and what chance means.

    ``changed`` is emitted when the partners are others.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._make_what()
        self._make_partners()
        self._make_chance()
        self.on_model()
        self.on_fov()

    def _add(self, label: str, *widgets: QWidget) -> None:
        place = self._grid.rowCount()
        text = QLabel(label)
        text.setBuddy(widgets[0])
        self._grid.addWidget(text, place, 0)
        self._grid.addLayout(row(*widgets), place, 1)

    def _make_what(self) -> None:
        self.layer, self.head = narrow(QComboBox()), narrow(QComboBox())
        self.weighting = narrow(QComboBox())
        self.weighting.addItem("Weights as they are", "weights")
        self.weighting.addItem("Weights × values", "values")
        self.weighting.setToolTip(
            "× values counts a key by how much it moves a query, not only by how much "
            "it is looked at (Kobayashi et al. 2020)"
        )
        self._add("Layer", self.layer)
        self._add("Head", self.head)
        self._add("Count", self.weighting)

    def _make_partners(self) -> None:
        self.partners = narrow(QComboBox(), 5)
        for value, text in PARTNERS.items():
            self.partners.addItem(text, value)
        self.partners.setCurrentIndex(self.partners.findData(NEAREST))
        self.partners.setToolTip(
            "Keys (senders) that a query (receiver) is compared with. Only among near "
            "cells can an arrow mean a direction."
        )
        self.near = whole(30, 2, 500, "How many of the nearest cells")
        self.radius = length(60, "How far away a partner may be")
        self.reach = faint(hint())
        self._add("Partners", self.partners, self.near, self.radius)
        self._grid.addWidget(self.reach, self._grid.rowCount(), 0, 1, 2)
        self.partners.currentIndexChanged.connect(self._on_partners)
        self.near.valueChanged.connect(lambda _: self._say_reach())
        self.radius.valueChanged.connect(lambda _: self._say_reach())

    def _make_chance(self) -> None:
        self.null, self.strata = narrow(QComboBox(), 8), narrow(QComboBox(), 8)
        for value, text in NULLS.items():
            self.null.addItem(text, value)
        tips = [f"{NULLS[null]}: {tip}." for null, tip in NULL_TIPS.items()]
        self.null.setToolTip("\n".join(tips))
        self.strata.setToolTip(
            "Kinds of cells whose layout is taken away. Clusters of the model's own "
            "embedding are the strict setting."
        )
        self.shuffles = whole(99, 19, 9999, "Shuffles B of p = (1 + b) / (1 + B)")
        self.seed = seed_box()
        self.chance = Section("Chance")
        form = QGridLayout()
        form.setColumnStretch(1, 1)
        rows = {
            "Shuffle": self.null,
            "Kinds": self.strata,
            "Times": self.shuffles,
        }
        for place, (label, box) in enumerate(rows.items()):
            text = QLabel(label)
            text.setBuddy(box)
            form.addWidget(text, place, 0)
            form.addWidget(box, place, 1)
        form.addWidget(seeded(self.seed), len(rows), 0, 1, 2)
        self.chance.add(form)
        self._grid.addWidget(self.chance, self._grid.rowCount(), 0, 1, 2)

    def options(self) -> FieldOptions:
        """Return what is asked for."""
        way = self.partners.currentData()
        return FieldOptions(
            layer=self.layer.currentData(),
            head=self.head.currentData(),
            weighting=self.weighting.currentData(),
            neighbours=self.near.value() if way == NEAREST else None,
            radius=self.radius.value() if way == WITHIN else None,
            null=self.null.currentData() if way != ALL else "",
            strata=self.strata.currentData(),
            permutations=self.shuffles.value(),
            seed=self.seed.value(),
        )

    def show_options(self, asked: FieldOptions) -> None:
        """Show what was asked for, as far as it can be chosen here."""
        way = NEAREST if asked.neighbours is not None else ALL
        way = WITHIN if asked.radius is not None else way
        boxes: dict[QComboBox, Any] = {
            self.layer: asked.layer,
            self.head: asked.head,
            self.weighting: asked.weighting,
            self.partners: way,
            self.null: asked.null,
            self.strata: asked.strata,
        }
        for box, value in boxes.items():
            box.setCurrentIndex(_place(box, value))
        if asked.neighbours is not None:
            self.near.setValue(asked.neighbours)
        if asked.radius is not None:
            self.radius.setValue(asked.radius)
        self.shuffles.setValue(asked.permutations)
        self.seed.setValue(asked.seed)

    def on_model(self) -> None:
        """Offer the layers and heads that the model has."""
        model = self.session.model
        layers, heads = getattr(model, "attention_shape", None) or (1, 1)
        deep = [("Last layer", -1), *((f"Layer {i}", i) for i in range(layers))]
        _fill(self.layer, [*deep, ("Rollout", "rollout")] if layers > 1 else deep[:1])
        mean = [("Mean of heads", None), *((f"Head {i}", i) for i in range(heads))]
        _fill(self.head, mean if heads > 1 else mean[:1])
        self.layer.setToolTip(
            "Rollout follows the attention through all layers (Abnar and Zuidema 2020)"
            if layers > 1
            else "The model has one layer"
        )
        self.head.setToolTip("" if heads > 1 else "The model has one head")
        self.layer.setEnabled(layers > 1)
        self.head.setEnabled(heads > 1)

    def on_fov(self) -> None:
        """Offer the kinds of cells that this field of view knows."""
        known = [name for name in groups_of(self.session) if name != ON_SHOW]
        usual = "Cell types" if keys.CELL_TYPE in known else "Embedding clusters"
        more = [(name, name) for name in known if name != keys.CELL_TYPE]
        strict = [("Embedding clusters", CLUSTERS)] if usual == "Cell types" else []
        _fill(self.strata, [(usual, ""), *strict, *more])
        self._on_partners()

    def _on_partners(self) -> None:
        way = self.partners.currentData()
        self.near.setVisible(way == NEAREST)
        self.radius.setVisible(way == WITHIN)
        self.null.setEnabled(way != ALL)
        self._say_reach()
        self.changed.emit()

    @qthrottled(timeout=60)
    def _say_reach(self) -> None:
        fov, way = self.session.fov, self.partners.currentData()
        self.reach.setVisible(fov is not None)
        if fov is None:
            return
        self.reach.setText(
            reach_sentence(
                fov.table.obsm[keys.SPATIAL],
                self.near.value() if way == NEAREST else None,
                self.radius.value() if way == WITHIN else None,
            )
        )


def _fill(box: QComboBox, choices: list[tuple[str, Any]]) -> None:
    """Offer other choices; the one that was chosen stays, if it is among them."""
    kept = box.currentData()
    with signals_blocked(box):
        box.clear()
        for text, value in choices:
            box.addItem(text, value)
        box.setCurrentIndex(max(_place(box, kept), 0))


def _place(box: QComboBox, value: object) -> int:
    """Return the place of a choice, else of the one that is chosen now."""
    values = [box.itemData(place) for place in range(box.count())]
    return values.index(value) if value in values else box.currentIndex()
