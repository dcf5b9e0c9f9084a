"""A CosMx slide of a few cells, small enough to be damaged in many ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 60
SIDE = 8


def write_tiny_cosmx(root: Path, *, fovs: int = 2, genes: int = 5) -> Path:
    """Write legacy flat files: FOVs of 60 x 60 px with square cells of 8 x 8 px.

    FOV ``f`` has ``f + 2`` cells with ids 2, 4, 6...; cell k of FOV f counts
    ``10 f + k`` of the first gene. Local y runs up.
    """
    root.mkdir(parents=True, exist_ok=True)
    names = [f"GENE{i}" for i in range(genes)]
    metadata, counts, positions = [], [], []
    for fov in range(1, fovs + 1):
        labels = np.zeros((SIZE, SIZE), dtype=np.uint16)
        left, bottom = 1000 + SIZE * fov, 500
        positions.append({"fov": fov, "x_global_px": left, "y_global_px": bottom})
        counts.append({"fov": fov, "cell_ID": 0, **dict.fromkeys(names, 900)})
        for k in range(1, fov + 3):
            row, column = 5 + 11 * (k - 1), 4 + 3 * k
            labels[row : row + SIDE, column : column + SIDE] = 2 * k
            x, y = column + SIDE / 2, SIZE - (row + SIDE / 2)
            metadata.append(
                {
                    "fov": fov,
                    "cell_ID": 2 * k,
                    "Area": SIDE**2,
                    "CenterX_local_px": x,
                    "CenterY_local_px": y,
                    "CenterX_global_px": left + x,
                    "CenterY_global_px": bottom + y,
                    "Mean.DAPI": 7,
                }
            )
            row_of = dict.fromkeys(names, k) | {names[0]: 10 * fov + k}
            counts.append({"fov": fov, "cell_ID": 2 * k, **row_of, "NegPrb1": k % 2})
        for folder in ("CellLabels", "CellComposite"):
            (root / folder).mkdir(exist_ok=True)
        tifffile.imwrite(root / f"CellLabels/CellLabels_F{fov:03d}.tif", labels)
        picture = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
        picture[..., 2] = (labels > 0) * 200
        Image.fromarray(picture).save(
            root / f"CellComposite/CellComposite_F{fov:03d}.jpg", quality=95
        )
    frame = pd.DataFrame(counts).fillna(0)
    order = ["fov", "cell_ID", names[0], "NegPrb1", *names[1:]]
    frame[order].astype(int).to_csv(root / "Tiny_exprMat_file.csv", index=False)
    pd.DataFrame(metadata).to_csv(root / "Tiny_metadata_file.csv", index=False)
    pd.DataFrame(positions).to_csv(root / "Tiny_fov_positions_file.csv", index=False)
    return root


@pytest.fixture
def tiny_cosmx(tmp_path: Path) -> Path:
    """Folder with the tiny CosMx slide."""
    return write_tiny_cosmx(tmp_path / "Tiny")
