"""Write a tissue as a CosMx slide in the layout of the public flat files.

y points up, locally and globally, as there; `fov_positions` also carries millimetres,
so that a reader can tell the pixel size of fields smaller than the machine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.errors import SlideError
from napari_scfm.slides.synthetic.tables import write_csv, write_tiff, write_truth
from napari_scfm.slides.synthetic.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_scfm.slides.synthetic.tissue import Tissue

STAINS: Final = {
    "PanCK": ("PanCK", 9000.0),
    "CD45": ("CD45", 5000.0),
    "Membrane": ("Membrane", 6000.0),
    "PolyT": ("PolyT", 4000.0),
    "DAPI": ("DAPI", 3000.0),
}
"""Stain of the metadata -> channel of the tissue and its full scale in grey values."""

ORIGIN_PX: Final = (1500.0, -24_000.0)
"""Global position of the bottom-left corner of the block, in px."""


def write_cosmx(
    tissue: Tissue,
    folder: Path,
    *,
    name: str = "Synthetic",
    block: tuple[int, int] = (2, 2),
    fov_px: int = 1200,
    transcripts: float = 0.06,
    quality: int = 82,
) -> Path:
    """Write a slide of touching fields cut from the middle of a tissue.

    Parameters
    ----------
    tissue
        Tissue to cut; it must be at least as large as the block.
    folder
        Where the slide goes; made if missing.
    name
        Prefix of the files.
    block
        Rows and columns of fields; they are numbered from the top-left, from 1.
    fov_px
        Edge of a field in px.
    transcripts
        Share of the molecules that the transcript file lists. The counts are always
        those of all molecules.
    quality
        JPEG quality of the composites.

    Raises
    ------
    SlideError
        If the tissue is smaller than the block.
    """
    import pandas as pd

    fields = _fields(tissue, block, fov_px)
    for place in ("CellComposite", "CellLabels", "truth"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    parts = [
        _Field(number, window, block, fov_px)
        for number, window in enumerate(fields, start=1)
    ]
    for part in parts:
        _write_images(part, folder, quality)
    tables = {
        "exprMat_file.csv": [part.counts() for part in parts],
        "metadata_file.csv": [part.metadata() for part in parts],
        "fov_positions_file.csv": [part.position() for part in parts],
    }
    for file, frames in tables.items():
        write_csv(pd.concat(frames), folder / f"{name}_{file}")
    outlines = [part.polygons() for part in parts]
    write_csv(pd.concat(outlines), folder / f"{name}-polygons.csv.gz")
    rng = np.random.default_rng([tissue.seed, 1])
    listed = [part.transcripts(rng, transcripts) for part in parts]
    write_csv(pd.concat(listed), folder / f"{name}_tx_file.csv.gz")
    write_csv(pd.concat([p.truth() for p in parts]), folder / "truth/truth_cells.csv")
    write_truth(tissue.truth(), folder / "truth/truth.h5ad")
    return folder


def _fields(tissue: Tissue, block: tuple[int, int], fov_px: int) -> list[Window]:
    height, width = tissue.labels.shape
    top, left = (height - block[0] * fov_px) // 2, (width - block[1] * fov_px) // 2
    if top < 0 or left < 0:
        raise SlideError(
            f"A tissue of {width} x {height} px is too small for {block[1]} x "
            f"{block[0]} fields of {fov_px} px.",
            "Simulate a larger tissue or ask for fewer or smaller fields.",
        )
    return [
        Window(tissue, top + row * fov_px, left + column * fov_px, (fov_px, fov_px))
        for row in range(block[0])
        for column in range(block[1])
    ]


class _Field:
    """One field of view and its rows in the vendor's tables."""

    def __init__(
        self, number: int, window: Window, block: tuple[int, int], fov_px: int
    ) -> None:
        self.number, self.window, self.size = number, window, fov_px
        row, column = divmod(number - 1, block[1])
        self.origin = (
            ORIGIN_PX[0] + column * fov_px,
            ORIGIN_PX[1] + (block[0] - 1 - row) * fov_px,
        )
        self.pixel_size = window.tissue.pixel_size

    @property
    def features(self) -> list[str]:
        tissue = self.window.tissue
        return tissue.genes + [f"NegPrb{n}" for n in range(1, tissue.controls + 1)]

    def counts(self) -> pd.DataFrame:
        import pandas as pd

        counts = self.window.counts()
        table = pd.DataFrame(counts, columns=self.features)
        table.insert(0, "cell_ID", np.arange(len(counts)))
        table.insert(0, "fov", self.number)
        return table

    def metadata(self) -> pd.DataFrame:
        import pandas as pd

        form = self.window.geometry()
        x, y = (
            form["x"].round().astype(int),
            (self.size - form["y"]).round().astype(int),
        )
        table = pd.DataFrame(
            {
                "fov": self.number,
                "cell_ID": np.arange(1, len(form) + 1),
                "Area": form["area"],
                "AspectRatio": (form["width"] / form["height"]).round(2),
                "CenterX_local_px": x,
                "CenterY_local_px": y,
                "CenterX_global_px": self.origin[0] + x,
                "CenterY_global_px": self.origin[1] + y,
                "Width": form["width"],
                "Height": form["height"],
            }
        )
        for stain, (channel, scale) in STAINS.items():
            light = self.window.brightness(channel, scale)
            table[f"Mean.{stain}"] = light["mean"].round().astype(int)
            table[f"Max.{stain}"] = light["max"].round().astype(int)
        table["cell_type"] = self.window.truth()["cell_type"]
        return table

    def position(self) -> pd.DataFrame:
        import pandas as pd

        mm = self.pixel_size / 1000.0
        return pd.DataFrame(
            {
                "fov": [self.number],
                "x_global_px": [self.origin[0]],
                "y_global_px": [self.origin[1]],
                "x_global_mm": [round(self.origin[0] * mm, 6)],
                "y_global_mm": [round(self.origin[1] * mm, 6)],
            }
        )

    def polygons(self) -> pd.DataFrame:
        import pandas as pd

        from napari_scfm.slides.synthetic.polygons import outline

        frames = []
        for cell in range(1, len(self.window.parents) + 1):
            ring = outline(self.window.labels, cell, tolerance=1.2)
            x = np.rint(ring[:, 0]).astype(int)
            y = np.rint(self.size - ring[:, 1]).astype(int)
            frames.append(
                pd.DataFrame(
                    {
                        "fov": self.number,
                        "cellID": cell,
                        "x_local_px": x,
                        "y_local_px": y,
                        "x_global_px": self.origin[0] + x,
                        "y_global_px": self.origin[1] + y,
                    }
                )
            )
        return pd.concat(frames)

    def transcripts(self, rng: np.random.Generator, share: float) -> pd.DataFrame:
        import pandas as pd

        every = self.window.molecules
        chosen = rng.choice(len(every), round(len(every) * share), replace=False)
        some = every.iloc[np.sort(chosen)]
        x = (some["x"] / self.pixel_size).round(1)
        y = (self.size - some["y"] / self.pixel_size).round(1)
        part = np.where(some["nuclear"], "Nuclear", "Cytoplasm")
        return pd.DataFrame(
            {
                "fov": self.number,
                "cell_ID": some["cell"],
                "x_global_px": (self.origin[0] + x).round(1),
                "y_global_px": (self.origin[1] + y).round(1),
                "x_local_px": x,
                "y_local_px": y,
                "z": some["z"],
                "target": np.array(self.features)[some["feature"]],
                "CellComp": np.where(some["cell"] > 0, part, "None"),
            }
        )

    def truth(self) -> pd.DataFrame:
        table = self.window.truth()
        table.insert(0, "cell_ID", np.arange(1, len(table) + 1))
        table.insert(0, "fov", self.number)
        return table


def _write_images(field: _Field, folder: Path, quality: int) -> None:
    from PIL import Image

    stem = f"F{field.number:03d}"
    window = field.window
    write_tiff(window.labels, folder / f"CellLabels/CellLabels_{stem}.tif")
    Image.fromarray(_composite(window)).save(
        folder / f"CellComposite/CellComposite_{stem}.jpg",
        quality=quality,
        subsampling=0,
    )


def _composite(window: Window) -> NDArray[np.uint8]:
    """Return the (H, W, 3) picture: red CD45, green PanCK, blue DAPI, grey membrane."""
    light = {name: image[window.area] for name, image in window.tissue.images.items()}
    membrane = 0.3 * light["Membrane"]
    layers: Sequence[NDArray[np.float32]] = (
        0.9 * light["CD45"] + membrane,
        0.9 * light["PanCK"] + membrane,
        0.68 * light["DAPI"] + membrane,
    )
    picture = np.clip(np.stack(layers, axis=-1), 0.0, 1.0) ** 0.85
    result: NDArray[np.uint8] = np.rint(picture * 255.0).astype(np.uint8)
    return result
