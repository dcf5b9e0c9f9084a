"""Slide and FieldOfView: what every reader hands over.

Both are thin: pixels, counts and transcripts are read by callables that a reader
supplies, and only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import SlideError, named

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.slides.report import ReadReport


class LazyImages(Mapping[str, "np.ndarray"]):
    """Channel name -> (H, W) image; a channel is opened when it is asked for.

    Parameters
    ----------
    openers
        For each channel a callable that returns its pixels.
    """

    def __init__(self, openers: Mapping[str, Callable[[], np.ndarray]]) -> None:
        self._openers = dict(openers)
        self._opened: dict[str, np.ndarray] = {}

    def __getitem__(self, channel: str) -> np.ndarray:
        if channel not in self._opened:
            self._opened[channel] = self._openers[channel]()
        return self._opened[channel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._openers)

    def __len__(self) -> int:
        return len(self._openers)


class FieldOfView:
    """One field of view: a table, a label image, channels and transcripts.

    Parameters
    ----------
    name
        Name of the FOV in its slide.
    pixel_size
        Edge of a pixel in um.
    shape
        (rows, columns) of the FOV in pixels.
    read_table
        Returns the cells of this FOV; ``obsm["spatial"]`` holds (x, y) in um
        from the FOV's top-left pixel, y down: row = y / pixel_size.
    read_labels
        Returns (H, W) labels, 1..n in table order, or None without a
        segmentation.
    images
        Channel name -> (H, W), opened on access.
    read_transcripts
        Returns x, y (um, same frame as the table), gene and cell, or None.
    origin
        (x, y) in um of the top-left pixel in the slide's frame.
    """

    def __init__(
        self,
        name: str,
        *,
        pixel_size: float,
        shape: tuple[int, int],
        read_table: Callable[[], AnnData],
        read_labels: Callable[[], np.ndarray | None] = lambda: None,
        images: Mapping[str, np.ndarray] | None = None,
        read_transcripts: Callable[[], pd.DataFrame | None] = lambda: None,
        origin: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.name = name
        self.pixel_size = float(pixel_size)
        self.shape = (int(shape[0]), int(shape[1]))
        self.images: Mapping[str, np.ndarray] = {} if images is None else images
        self.origin = (float(origin[0]), float(origin[1]))
        self._read_table = read_table
        self._read_labels = read_labels
        self._read_transcripts = read_transcripts

    @cached_property
    def table(self) -> AnnData:
        """Cells of this FOV, raw counts; read on first access."""
        return self._read_table()

    @cached_property
    def labels(self) -> np.ndarray | None:
        """(H, W) uint16 labels (uint32 above 65 534 cells), or None."""
        return self._read_labels()

    @cached_property
    def transcripts(self) -> pd.DataFrame | None:
        """Columns x, y (um), gene, cell; None where the slide has none."""
        return self._read_transcripts()

    def __repr__(self) -> str:
        height, width = self.shape
        return (
            f"FieldOfView({self.name!r}, {width} x {height} px of "
            f"{self.pixel_size:.4g} um, channels: {', '.join(self.images) or 'none'})"
        )


class Slide:
    """One imaged run or section on disk.

    Parameters
    ----------
    path
        Folder or file that was opened.
    format
        "cosmx", "merscope", "h5ad", "spatialdata" or "xenium".
    fov_cells
        Number of cells of each FOV, in the order in which FOVs are shown.
    report
        What the reader found, skipped and guessed; grows as FOVs are opened.
    read_table
        Returns all cells: raw counts as CSR, control probes in ``obsm``,
        ``obsm["spatial"]`` in slide um, y down.
    read_fov
        Returns the FOV of a name.
    name
        Name of the slide, where the folder's or file's name is not it.
    read_obs
        Returns what is known of all cells, without their counts, where that is
        quicker than reading the table.
    """

    def __init__(
        self,
        path: Path,
        *,
        format: str,
        fov_cells: Mapping[str, int],
        report: ReadReport,
        read_table: Callable[[], AnnData],
        read_fov: Callable[[str], FieldOfView],
        name: str = "",
        read_obs: Callable[[], pd.DataFrame] | None = None,
    ) -> None:
        self.path = Path(path)
        self._name = name
        self.format = format
        self.fov_cells = dict(fov_cells)
        self.report = report
        self._read_table = read_table
        self._read_fov = read_fov
        self._read_obs = read_obs
        self._fovs: dict[str, FieldOfView] = {}

    @property
    def name(self) -> str:
        """Name of the slide, for titles."""
        if self._name:
            return self._name
        return self.path.stem if self.path.is_file() else self.path.name

    @property
    def fovs(self) -> list[str]:
        """Names of the fields of view."""
        return list(self.fov_cells)

    @cached_property
    def table(self) -> AnnData:
        """All cells of the slide; read on first access."""
        return self._read_table()

    @property
    def obs(self) -> pd.DataFrame:
        """What is known of all cells; counts are read only where they must be."""
        if "table" in self.__dict__ or self._read_obs is None:
            obs: pd.DataFrame = self.table.obs
            return obs
        return self._read_obs()

    def fov(self, name: str) -> FieldOfView:
        """Return a field of view; its pixels and counts are read when touched.

        Raises
        ------
        SlideError
            If the slide has no FOV of that name.
        """
        if name not in self.fov_cells:
            raise SlideError(
                f"Slide {self.name} has no field of view {name!r}.",
                f"Choose one of {named(self.fovs, 12)}.",
            )
        if name not in self._fovs:
            self._fovs[name] = self._read_fov(name)
        return self._fovs[name]

    def release(self, name: str) -> None:
        """Forget what was read of a FOV, so that its memory can be used again."""
        self._fovs.pop(name, None)

    def __repr__(self) -> str:
        cells = sum(self.fov_cells.values())
        return (
            f"Slide({self.name!r}, {self.format}, {len(self.fovs)} FOVs, {cells} cells)"
        )
