"""Step 3: choose a model, load it, read its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_scfm.errors import ScfmError, named
from napari_scfm.viewer.known_genes import known_genes
from napari_scfm.viewer.sct_offer import NAME, cost_line, released
from napari_scfm.viewer.tasks import known_models
from napari_scfm.viewer.training.choices import TRAINED
from napari_scfm.viewer.training.run import choose
from napari_scfm.viewer.training.trained import training_lines
from napari_scfm.widgets.step import Context, Step, button, hint, narrow, row
from napari_scfm.widgets.steps.sct_offer import SCTOffer

if TYPE_CHECKING:
    from napari_scfm.models.base import CellModel

EMPTY = "No model is loaded. cellplm-mini ships with the program; Load takes a second."
DEVICES = {"auto": "Fastest device", "cpu": "CPU", "cuda": "NVIDIA GPU", "mps": "Apple"}


class ModelStep(Step):
    """Model list, device, Load, and the card."""

    def __init__(self, context: Context) -> None:
        super().__init__("3  Model", context)
        self.names = narrow(QComboBox(), 12)
        self.device = narrow(QComboBox())
        for value, text in DEVICES.items():
            self.device.addItem(text, value)
        self.load = button("Load", self.load_chosen, "Load the model that is chosen")
        file = button("From folder…", self._ask, "A model folder or checkpoint")
        self.card = hint(EMPTY)
        self.body.addLayout(row(self.names, self.load))
        self.body.addLayout(row(self.device, file))
        self.body.addWidget(self.card)
        self.offer = SCTOffer(context, self.load_now)
        self.body.addWidget(self.offer)
        self._fill()
        self.names.currentIndexChanged.connect(self._take_back)
        context.listen(self.session.events.model, self._on_model)
        context.listen(self.session.events.model, self._on_loaded)
        context.listen(self.session.events.fov, self._on_model)
        self._on_model()

    def _fill(self) -> None:
        from napari_scfm.models.hub import list_models

        for number, info in enumerate(list_models()):
            self.names.addItem(info.name)
            self.names.setItemData(number, info.description, 3)
        if self.names.findText(NAME) < 0:
            self.names.addItem(NAME)
            tip = "sCellTransformer; its weights are yours to bring"
            self.names.setItemData(self.names.count() - 1, tip, 3)
        mini = self.names.findText("cellplm-mini")
        self.names.setCurrentIndex(max(mini, 0))
        self._shipped = self.names.count()

    def _offer_known(self) -> None:
        """List what was loaded or trained in this session; choose what is loaded."""
        while self.names.count() > self._shipped:
            self.names.removeItem(self._shipped)
        known = known_models(self.session)
        self.names.addItems([one for one in known if self.names.findText(one) < 0])
        model = self.session.model
        if model is not None:
            self.names.setCurrentText(model.info.name)

    def load_chosen(self) -> None:
        """Load the model that is chosen in the list."""
        name = self.names.currentText()
        if name not in self.session.parts.get(TRAINED, {}):
            listed = self.names.currentIndex() < self._shipped
            self.load_name(name if listed else known_models(self.session)[name][1])
            return
        choose(self.session, name)
        self.session.say(f"{name}, trained in this session, is chosen.")

    def load_name(self, name: str | Path) -> None:
        """Load a model by name or path; show the licence of released sCT first."""
        try:
            weights = released(name)
        except ScfmError as error:
            self.session.fail(error)
            return
        if weights is not None or str(name) == NAME:
            self.card.hide()
            self.offer.look(weights, self.device.currentData())
        else:
            self.load_now(name)

    def load_now(self, name: str | Path) -> None:
        """Load a model by name or path in the background."""
        from napari_scfm.models.hub import load_model

        device = self.device.currentData()

        def work(_: Any) -> CellModel:
            model = load_model(name, device=device)
            cost_line(model)
            return model

        def done(model: CellModel) -> None:
            self.session.parts["model source"] = str(name)
            self.session.parts["device"] = device
            self.session.model = model
            self.session.say(f"{model.info.name} is loaded.")

        self.context.jobs.run(f"Loading {Path(name).name}", work, done)

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a model folder")
        if path:
            self.load_name(path)

    def _take_back(self, *_: Any) -> None:
        """Show the card of the loaded model again instead of an offer."""
        self.offer.hide()
        self.card.show()

    def _on_loaded(self) -> None:
        """Take the offer away, unless the model lacks an order of genes."""
        model = self.session.model
        self._take_back()
        if model is not None and not model.info.capabilities:
            self.offer.ask_genes(Path(self.session.parts["model source"]))

    def _on_model(self) -> None:
        model, fov = self.session.model, self.session.fov
        self._offer_known()
        self.card.setText(EMPTY if model is None else card(model, fov))


def card(model: CellModel, fov: Any) -> str:
    """Return what a person wants to know of a model, as rich text."""
    info = model.info
    able = ", ".join(sorted(info.capabilities))
    lines = [f"<b>{info.name}</b> · {info.description}"]
    lines += [f"Can {able}."] if able else []
    if info.parameters:
        lines.append(f"{info.parameters:,} parameters")
        lines += [f"Licence: {info.licence}."] if info.licence else []
    lines += training_lines(model)
    device = getattr(model, "device", None)
    if device is not None:
        lines.append(cost_line(model) or f"Runs on {device}.")
    if fov is not None and info.genes:
        known, unknown = known_genes(model, fov.table)
        text = f"{len(known)} of {fov.table.n_vars} genes of this slide are known to it"
        lines.append(f"{text}; not {named(unknown, 4)}." if unknown else f"{text}.")
    return "<br>".join(lines)
