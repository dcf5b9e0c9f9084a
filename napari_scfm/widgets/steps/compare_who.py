"""Who guesses: models, baselines and what these learn from, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_scfm.models.baselines import registry
from napari_scfm.viewer import tasks
from napari_scfm.viewer.training.choices import TRAINED
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, faint, hint, narrow
from napari_scfm.widgets.steps.reference_line import ReferenceLine

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Session

DEFAULTS = ("gene-mean", "knn-space", "ridge")
DRAWS = {0: "No uncertainty", 10: "Uncertainty: 10 draws", 20: "Uncertainty: 20 draws"}


def offered(session: Session) -> dict[str, tuple[str, str]]:
    """Return the further models on offer: name -> (what loads it, what is said of it).

    Models loaded or trained in this session, and those that ship with the program; the
    loaded one is asked anyway and not among them.
    """
    from napari_scfm.models.hub import list_models

    found, simple = {}, registry.available()
    for name, (_, source) in tasks.known_models(session).items():
        trained = name in session.parts.get(TRAINED, {})
        found[name] = (source, "trained here" if trained else "loaded before")
    for info in list_models():
        if info.name not in simple and info.name not in found:
            found[info.name] = (info.name, "ships with the program")
    if session.model is not None:
        found.pop(session.model.info.name, None)
    return found


def not_installed() -> QLabel | None:
    """Return a line that names the baselines whose packages are not installed."""
    missing = {
        name: one for name, one in registry.OPTIONAL.items() if not one.installed
    }
    if not missing:
        return None
    line = hint(f"Not installed: {', '.join(missing)}")
    extras = ",".join(one.extra for one in missing.values())
    line.setToolTip(f"pip install 'napari-scfm[{extras}]'")
    return faint(line)


class WhoPane(QWidget):
    """The loaded model, others, baselines, repeats.

    Attributes
    ----------
    baselines
        Name -> check box.
    not_there
        Names those whose packages are not installed; None if all are.
    reference
        What they learn from.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.session = context.session
        self.loaded = QCheckBox()
        self.loaded.setChecked(True)
        self.loaded.setEnabled(False)
        self.loaded.setToolTip("Chosen in step 3")
        self.models: dict[str, QCheckBox] = {}
        self.baselines: dict[str, QCheckBox] = {}
        for name, make in registry.available().items():
            box = self.baselines[name] = QCheckBox(name)
            box.setChecked(name in DEFAULTS)
            box.setToolTip(f"{make().info.description}\nScored beside the models")
        self.not_there = not_installed()
        self.reference = ReferenceLine(context)
        self.draws = narrow(QComboBox(), 12)
        for number, text in DRAWS.items():
            self.draws.addItem(text, number)
        self.draws.setToolTip(
            "Predict again with a further tenth of the visible entries hidden, each "
            "time another; the spread says how sure a prediction is"
        )
        self._others = QVBoxLayout()
        self._others.setContentsMargins(0, 0, 0, 0)
        self._lay_out()
        context.listen(self.session.events.model, self._on_model)
        self._on_model()

    def _lay_out(self) -> None:
        models, simple = Section("Models", True), Section("Baselines", True)
        models.add(self.loaded, self._others, self.draws)
        grid = QGridLayout()
        grid.setSpacing(2)
        for place, box in enumerate(self.baselines.values()):
            grid.addWidget(box, place // 2, place % 2)
        simple.add(grid)
        if self.not_there is not None:
            simple.add(self.not_there)
        simple.add(self.reference)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(models)
        column.addWidget(simple)

    def asked(self, fovs: tuple[str, ...] = ()) -> tasks.Asked:
        """Return what is ticked."""
        offers = offered(self.session)
        also = [
            offers[name][0]
            for name, box in self.models.items()
            if box.isChecked() and name in offers
        ]
        chosen = tuple(name for name, box in self.baselines.items() if box.isChecked())
        draws = int(self.draws.currentData())
        return tasks.Asked(
            chosen,
            tuple(also),
            draws=draws,
            fovs=fovs,
            reference_file=self.reference.path,
        )

    def _on_model(self) -> None:
        model = self.session.model
        name = "No model is loaded" if model is None else f"{model.info.name} (loaded)"
        self.loaded.setText(name)
        offers = offered(self.session)
        for gone in [name for name in self.models if name not in offers]:
            box = self.models.pop(gone)
            self._others.removeWidget(box)
            box.hide()
            box.deleteLater()
        for name, (_, said) in offers.items():
            if name not in self.models:
                box = self.models[name] = QCheckBox(name)
                self._others.addWidget(box)
            self.models[name].setToolTip(f"Let this model guess too ({said})")
