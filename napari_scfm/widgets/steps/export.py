"""Step 9: write the figure of a field of view, and the attention on it as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, SpinBox
from qtpy.QtWidgets import QFileDialog

from napari_scfm.viewer.attention.files import attention_folder, write_attention
from napari_scfm.viewer.export import WHAT, check_available, write_figure
from napari_scfm.widgets.step import Context, Step, button, hint, narrow

DATA = (
    "The streams of step 7 as GeoJSON and npz, vectors and strongest weights as h5ad, "
    "tables as CSV."
)
FORMATS = "PNG (*.png);;TIFF (*.tif);;PDF (*.pdf);;SVG (*.svg)"


class ExportStep(Step):
    """What to draw, resolution, Save; and the attention as files of numbers."""

    def __init__(self, context: Context) -> None:
        super().__init__("9  Export", context)
        choices = [(text, what) for what, text in WHAT.items()]
        self.what = ComboBox(label="Draw", choices=choices)
        self.dpi = SpinBox(label="DPI", value=200, min=72, max=1200)
        self.form: Container[Any] = Container(widgets=[self.what, self.dpi])
        narrow(self.what.native)
        self.form.margins = (0, 0, 0, 0)
        self.status = hint(
            "A figure with scale bar, legend and title; PNG, TIFF, PDF or SVG."
        )
        self.body.addWidget(self.form.native)
        self.body.addWidget(button("Save figure…", self.ask, "Choose a file"))
        self.body.addWidget(self.status)
        self.data = button(
            "Attention data…", self.ask_data, "Choose where its folder is to be made"
        )
        self.body.addWidget(self.data)
        self.body.addWidget(hint(DATA))

    def ask(self) -> None:
        """Ask for a file and write the figure."""
        if not self.context.attempt(check_available, self.session, self.what.value):
            return
        fov = self.session.fov
        start = f"{self.session.slide.name}_{fov.name}_{self.what.value}.png"
        path, _ = QFileDialog.getSaveFileName(self, "Save figure", start, FORMATS)
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Write the chosen figure to a file in the background."""
        self.context.attempt(self._start, path)

    def _start(self, path: Path) -> None:
        session, what, dpi = self.session, self.what.value, self.dpi.value
        draw = write_figure(session, what, path, dpi=dpi)
        self.context.jobs.run(
            f"Writing {path.name}",
            lambda _: draw(),
            lambda made: session.say(f"Figure written to {made}."),
        )

    def ask_data(self) -> None:
        """Ask for a place and write the attention on show there, as a folder."""
        if not self.context.attempt(check_available, self.session, "attention"):
            return
        inside = QFileDialog.getExistingDirectory(self, "Attention data in")
        if inside:
            self.save_data(attention_folder(self.session, Path(inside)))

    def save_data(self, folder: Path) -> None:
        """Write the attention on show into a folder in the background."""
        self.context.attempt(self._start_data, folder)

    def _start_data(self, folder: Path) -> None:
        self.context.jobs.run(
            f"Writing {folder.name}",
            write_attention(self.session, folder),
            lambda made: self.session.say(f"Attention data written to {made}."),
        )
