"""Cut fields of view out of a tissue: cells are renumbered, molecules counted.

As on a real machine a field is segmented by itself: a cell that its border cuts becomes
a partial cell in each field, with the molecules that lie on that side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_scfm.slides.synthetic.tissue import Tissue


@dataclass(frozen=True)
class Window:
    """A rectangle of a tissue, in its pixels.

    Attributes
    ----------
    tissue
        Tissue that it is cut from.
    top, left
        First row and column.
    shape
        (rows, columns).
    min_area
        Pieces of cells below this area, in um2, are background.
    """

    tissue: Tissue
    top: int
    left: int
    shape: tuple[int, int]
    min_area: float = 12.0

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the tissue's pictures."""
        return (
            slice(self.top, self.top + self.shape[0]),
            slice(self.left, self.left + self.shape[1]),
        )

    @cached_property
    def parents(self) -> NDArray[np.intp]:
        """(n,) rows in ``tissue.cells`` of the cells 1..n of this window."""
        pixels = np.bincount(self.tissue.labels[self.area].ravel())
        pixels[0] = 0
        large = pixels * self.tissue.pixel_size**2 >= self.min_area
        return np.flatnonzero(large & (pixels > 0)) - 1

    @cached_property
    def labels(self) -> NDArray[np.uint16]:
        """(rows, columns) labels 1..n, 0 background."""
        number = np.zeros(int(self.tissue.labels.max()) + 1, dtype=np.uint16)
        number[self.parents + 1] = np.arange(1, len(self.parents) + 1)
        return number[self.tissue.labels[self.area]]

    @cached_property
    def molecules(self) -> pd.DataFrame:
        """x, y (um from the window's top-left), z, feature, cell, nuclear."""
        import pandas as pd

        size = self.tissue.pixel_size
        single = self.tissue.molecules
        rows, columns = single.pixels(size)
        rows, columns = rows - self.top, columns - self.left
        height, width = self.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns = rows[inside], columns[inside]
        nuclei = self.tissue.nucleus[self.area]
        return pd.DataFrame(
            {
                "x": single.x[inside] - self.left * size,
                "y": single.y[inside] - self.top * size,
                "z": single.z[inside],
                "feature": single.feature[inside],
                "cell": self.labels[rows, columns].astype(np.int64),
                "nuclear": nuclei[rows, columns] > 0,
            }
        )

    def counts(self) -> NDArray[np.int64]:
        """Return (n + 1, genes + controls) counts; row 0 lies outside cells."""
        features = len(self.tissue.genes) + self.tissue.controls
        cells = len(self.parents) + 1
        where = self.molecules["cell"].to_numpy() * features
        where = where + self.molecules["feature"].to_numpy()
        table = np.bincount(where, minlength=cells * features)
        result: NDArray[np.int64] = table.reshape(cells, features).astype(np.int64)
        return result

    def geometry(self) -> pd.DataFrame:
        """Return centroid (px), area (px), width and height (px) of cells 1..n."""
        import pandas as pd
        from scipy.ndimage import find_objects

        count = len(self.parents)
        flat = self.labels.ravel()
        rows, columns = np.divmod(np.arange(flat.size), self.shape[1])
        area = np.bincount(flat, minlength=count + 1)[1:]
        boxes = find_objects(self.labels)
        return pd.DataFrame(
            {
                "x": np.bincount(flat, columns, count + 1)[1:] / area + 0.5,
                "y": np.bincount(flat, rows, count + 1)[1:] / area + 0.5,
                "area": area,
                "width": [box[1].stop - box[1].start for box in boxes],
                "height": [box[0].stop - box[0].start for box in boxes],
            }
        )

    def brightness(self, channel: str, scale: float) -> pd.DataFrame:
        """Return mean and maximum of a channel in cells 1..n, times `scale`."""
        import pandas as pd
        from scipy.ndimage import maximum

        picture = self.tissue.images[channel][self.area]
        count = len(self.parents)
        flat = self.labels.ravel()
        area = np.bincount(flat, minlength=count + 1)[1:]
        total = np.bincount(flat, picture.ravel(), count + 1)[1:]
        top = maximum(picture, self.labels, np.arange(1, count + 1))
        light = {"mean": total / area, "max": np.asarray(top)}
        return pd.DataFrame(light) * scale

    def truth(self) -> pd.DataFrame:
        """Return the planted truth of cells 1..n: type, domain, programs, signals."""
        import pandas as pd

        from napari_scfm.slides.synthetic.programs import INTERACTIONS, PROGRAMS

        made = self.tissue.expression
        cells = self.tissue.cells.iloc[self.parents]
        columns = {
            "parent": self.parents + 1,
            "cell_type": cells["cell_type"].to_numpy(),
            "domain": cells["domain"].to_numpy(),
            "x_tissue_um": cells["x"].to_numpy().round(2),
            "y_tissue_um": cells["y"].to_numpy().round(2),
            "depth": cells["depth"].to_numpy().round(3),
        }
        for position, program in enumerate(PROGRAMS):
            values = made.programs[self.parents, position]
            columns[f"program_{program.name}"] = values.round(3)
        for position, interaction in enumerate(INTERACTIONS):
            values = made.signals[self.parents, position]
            columns[f"signal_{interaction.name}"] = values.round(3)
        return pd.DataFrame(columns)
