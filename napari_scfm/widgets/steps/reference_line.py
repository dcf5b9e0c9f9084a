"""What baselines learn from: the other fields of view, or single cells of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_scfm.widgets.step import Context, narrow

if TYPE_CHECKING:
    from napari_scfm.experiments.reference_file import ReferenceFile

FOVS, FILE, ASK = "fovs", "file", "ask"
TIP = "Cells in which hidden genes are measured: baselines are fitted to them"


def short(name: str, letters: int = 14) -> str:
    """Return a file's name; of a long one the ends, without the suffix."""
    if len(name) <= letters:
        return name
    stem, end = Path(name).stem, letters // 2 - 1
    return f"{stem[: letters - end - 1]}…{stem[-end:]}" if len(stem) > letters else stem


class ReferenceLine(QWidget):
    """A choice with a file's name in it, and a button that takes it back.

    A file is read when it is chosen, so that one that cannot be used is refused there
    and then.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._path = ""
        self.choice = narrow(QComboBox(), 8)
        self.choice.activated.connect(self._on_choice)
        self.clear = QToolButton()
        self.clear.setText("✕")
        self.clear.setAutoRaise(True)
        self.clear.setToolTip("Learn from the other fields of view again")
        self.clear.clicked.connect(lambda *_: self.show_path(""))
        label = QLabel("Learn from")
        label.setToolTip(TIP)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(label)
        line.addWidget(self.choice, 1)
        line.addWidget(self.clear)
        self.show_path("")

    @property
    def path(self) -> str:
        """The file; "" where baselines learn from the other fields of view."""
        return self._path

    def show_path(self, path: str) -> None:
        """Take a file without reading it; "" takes it back."""
        self._path = path
        items = {FOVS: "Other fields of view", ASK: "Single cells (.h5ad)…"}
        if path:
            items = {
                FOVS: items[FOVS],
                FILE: short(Path(path).name),
                ASK: "Another file (.h5ad)…",
            }
        with signals_blocked(self.choice):
            self.choice.clear()
            for name, text in items.items():
                self.choice.addItem(text, name)
            self.choice.setCurrentIndex(1 if path else 0)
        self.choice.setToolTip(f"{TIP}.\n{path}" if path else TIP)
        self.clear.setVisible(bool(path))

    def _on_choice(self, _: int) -> None:
        wanted = self.choice.currentData()
        if wanted == FOVS:
            self.show_path("")
        elif wanted == ASK:
            self.show_path(self._path)
            self.ask()

    def ask(self) -> None:
        """Ask for a file."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            "Single cells in which hidden genes are measured",
            str(Path(self._path).parent) if self._path else "",
            "AnnData (*.h5ad)",
        )
        if path:
            self.choose(path)

    def choose(self, path: str | Path) -> None:
        """Read a file in the background; take it if it fits the slide."""
        from napari_scfm.experiments.reference_file import read_reference

        slide, path = self.session.slide, Path(path)
        if slide is None:
            self.show_path(str(path))
            return

        def work(_: Any) -> ReferenceFile:
            return read_reference(path, slide.table.var_names)

        def done(read: ReferenceFile) -> None:
            self.show_path(str(read.path))
            self.session.say(" ".join(read.notes))

        self.context.jobs.run(f"Reading {path.name}", work, done)
