"""Sweep: ask what to vary, run it as a job, show the curves in a dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
)

from napari_scfm.experiments.sweep import PUBLISHED, sweep_spec
from napari_scfm.viewer.repeating import sweep_models
from napari_scfm.widgets.section import whole
from napari_scfm.widgets.step import hint
from napari_scfm.widgets.steps.sweep_view import SweepView

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_scfm.experiments.sweep import SweepSpec
    from napari_scfm.viewer.tasks import Asked
    from napari_scfm.widgets.step import Context

WHAT = {
    "entries": "Share of entries, %",
    "cells": "Cells of 50 neighbours",
    "genes": "Number of genes",
}
VALUES = {
    "entries": ", ".join(f"{100 * share:g}" for share in PUBLISHED["entries"]),
    "cells": ", ".join(f"{number:g}" for number in PUBLISHED["cells"]),
    "genes": "5, 10, 20, 40",
}


class SweepDialog(QDialog):
    """What to vary, values, number of seeds, on this FOV or all."""

    def __init__(self, fov: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sweep")
        self.what = QComboBox()
        for name, text in WHAT.items():
            self.what.addItem(text, name)
        self.what.currentIndexChanged.connect(self._on_what)
        self.values = QLineEdit()
        self.seeds = whole(3, 1, 20, "Each seed draws other entries, cells or genes")
        self.everywhere = QCheckBox("On all fields of view")
        self.everywhere.setToolTip(f"Else on {fov} only")
        form = QFormLayout()
        form.addRow("Hide", self.what)
        form.addRow("Values", self.values)
        form.addRow("Seeds", self.seeds)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Run")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(
            hint("Every value is predicted once per seed, with all that is ticked.")
        )
        layout.addLayout(form)
        layout.addWidget(self.everywhere)
        layout.addWidget(buttons)
        self.setMinimumWidth(300)
        self._on_what()

    def _on_what(self) -> None:
        self.values.setText(VALUES[self.what.currentData()])

    def fields(self) -> dict[str, Any]:
        """Return what was asked, as fields of a sweep's spec."""
        what = self.what.currentData()
        words = self.values.text().replace(",", " ").replace("%", " ").split()
        values: list[Any] = []
        for word in words:
            try:
                number = float(word)
            except ValueError:
                values.append(word)  # told by the spec with all that is wrong
                continue
            values.append(number / 100 if what == "entries" else number)
        return {
            "what": what,
            "values": tuple(values),
            "seeds": tuple(range(self.seeds.value())),
        }


def run_sweep_dialog(context: Context, asked: Asked, parent: QWidget) -> None:
    """Ask, and run the sweep if it was not called off."""
    session = context.session
    models = sweep_models(session, asked)
    dialog = SweepDialog(session.fov.name, parent)
    if not dialog.exec():
        return
    fovs = session.slide.fovs if dialog.everywhere.isChecked() else [session.fov.name]
    spec = sweep_spec(
        **dialog.fields(),
        models=models,
        baselines=asked.baselines,
        fovs=tuple(fovs),
        reference_file=asked.reference_file,
        device=session.parts.get("device", "auto"),
    )
    run_sweep(context, spec)


def run_sweep(context: Context, spec: SweepSpec) -> None:
    """Run a sweep in the background and dock its curves."""
    from napari_scfm.experiments.sweep_run import run_sweep as run

    slide = context.session.slide

    def done(result: Any) -> None:
        view = SweepView(context, result)
        context.viewer.window.add_dock_widget(view, name="Sweep", area="bottom")
        runs = len(spec.values) * len(spec.seeds)
        context.session.say(f"Sweep of {runs} runs is done; see its curves below.")

    context.jobs.run("Sweeping", lambda progress: run(slide, spec, progress), done)
