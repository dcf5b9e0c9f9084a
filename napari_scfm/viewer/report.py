"""What the report dock shows of the session, without Qt: numbers, theme, cells, export.

The report is of the comparison that the session holds, and of the model whose
prediction is on show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.utils.theme import get_theme

from napari_scfm.errors import SlideError
from napari_scfm.figures.furniture import Theme
from napari_scfm.figures.report.data import ReportData
from napari_scfm.figures.report.export import MARK, export_report
from napari_scfm.viewer.acts import show_model
from napari_scfm.viewer.arrival import PLUGIN
from napari_scfm.viewer.hiding.picking import How, pick
from napari_scfm.viewer.look import comparison_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Session

REPORT = "Report"


def show_report(viewer: Viewer) -> Any:
    """Dock the report, once; return it, or None where there is no window."""
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    _, widget = window.add_plugin_dock_widget(PLUGIN, REPORT)
    return widget


def report_data(session: Session, known: ReportData | None = None) -> ReportData | None:
    """Return the numbers of the session's comparison; None if there are none.

    Parameters
    ----------
    known
        Returned again if it is of the same result.
    """
    made = session.comparison
    if made is None or made.result is None:
        return None
    if known is not None and known.summary is made.result.summary:
        return known
    return ReportData.of(made.result)


def choose_model(session: Session, name: str) -> None:
    """Show another model's numbers, and its prediction if its FOV is on show.

    Raises
    ------
    ScfmError
        If it has predicted nothing here.
    """
    if comparison_of(session) is not None:
        show_model(session, name)


def theme_of(viewer: Viewer) -> Theme:
    """Return the colours of napari's theme for charts that stand in its docks."""
    theme = get_theme(viewer.theme)
    page = _rgb(theme.background)
    ink, frame = _rgb(theme.text), _rgb(theme.secondary)
    faint = tuple(0.68 * i + 0.32 * p for i, p in zip(ink, page, strict=True))
    return Theme(page, _hex(ink), _hex(faint), _hex(frame))


def _rgb(colour: Any) -> tuple[float, float, float]:
    red, green, blue = colour.as_rgb_tuple(alpha=False)
    return red / 255, green / 255, blue / 255


def _hex(colour: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def select_cells(session: Session, names: np.ndarray, how: How = "replace") -> int:
    """Select cells by name; return how many of them the FOV on show holds.

    Raises
    ------
    SlideError
        If it holds none of them.
    """
    rows = rows_of(session, names)
    if len(names) and not len(rows):
        raise SlideError(
            "These cells are not in the field of view on show.",
            "Go to the field of view that was predicted.",
        )
    pick(session, rows, how)
    return len(rows)


def rows_of(session: Session, names: np.ndarray) -> np.ndarray:
    """Return the rows of named cells in the FOV on show, ascending."""
    if session.fov is None or not len(names):
        return np.zeros(0, dtype=np.intp)
    rows = pd.Index(session.fov.table.obs_names).get_indexer(pd.Index(names))
    return np.sort(rows[rows >= 0])


def selected_names(session: Session) -> np.ndarray:
    """Return the names of the selected cells."""
    if session.fov is None or not len(session.selection):
        return np.zeros(0, dtype=object)
    return np.asarray(session.fov.table.obs_names, dtype=object)[session.selection]


def report_folder(data: ReportData, inside: Path) -> Path:
    """Return a folder for a report that does not exist yet."""
    fovs = data.about.get("fovs") or ()
    parts = [data.about.get("slide") or "", fovs[0] if len(fovs) == 1 else ""]
    name = "_".join(part for part in (*parts, "report") if part).replace("/", "-")
    folder, number = inside / name, 1
    while folder.exists():
        number += 1
        folder = inside / f"{name}-{number}"
    return folder


def write_report(
    session: Session, data: ReportData, model: str, folder: Path, dark: bool = False
) -> Callable[[ProgressCallback], Path]:
    """Return a function that writes the report of the session's comparison.

    It returns the page, and takes a progress callback.
    """
    from napari_scfm.experiments.command import command_line

    made = session.comparison
    spec = made.result.spec
    path = spec.slide_path or getattr(session.slide, "path", "")
    command = command_line(spec, path) if path else ""
    more = {k: v for k, v in made.about.items() if k == "warning"}
    if more:
        from dataclasses import replace

        data = replace(data, notes=(*data.notes, *more.values()))

    def write(progress: ProgressCallback) -> Path:
        made = export_report(
            data, folder, model=model, dark=dark, command=command, progress=progress
        )
        return made / MARK

    return write
