"""Write a tissue as a MERSCOPE region: parquet boundaries, mosaics, um everywhere.

Rows of the mosaics grow with y, as there, so nothing is flipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.errors import SlideError
from napari_scfm.slides.synthetic.tables import write_csv, write_tiff, write_truth
from napari_scfm.slides.synthetic.windows import Window

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from shapely.geometry import MultiPolygon

    from napari_scfm.slides.synthetic.tissue import Tissue

MARGIN_UM: Final = 12.0
ORIGIN_UM: Final = (4210.0, 3120.0)
FIRST_ID: Final = 2_684_562_900_001_100_001
PLANES: Final = 3
IMAGE_PLANE: Final = 1
STAINS: Final = {"DAPI": "DAPI", "PolyT": "PolyT", "Cellbound1": "Membrane"}
"""Stain of the mosaics -> channel of the tissue."""

_STEP: Final = 240
_FULL_SCALE: Final = 24_000.0


def write_merscope(
    tissue: Tissue, folder: Path, *, fovs: int = 2, transcripts: float = 0.06
) -> Path:
    """Write the region ``folder/region_0``.

    Parameters
    ----------
    tissue
        Tissue; a margin of 12 um is left out, so that no cell ends at its border.
    folder
        Where the region goes; made if missing.
    fovs
        Number of fields, side by side.
    transcripts
        Share of the molecules that the transcript file lists. The counts are always
        those of all molecules.

    Raises
    ------
    SlideError
        If the tissue is too small to leave a margin.
    """
    region = _Region.cut(tissue, fovs)
    target = folder / "region_0"
    (target / "images").mkdir(parents=True, exist_ok=True)
    (folder / "truth").mkdir(exist_ok=True)
    write_csv(region.counts(), target / "cell_by_gene.csv")
    write_csv(region.metadata(), target / "cell_metadata.csv")
    rng = np.random.default_rng([tissue.seed, 2])
    listed = region.transcripts(rng, transcripts)
    write_csv(listed, target / "detected_transcripts.csv", index=True)
    _write_boundaries(region, target / "cell_boundaries.parquet")
    _write_images(region, target / "images")
    truth = region.window.truth().iloc[region.shown - 1]
    truth.insert(0, "EntityID", region.ids)
    write_csv(truth, folder / "truth/truth_cells.csv")
    write_truth(tissue.truth(), folder / "truth/truth.h5ad")
    return folder


@dataclass(frozen=True)
class _Region:
    """The part of a tissue that is written.

    Attributes
    ----------
    window
        Cut of the tissue.
    fovs
        Number of fields.
    shown
        Labels in the window of the cells that are written: those with their centre
        inside.
    """

    window: Window
    fovs: int
    shown: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def cut(cls, tissue: Tissue, fovs: int) -> _Region:
        margin = round(MARGIN_UM / tissue.pixel_size)
        height, width = (size - 2 * margin for size in tissue.labels.shape)
        if min(height, width) < margin:
            raise SlideError(
                f"A tissue of {tissue.labels.shape[1]} x {tissue.labels.shape[0]} px "
                f"is too small for a region with a margin of {MARGIN_UM:g} um.",
                "Simulate a larger tissue.",
            )
        window = Window(tissue, margin, margin, (height, width))
        centres = tissue.cells[["x", "y"]].to_numpy()[window.parents]
        low = margin * tissue.pixel_size
        high = low + np.array([width, height]) * tissue.pixel_size
        inside = ((centres > low) & (centres < high)).all(axis=1)
        return cls(window, fovs, np.flatnonzero(inside).astype(np.int64) + 1)

    @property
    def ids(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return FIRST_ID + 7 * self.shown

    @property
    def pixel_size(self) -> float:
        return self.window.tissue.pixel_size

    @property
    def features(self) -> list[str]:
        tissue = self.window.tissue
        return tissue.genes + [f"Blank-{n}" for n in range(1, tissue.controls + 1)]

    def fov_of(self, x_px: pd.Series[float]) -> pd.Series[int]:
        """Return the field of columns in px."""
        width = self.window.shape[1] / self.fovs
        return (x_px // width).clip(0, self.fovs - 1).astype(int)

    def counts(self) -> pd.DataFrame:
        import pandas as pd

        table = pd.DataFrame(self.window.counts()[self.shown], columns=self.features)
        table.insert(0, "cell", self.ids)
        return table

    def metadata(self) -> pd.DataFrame:
        import pandas as pd

        form = self.window.geometry().iloc[self.shown - 1].reset_index(drop=True)
        size = self.pixel_size
        bounds = np.array([ring.bounds for ring in self.polygons()])
        genes = len(self.window.tissue.genes)
        counts = self.window.counts()[self.shown]
        table = pd.DataFrame(
            {
                "EntityID": self.ids,
                "fov": self.fov_of(form["x"]),
                "volume": (form["area"] * size**2 * 1.5 * PLANES).round(3),
                "center_x": (ORIGIN_UM[0] + form["x"] * size).round(4),
                "center_y": (ORIGIN_UM[1] + form["y"] * size).round(4),
                "min_x": bounds[:, 0].round(4),
                "min_y": bounds[:, 1].round(4),
                "max_x": bounds[:, 2].round(4),
                "max_y": bounds[:, 3].round(4),
                "anisotropy": (form["width"] / form["height"]).round(3),
                "transcript_count": counts[:, :genes].sum(axis=1),
            }
        )
        for stain, channel in STAINS.items():
            light = self.window.brightness(channel, _FULL_SCALE).iloc[self.shown - 1]
            table[f"{stain}_raw"] = (light["mean"].to_numpy() * form["area"]).round(1)
        truth = self.window.truth().iloc[self.shown - 1]
        table["cell_type"] = truth["cell_type"].to_numpy()
        return table

    def polygons(self) -> list[MultiPolygon]:
        """Return the outline of each cell in um, as a shapely MultiPolygon."""
        from shapely.geometry import MultiPolygon, Polygon

        from napari_scfm.slides.synthetic.polygons import outline

        size = self.pixel_size
        shapes = []
        for cell in self.shown:
            ring = outline(self.window.labels, int(cell), tolerance=0.9)
            shapes.append(MultiPolygon([Polygon(ring * size + ORIGIN_UM)]))
        return shapes

    def transcripts(self, rng: np.random.Generator, share: float) -> pd.DataFrame:
        import pandas as pd

        every = self.window.molecules
        chosen = rng.choice(len(every), round(len(every) * share), replace=False)
        some = every.iloc[np.sort(chosen)].reset_index(drop=True)
        column, row = some["x"] / self.pixel_size, some["y"] / self.pixel_size
        known = np.isin(some["cell"], self.shown)
        width = self.window.shape[1] / self.fovs
        return pd.DataFrame(
            {
                "barcode_id": some["feature"],
                "global_x": (ORIGIN_UM[0] + some["x"]).round(2),
                "global_y": (ORIGIN_UM[1] + some["y"]).round(2),
                "global_z": some["z"].astype(float),
                "x": (column % width).round(1),
                "y": row.round(1),
                "fov": self.fov_of(column),
                "gene": np.array(self.features)[some["feature"]],
                "cell_id": np.where(known, FIRST_ID + 7 * some["cell"], -1),
            }
        )


def _write_boundaries(region: _Region, path: Path) -> None:
    """Write GeoParquet: the outline of each cell, repeated for each plane."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    shapes = np.repeat(np.array(region.polygons(), dtype=object), PLANES)
    plane = np.tile(np.arange(PLANES), len(region.ids))
    table = pa.table(
        {
            "ID": np.arange(len(shapes)),
            "EntityID": np.repeat(region.ids, PLANES),
            "ZIndex": plane,
            "Geometry": pa.array(shapely.to_wkb(shapes).tolist(), pa.binary()),
            "Type": pa.array(["cell"] * len(shapes)),
            "ZLevel": 1.5 * (plane + 1.0),
            "Name": pa.nulls(len(shapes)),
            "ParentID": pa.nulls(len(shapes)),
            "ParentType": pa.nulls(len(shapes)),
        }
    )
    geo = {
        "version": "1.0.0",
        "primary_column": "Geometry",
        "columns": {
            "Geometry": {
                "encoding": "WKB",
                "crs": None,
                "geometry_types": ["MultiPolygon"],
                "bbox": [float(v) for v in shapely.total_bounds(shapes)],
            }
        },
    }
    table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path, compression="zstd", compression_level=15)


def _write_images(region: _Region, folder: Path) -> None:
    """Write mosaics in steps of 240 grey values, the transform and the manifest."""
    scale = 1.0 / region.pixel_size
    names = []
    for stain, channel in STAINS.items():
        light = region.window.tissue.images[channel][region.window.area]
        grey = np.rint(light * (_FULL_SCALE / _STEP)).astype(np.uint16) * _STEP
        name = f"mosaic_{stain}_z{IMAGE_PLANE}.tif"
        write_tiff(grey.astype(np.uint16), folder / name, tile=(256, 256))
        names.append({"stain": stain, "z": IMAGE_PLANE, "file_name": name})
    rows = [
        (scale, 0.0, -scale * ORIGIN_UM[0]),
        (0.0, scale, -scale * ORIGIN_UM[1]),
        (0.0, 0.0, 1.0),
    ]
    text = "\n".join(" ".join(f"{value:.18e}" for value in row) for row in rows)
    transform = folder / "micron_to_mosaic_pixel_transform.csv"
    transform.write_text(text + "\n", encoding="utf-8")
    height, width = region.window.shape
    far = np.array([width, height]) * region.pixel_size + ORIGIN_UM
    manifest = {
        "microns_per_pixel": region.pixel_size,
        "mosaic_width_pixels": width,
        "mosaic_height_pixels": height,
        "bbox_microns": [*ORIGIN_UM, *(round(float(v), 6) for v in far)],
        "mosaic_files": names,
    }
    (folder / "manifest.json").write_text(
        json.dumps(manifest, indent=2) + "\n", encoding="utf-8"
    )
