"""The written report: a page that opens anywhere, its charts and its tables.

Decides what lies in the folder: ``report.html`` with everything inside it, ``charts``
in every format that was asked for, ``tables`` as CSV in full precision. The folder
appears whole or not at all.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ScfmError, named
from napari_scfm.figures.files import check_folder, whole_folder
from napari_scfm.figures.report.breakdown import Binned
from napari_scfm.figures.report.charts import CHARTS
from napari_scfm.figures.report.page import page
from napari_scfm.figures.report.sheet import chart_figure, save_chart
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from napari_scfm.figures.report.chart import Chart
    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.progress import ProgressCallback

MARK = "report.html"
"""File by which a folder is known as a report."""
FORMATS = ("svg", "png", "pdf")
TABLES = ("summary", "per_gene", "per_cell", "per_fov", "confusion", "calibration")


@dataclass(frozen=True)
class Drawn:
    """A chart of the page; without a picture its caption says why there is none.

    Attributes
    ----------
    key, title, caption
        Of the chart.
    svg
        The picture, base64.
    """

    key: str
    title: str
    caption: str
    svg: str = ""


def export_report(
    data: ReportData,
    folder: str | Path,
    *,
    model: str = "",
    dark: bool = False,
    formats: Sequence[str] = FORMATS,
    dpi: int = 300,
    command: str = "",
    progress: ProgressCallback | None = None,
) -> Path:
    """Write a report of an experiment.

    Parameters
    ----------
    data
        The experiment's numbers.
    folder
        Where to; an earlier report is replaced, anything else is refused.
    model
        Whose predictions the charts show; default: the experiment's model.
    dark
        Dark charts on a dark page.
    formats
        Of the charts: svg, png, pdf, tif.
    dpi
        Pixels per inch of PNG and TIFF.
    command
        The command line that repeats the experiment.
    progress
        Told after each chart; may raise Cancelled, then nothing is written.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ScfmError
        If the model or a format is unknown, or the folder cannot be written.
    """
    folder, model = Path(folder), model or data.model
    data.check(model)
    _check_formats(formats)
    check_folder(folder, MARK)
    with whole_folder(folder, MARK) as fresh:
        drawn = _draw_all(data, model, fresh, formats, dark, dpi, progress)
        _write_tables(data, fresh / "tables")
        html = page(data, model, drawn, dark=dark, command=command)
        (fresh / MARK).write_text(html, "utf-8")
    return folder


def _check_formats(formats: Sequence[str]) -> None:
    known = (*FORMATS, "tif")
    wrong = [name for name in formats if name not in known]
    if wrong:
        raise ScfmError(
            f"Charts are not written as {named(wrong)}.",
            f"Choose of {', '.join(known)}.",
        )


def _draw_all(
    data: ReportData,
    model: str,
    folder: Path,
    formats: Sequence[str],
    dark: bool,
    dpi: int,
    progress: ProgressCallback | None,
) -> list[Drawn]:
    drawn = []
    for done, chart in enumerate(CHARTS.values()):
        report(progress, done, len(CHARTS), chart.title.lower())
        try:
            measured = chart.measure(data, model)
        except ScfmError as reason:
            drawn.append(Drawn(chart.key, chart.title, str(reason)))
            continue
        about = dict(data.about) | {"chart": chart.key, "predicted by": model}
        drawn.append(_write_one(chart, measured, folder, formats, dark, dpi, about))
        if isinstance(measured, Binned):
            _write_csv(measured.table, folder / "tables", f"error_by_{chart.key}")
    report(progress, len(CHARTS), len(CHARTS), "written")
    return drawn


def _write_one(
    chart: Chart,
    measured: Any,
    folder: Path,
    formats: Sequence[str],
    dark: bool,
    dpi: int,
    about: Mapping[str, Any],
) -> Drawn:
    """Write a chart in every format, and return its picture for the page."""
    figure, caption = chart_figure(chart, measured, dark=dark)
    for kind in formats:
        path = folder / "charts" / f"{chart.key}.{kind}"
        save_chart(figure, path, chart.title, dpi, about)
    bare, _ = chart_figure(chart, measured, dark=dark, words=False)
    path = folder / ".inline.svg"
    save_chart(bare, path, chart.title, 150, about)
    picture = base64.b64encode(path.read_bytes()).decode()
    path.unlink()
    return Drawn(chart.key, chart.title, caption, picture)


def _write_tables(data: ReportData, folder: Path) -> None:
    for name in TABLES:
        frame = getattr(data, name)
        if not frame.empty:
            _write_csv(frame, folder, name)


def _write_csv(frame: pd.DataFrame, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / f"{name}.csv", index=False)
