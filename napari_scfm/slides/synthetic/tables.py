"""Write files in a way that gives the same bytes each time."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


def write_csv(table: pd.DataFrame, path: Path, index: bool = False) -> None:
    """Write a CSV file; gzipped, without a time stamp, if its name says so."""
    text = table.to_csv(index=index, lineterminator="\n")
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def write_tiff(
    image: NDArray[np.generic], path: Path, tile: tuple[int, int] | None = None
) -> None:
    """Write a zlib-compressed TIFF file, in tiles if asked."""
    import tifffile

    tifffile.imwrite(
        path,
        image,
        compression="zlib",
        compressionargs={"level": 9},
        predictor=True,
        tile=tile,
        photometric="minisblack",
        metadata=None,
        software="napari-scfm",
    )


def write_truth(table: AnnData, path: Path) -> None:
    """Write the truth of a tissue as a small .h5ad: rates to 0.4 %."""
    import numpy as np

    # eight bits of the mantissa are left: a third of the size, 0.4 % of the value
    bits = table.layers["rate"].astype(np.float16).view(np.uint16)
    table.layers["rate"] = (bits & np.uint16(0xFFFC)).view(np.float16)
    table.write_h5ad(path, compression="gzip", compression_opts=9)
