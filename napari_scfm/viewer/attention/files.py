"""The attention on show as data: a folder of files that other programs open.

Streams as GeoJSON and npz, the cells with their vectors and strongest weights as an
AnnData file, tables as CSV, and what all of it means. The folder appears whole or not
at all, and replaces only an earlier one of its kind.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError
from napari_scfm.experiments.attention.files import (
    CAVEAT,
    FovStreams,
    field_row,
    plain,
    save_streams,
    store_attention,
    write_tables,
)
from napari_scfm.experiments.files import check_writable, write_h5ad
from napari_scfm.experiments.result_folder import fresh_folder
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Session, Stream

TOP_K: Final = 10
"""Strongest weights kept per cell."""

ABOUT: Final = "about.json"
CELLS: Final = "cells.h5ad"
LINES: Final = ("streams.geojson", "streams.npz")
MARKS: Final = (ABOUT, *LINES, CELLS)

_FILES: Final = {
    "streams.geojson": "streamlines as they are drawn, one LineString each; um, y down",
    "streams.npz": "the same as arrays, for NumPy",
    CELLS: "cells with counts; vectors, strongest weights and kinds, see keys",
    "types.csv": "attention of each kind of receiver on each kind of sender",
    "fields.csv": "energy shares, p-value and null of each direction",
    "checks.csv": "what became of the field when the model was broken on purpose",
}
_COLUMNS: Final = {
    "weight": "mean weight of a pair of cells of these kinds",
    "share": "of the attention that the receiver's kind pays to other cells",
    "times": "that share over the sender kind's share of the other cells; 1 is even",
    "geometry": "share of the energy that the shape of the tissue explains",
    "layout": "share that the layout of cell types (and popular keys) explains",
    "rest": "share that neither explains: what the streams follow",
    "p_value": "(1 + b) / (1 + permutations), joint over the field of view",
}


def attention_folder(session: Session, inside: Path) -> Path:
    """Return a folder for the attention on show that does not exist yet."""
    name = f"{session.slide.name}_{_stream(session).fov}_attention".replace("/", "-")
    folder, number = inside / name, 1
    while folder.exists():
        number += 1
        folder = inside / f"{name}-{number}"
    return folder


def write_attention(
    session: Session, folder: Path
) -> Callable[[ProgressCallback | None], Path]:
    """Return a function that writes the attention on show into a folder.

    It returns the folder, and takes a progress callback.

    Raises
    ------
    SlideError
        If nothing is on show, or the folder holds something else.
    """
    stream, table = _stream(session), session.fov.table
    if folder.exists() and not _may_replace(folder):
        raise SlideError(
            f"{folder} exists and holds no attention data.",
            "Choose another folder; nothing was written.",
        )
    check_writable(folder)

    def write(progress: ProgressCallback | None = None) -> Path:
        with fresh_folder(folder) as fresh:
            _write(stream, table, fresh, progress)
        return folder

    return write


def _stream(session: Session) -> Stream:
    stream = session.stream
    if stream is None or session.fov is None or stream.fov != session.fov.name:
        raise SlideError(
            "There is no model attention to write.", "Press Draw streams first."
        )
    return stream


def _may_replace(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    inside = {path.name for path in folder.iterdir()}
    return not inside or inside >= set(MARKS)


def _write(
    stream: Stream, table: AnnData, folder: Path, progress: ProgressCallback | None
) -> None:
    from napari_scfm.analysis.streams.streamlines import Lines

    drawn = Lines(stream.lines, stream.strength, stream.beats, stream.sender)
    one = FovStreams(stream.fov, drawn, stream.field, stream.kinds, stream.look.raw)
    said = plain(_said(stream))
    report(progress, 0, 3, "writing the streams")
    for name in LINES:
        save_streams([one], folder / name, said)
    report(progress, 1, 3, "writing the tables")
    tables = tables_of(stream)
    written = write_tables(tables, folder)
    report(progress, 2, 3, "writing the cells")
    cells = table.copy()
    labels = np.asarray(stream.kinds, dtype=object)[stream.codes]
    store_attention(
        cells,
        stream.model,
        stream.attention,
        _fields(stream),
        TOP_K,
        kinds=labels if len(labels) == table.n_obs else None,
        about=_told(said) | tables,
    )
    write_h5ad(cells, folder / CELLS)
    names = [*LINES, CELLS, *(path.name for path in written)]
    about = {
        "caveat": CAVEAT,
        "files": {name: _FILES[name] for name in names},
        "columns": _COLUMNS,
        "keys": _keys(stream, cells),
        **said,
    }
    text = json.dumps(about, indent=2, allow_nan=False)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")
    report(progress, 3, 3, "written")


def tables_of(stream: Stream) -> dict[str, pd.DataFrame]:
    """Return the tables of a stream by name: types, fields, checks."""
    import pandas as pd

    rows = [field_row(stream.fov, field) for field in _fields(stream).values()]
    tables = {"fields": pd.DataFrame(rows)}
    for name, table in (("types", stream.table), ("checks", stream.checks)):
        if table is not None:
            tables[name] = table.copy()
    return tables


def _fields(stream: Stream) -> dict[str, Any]:
    return dict(stream.fields) or {str(stream.field.direction): stream.field}


def _said(stream: Stream) -> dict[str, Any]:
    """Return how the stream was made and drawn."""
    asked = {} if stream.options is None else asdict(stream.options)
    return {
        "fov": stream.fov,
        "model": stream.model,
        "asked": asked,
        "drawn": asdict(stream.look) | {"direction": str(stream.field.direction)},
        "pair": stream.pair,
        "made": stream.about,
    }


def _told(said: dict[str, Any]) -> dict[str, str]:
    """Return the same for ``uns``, where not every value may be a dictionary."""
    return {"caveat": CAVEAT, "how": json.dumps(said, allow_nan=False)}


def _keys(stream: Stream, cells: AnnData) -> dict[str, str]:
    """Return what each key of the AnnData file holds."""
    name = stream.model
    means = {
        f"obsm[{keys.flow(name)!r}]": "residual of what a cell receives, (x, y) um",
        f"obsm[{keys.flow(name, 'sent')!r}]": "residual of what it sends, (x, y) um",
        f"obsp[{keys.attention(name)!r}]": f"{TOP_K} strongest weights of each cell "
        "among all cells; row: query, column: key",
        f"obs[{keys.kind(name)!r}]": "cell type or cluster that chance keeps fixed",
        f"uns[{keys.UNS!r}]": "how it was made, and the tables",
    }
    there = {
        *(f"obsm[{key!r}]" for key in cells.obsm),
        *(f"obsp[{key!r}]" for key in cells.obsp),
        *(f"obs[{key!r}]" for key in cells.obs),
        *(f"uns[{key!r}]" for key in cells.uns),
    }
    return {key: text for key, text in means.items() if key in there}
