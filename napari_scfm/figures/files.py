"""Writing a figure: PNG, TIFF, PDF or SVG, whole or not at all.

Decides: text stays text in PDF and SVG; every file carries where it comes from
(PNG text chunks, PDF document information, the TIFF description, SVG metadata); a
file is put in place only when it is complete; the same figure gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm import __version__
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.figure import Figure

FORMATS = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".pdf": "pdf", ".svg": "svg"}
"""File name endings and the formats they stand for."""

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "napari-scfm",
    "hatch.linewidth": 0.4,
    "path.simplify": False,
}
"""matplotlib settings under which figures are made and written."""

SOFTWARE = f"napari-scfm {__version__}"


def format_of(path: Path) -> str:
    """Return the format that a file name asks for.

    Raises
    ------
    ScfmError
        If figures are not written in that format.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ScfmError(
            f"Figures are not written as {ending or 'a file without ending'!r}.",
            "Let the name end in .png, .tif, .pdf or .svg.",
        )
    return FORMATS[ending]


def save(
    figure: Figure, path: Path, *, dpi: int, title: str, provenance: Mapping[str, Any]
) -> Path:
    """Write a figure with its provenance, and return where it lies.

    Raises
    ------
    ScfmError
        If the format is unknown or the file cannot be written.
    """
    kind = format_of(path)
    about = json.dumps(dict(provenance), default=str, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            _write(figure, draft, kind, dpi, title, about)
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ScfmError(
            f"The figure cannot be written to {path}: {error.strerror or error}.",
            "Choose a folder that can be written to.",
        ) from error
    return path


@contextmanager
def whole_folder(folder: Path, mark: str) -> Iterator[Path]:
    """Yield a folder to fill that takes its place when the block ends.

    Parameters
    ----------
    folder
        Where it will lie. A folder that holds ``mark`` is replaced.
    mark
        Name of a file that every folder of this kind holds.

    Raises
    ------
    ScfmError
        If something else lies there, or nothing can be written there.
    """
    check_folder(folder, mark)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        yield fresh
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_folder(folder: Path, mark: str) -> None:
    """Refuse a folder that :func:`whole_folder` could not put in place.

    Raises
    ------
    ScfmError
        If something else lies there, or nothing can be written there.
    """
    there = folder.is_dir() and (not any(folder.iterdir()) or (folder / mark).is_file())
    if folder.exists() and not there:
        raise ScfmError(
            f"{folder} exists and holds something else.",
            "Choose another folder; nothing was written.",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> ScfmError:
    return ScfmError(
        f"{folder} cannot be written: {error.strerror or error}.",
        "Choose another place.",
    )


def _write(
    figure: Figure, path: Path, kind: str, dpi: int, title: str, about: str
) -> None:
    import matplotlib

    colour = figure.get_facecolor()
    with matplotlib.rc_context(STYLE):
        if kind == "tiff":
            _write_tiff(figure, path, dpi, title, about)
            return
        metadata = {
            "png": {"Title": title, "Software": SOFTWARE, "Description": about},
            "pdf": {
                "Title": title,
                "Creator": SOFTWARE,
                "Subject": about,
                "CreationDate": None,
            },
            "svg": {
                "Title": title,
                "Creator": SOFTWARE,
                "Description": about,
                "Date": None,
            },
        }[kind]
        figure.savefig(path, format=kind, dpi=dpi, facecolor=colour, metadata=metadata)


def _write_tiff(figure: Figure, path: Path, dpi: int, title: str, about: str) -> None:
    import numpy as np
    import tifffile
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    sheet: Any = FigureCanvasAgg(figure)
    sheet.draw()
    text = json.dumps({"title": title, "provenance": json.loads(about)})
    tifffile.imwrite(
        path,
        np.asarray(sheet.buffer_rgba())[..., :3],
        photometric="rgb",
        compression="zlib",
        resolution=(dpi, dpi),
        resolutionunit="INCH",
        description=text,
        software=SOFTWARE,
        metadata=None,
    )
