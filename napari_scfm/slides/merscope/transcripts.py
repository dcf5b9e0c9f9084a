"""Transcripts of a MERSCOPE FOV, cut from the region's file by their position.

Decides: the file (10^8 rows at times) is read in pieces, of which only what lies in
the FOV is kept. ``cell`` comes from the file's ``cell_id``, else from the labels;
it is "" outside cells.
"""

from __future__ import annotations

import csv as text_csv
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError
from napari_scfm.slides.csvfile import CsvFile, open_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_scfm.slides.merscope.fov import MerscopeFov


def read_transcripts(path: Path, fov: MerscopeFov) -> pd.DataFrame:
    """Read the transcripts inside a FOV.

    Returns
    -------
    pandas.DataFrame
        Columns x, y (um from the FOV's top-left pixel), gene, cell.

    Raises
    ------
    SlideError
        If the file is damaged.
    """
    import pandas as pd

    table = _inside(path, fov)
    pixels = fov.pixels(table[["global_x", "global_y"]].to_numpy(dtype=float))
    if "cell_id" in table:
        named = table["cell_id"].astype(str).to_numpy(dtype=object)
        cells = np.where(np.isin(named, fov.cells.id), named, "")
    else:
        cells = _cells_below(pixels, fov)
    return pd.DataFrame(
        {
            "x": pixels[:, 0] * fov.pixel_size,
            "y": pixels[:, 1] * fov.pixel_size,
            "gene": pd.Categorical(table["gene"].astype(str)),
            "cell": pd.Categorical(cells),
        }
    )


def _inside(path: Path, fov: MerscopeFov) -> pd.DataFrame:
    """Stream the file and keep the rows in the FOV's box."""
    import pandas as pd

    file = CsvFile(path)
    wanted = ["global_x", "global_y", "gene"]
    for name in wanted:
        file.require(name)
    wanted += [name for name in ("cell_id",) if name in file.header]
    kept = []
    try:
        with open_bytes(path) as stream:
            for piece in pd.read_csv(
                stream,
                usecols=wanted,
                dtype={"cell_id": "str", "gene": "str"},
                chunksize=1_000_000,
                quoting=text_csv.QUOTE_MINIMAL,
            ):
                at = fov.pixels(piece[["global_x", "global_y"]].to_numpy(dtype=float))
                rows, columns = fov.shape
                inside = (at >= -0.5).all(axis=1) & (at < (columns, rows)).all(axis=1)
                kept.append(piece[inside])
    except (ValueError, EOFError, OSError) as error:
        raise SlideError(
            f"{path} cannot be read to its end: {error}.",
            "The file looks damaged: copy it again.",
        ) from error
    return pd.concat(kept)


def _cells_below(pixels: np.ndarray, fov: MerscopeFov) -> np.ndarray:
    names = np.concatenate([[""], fov.cells.id.astype(str)]).astype(object)
    if fov.labels is None:
        return np.full(len(pixels), "", dtype=object)
    at = np.rint(pixels).astype(int).clip(0, np.array(fov.shape[::-1]) - 1)
    found: np.ndarray = names[fov.labels[at[:, 1], at[:, 0]]]
    return found
