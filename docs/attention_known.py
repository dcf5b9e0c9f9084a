"""Draws attention whose answer is known, on the cells of a field of view.

Run: python docs/attention_known.py SLIDE --fov F --out PICTURE
Three panels: arrows of random weights on all cells, as they are; what is left of random
weights on near cells after geometry; and what is left where the lower half was made to
look leftwards a little more. No model takes part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

import napari_scfm as scfm
from napari_scfm.analysis.streams.streamlines import StreamLook, draw_streams
from napari_scfm.figures.panels import attention_panel
from napari_scfm.slides.samples import sample_path

NEAREST, BIAS = 30, 0.3


def main() -> None:
    """Draw the figure; print the p-values."""
    asked = options()
    fov = scfm.read_slide(asked.slide).fov(asked.fov)
    xy = np.asarray(fov.table.obsm["spatial"], dtype=float)
    noise = np.random.default_rng(0).random((len(xy), len(xy)))
    cases = {
        "Random weights, raw arrows": (noise, None, StreamLook(raw=True)),
        "Random weights, the rest": (near_weights(xy, 0.0), NEAREST, StreamLook()),
        f"A bias of {BIAS:g} in the lower half": (
            near_weights(xy, BIAS),
            NEAREST,
            StreamLook(),
        ),
    }
    panels = []
    for title, (weights, near, look) in cases.items():
        attention = scfm.Attention.from_matrix(weights)
        field = scfm.attention_field(attention, xy, neighbours=near)
        print(f"{title}: p = {field.p_value:.2g}, shares {field.shares}")
        lines = draw_streams(field, look)
        panels.append(attention_panel(fov, field, lines, look=look, title=title))
    scfm.export_figure(fov, panels, asked.out, dpi=110)


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", default=sample_path("cosmx"), type=Path)
    parser.add_argument("--fov", default="F004")
    parser.add_argument("--out", default="demo/attention_known.png", type=Path)
    return parser.parse_args()


def near_weights(xy: np.ndarray, bias: float, seed: int = 0) -> sparse.csr_array:
    """Return random weights on near cells; in the lower half left ones weigh more."""
    _, near = cKDTree(xy).query(xy, k=NEAREST + 1)
    rows, columns = np.repeat(np.arange(len(xy)), NEAREST), near[:, 1:].ravel()
    away = xy[columns] - xy[rows]
    along = away[:, 0] / np.maximum(np.linalg.norm(away, axis=1), 1e-9)
    lower = xy[rows, 1] > np.median(xy[:, 1])
    drawn = np.random.default_rng(seed).random(len(rows))
    values = drawn * (1 - bias * along * lower)
    return sparse.csr_array((values, (rows, columns)), shape=(len(xy), len(xy)))


if __name__ == "__main__":
    main()
