"""Step 1: open a slide and move between its fields of view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QWidget,
)

from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.widgets.step import Context, Step, button, hint, row

if TYPE_CHECKING:
    from napari_scfm.slides.slide import Slide

EMPTY = (
    "Drop a CosMx or MERSCOPE folder, or an .h5ad file, on this dock or on the "
    "window; or open one here. The sample slide needs no download. Saved sessions and "
    "results can be dropped too."
)
ROWS = 6


class SlideStep(Step):
    """Open, sample, what was read, FOV list, previous and next."""

    def __init__(self, context: Context) -> None:
        super().__init__("1  Slide and field of view", context)
        self.about = hint(EMPTY)
        self.fovs = QListWidget()
        self.fovs.setFixedHeight(ROWS * (self.fontMetrics().height() + 4) + 6)
        self.fovs.currentItemChanged.connect(self._on_item)
        self.report = hint()
        self.report.hide()
        self.more = QToolButton()
        self.more.setText("What was read")
        self.more.setCheckable(True)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.toggled.connect(self._show_report)
        go = context.command
        self.previous = button(
            "Previous", go("previous_fov"), "Previous field of view", "previous_fov"
        )
        self.next = button("Next", go("next_fov"), "Next field of view", "next_fov")
        self.body.addLayout(
            row(
                button("Folder…", self._ask_folder, "Open a CosMx or MERSCOPE folder"),
                button("File…", self._ask_file, "Open an .h5ad table"),
                button("Sample", self.open_sample, "Open the synthetic CosMx slide"),
            )
        )
        self.body.addWidget(self.about)
        self._filled: list[QWidget] = [self.fovs, self.previous, self.next, self.more]
        self.body.addWidget(self.fovs)
        self.body.addLayout(row(self.previous, self.next))
        self.body.addWidget(self.more)
        self.body.addWidget(self.report)
        context.listen(self.session.events.slide, self._on_slide)
        context.listen(self.session.events.fov, self._on_fov)
        self._on_slide()

    def open_path(self, path: str | Path) -> None:
        """Read a slide in the background and show its first FOV."""
        from napari_scfm.slides.read import read_slide
        from napari_scfm.viewer.open import first_fov

        def work(_: Any) -> tuple[Slide, str]:
            slide = read_slide(path)
            name = first_fov(slide)
            _touch(slide, name)
            return slide, name

        def done(made: tuple[Slide, str]) -> None:
            open_slide(self.context.viewer, *made)

        self.context.jobs.run(f"Opening {Path(path).name}", work, done)

    def open_sample(self) -> None:
        """Open the synthetic CosMx slide that ships with the package."""
        from napari_scfm.slides.samples import sample_path

        self.context.attempt(lambda: self.open_path(sample_path("cosmx")))

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a slide folder")
        if path:
            self.open_path(path)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a table", filter="AnnData (*.h5ad)"
        )
        if path:
            self.open_path(path)

    def _on_slide(self) -> None:
        slide = self.session.slide
        for widget in self._filled:
            widget.setVisible(slide is not None)
        self.about.setText(EMPTY if slide is None else describe(slide))
        self.fovs.blockSignals(True)
        self.fovs.clear()
        for name, cells in {} if slide is None else slide.fov_cells.items():
            item = QListWidgetItem(f"{name}  ·  {cells:,} cells")
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.fovs.addItem(item)
        self.fovs.blockSignals(False)
        self._show_report(self.more.isChecked())
        self._on_fov()

    def _on_fov(self) -> None:
        slide, fov = self.session.slide, self.session.fov
        if slide is None or fov is None or fov.name not in slide.fovs:
            return
        place = slide.fovs.index(fov.name)
        self.fovs.blockSignals(True)
        self.fovs.setCurrentRow(place)
        self.fovs.blockSignals(False)
        self.previous.setEnabled(place > 0)
        self.next.setEnabled(place < len(slide.fovs) - 1)
        self._show_report(self.more.isChecked())

    def _on_item(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            name = item.data(Qt.ItemDataRole.UserRole)
            if not self.context.attempt(show_fov, self.context.viewer, name):
                self._on_fov()

    def _show_report(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.more.setArrowType(arrow)
        slide = self.session.slide
        if slide is not None:
            self.report.setText(str(slide.report))
        self.report.setVisible(shown and slide is not None)


def describe(slide: Slide) -> str:
    """Return a slide in one line."""
    cells = sum(slide.fov_cells.values())
    fovs = len(slide.fovs)
    noun = "field of view" if fovs == 1 else "fields of view"
    return f"{slide.name} · {slide.format} · {fovs} {noun} · {cells:,} cells"


def _touch(slide: Slide, name: str) -> None:
    """Read what the first picture needs, away from the window's thread."""
    from napari_scfm.figures.palette import lut
    from napari_scfm.slides.raster import display_labels
    from napari_scfm.viewer.cells import by_column

    lut("viridis")
    fov = slide.fov(name)
    by_column(fov.table)
    display_labels(fov)
    for channel in fov.images:
        fov.images[channel].shape  # noqa: B018 - opens the channel
