"""Outlines of MERSCOPE cells, from GeoParquet or from hdf5 files.

Decides: the z plane with the outlines of most cells is drawn (of equal ones, the
plane with most mosaics, then the middle one); a cell without outline there, or with
a speck of less than 1 um2, is drawn from the nearest plane that has one. Parts and
holes of an outline go to the raster as rings, invalid ones are repaired by shapely,
never dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SlideError, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Rings = list[np.ndarray]
_SAMPLE_FILES = 8
SPECK_UM2 = 1.0


class Boundaries(ABC):
    """Outlines of cells on z planes."""

    @abstractmethod
    def planes(self) -> Mapping[int, int]:
        """Return z plane -> number of cells with an outline there."""

    @abstractmethod
    def outlines(self, ids: Sequence[str]) -> Mapping[str, Mapping[int, Rings]]:
        """Return cell -> z plane -> rings (m, 2) in um, where there are any."""

    def best_plane(self, mosaics: Mapping[int, int]) -> int | None:
        """Choose the plane to draw.

        Parameters
        ----------
        mosaics
            z plane -> number of stains imaged there.
        """
        planes = self.planes()
        if not planes:
            return None
        middle = float(np.median(list(planes)))
        return min(
            planes,
            key=lambda z: (-planes[z], -mosaics.get(z, 0), abs(z - middle), z),
        )

    def rings(self, ids: Sequence[str], plane: int) -> tuple[list[Rings | None], int]:
        """Return the rings of each cell, and how many came from another plane."""
        outlines = self.outlines(ids)
        drawn: list[Rings | None] = []
        elsewhere = 0
        for cell in ids:
            by_plane = outlines.get(cell)
            if not by_plane:
                drawn.append(None)
                continue
            z = nearest_outline(by_plane, plane)
            elsewhere += z != plane
            drawn.append(by_plane[z])
        return drawn, elsewhere


def nearest_outline(by_plane: Mapping[int, Rings], plane: int) -> int:
    """Return the plane nearest to ``plane`` where the outline is more than a speck."""
    whole = [z for z, rings in by_plane.items() if area(rings) >= SPECK_UM2]
    return min(whole or by_plane, key=lambda z: (abs(z - plane), z))


def area(rings: Rings) -> float:
    """Return the area that the largest ring encloses."""
    areas = [0.0]
    for ring in rings:
        x, y = ring.T
        areas.append(0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return float(max(areas))


class ParquetBoundaries(Boundaries):
    """GeoParquet, one row a cell and plane; only the needed row groups are read.

    Parameters
    ----------
    path
        ``cell_boundaries.parquet`` or vpt's ``*_micron_space.parquet``.

    Raises
    ------
    SlideError
        If the file is no such table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repaired = 0
        columns = [str(n) for n in self._open().schema_arrow.names]
        lower = {name.lower(): name for name in columns}
        self._geometry = lower.get("geometry", "")
        self._id = lower.get("entityid", lower.get("cell_id", ""))
        self._z = lower.get("zindex")
        if not self._geometry or not self._id:
            raise SlideError(
                f"{path} has no columns EntityID and Geometry, but {named(columns)}.",
                "Copy the boundaries file again from the instrument's output.",
            )

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowInvalid, OSError) as error:
            raise SlideError(
                f"{self.path} cannot be read as parquet: {error}.",
                "The file looks damaged: copy it again.",
            ) from error

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Cell and plane of every row."""
        import pyarrow as pa

        with self._open() as file:
            columns = [self._id] + ([self._z] if self._z else [])
            table = file.read(columns=columns)
        ids = table.column(self._id)
        if pa.types.is_floating(ids.type):
            ids = ids.cast(pa.int64(), safe=False)
        cells = ids.cast(pa.string()).to_numpy(zero_copy_only=False)
        if self._z is None:
            return cells, np.zeros(len(cells), dtype=int)
        return cells, table.column(self._z).to_numpy().astype(int)

    def planes(self) -> Mapping[int, int]:
        """Return z plane -> number of cells with an outline there."""
        values, counts = np.unique(self._rows[1], return_counts=True)
        return {int(z): int(n) for z, n in zip(values, counts, strict=True)}

    def outlines(self, ids: Sequence[str]) -> Mapping[str, Mapping[int, Rings]]:
        """Return cell -> z plane -> rings in um."""
        cells, planes = self._rows
        wanted = set(ids)
        rows = np.flatnonzero([cell in wanted for cell in cells])
        found: dict[str, dict[int, Rings]] = {}
        shapes = self._shapes(rows)
        for row, shape in zip(rows, shapes, strict=True):
            rings = polygon_rings(shape)
            if rings:
                found.setdefault(cells[row], {})[int(planes[row])] = rings
        return found

    def _shapes(self, rows: np.ndarray) -> np.ndarray:
        """Read the geometries of some rows, invalid ones repaired."""
        import shapely

        parts = [np.empty(0, dtype=object)]
        with self._open() as file:
            start = 0
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                inside = rows[(rows >= start) & (rows < stop)] - start
                if len(inside):
                    table = file.read_row_group(group, columns=[self._geometry])
                    wkb = table.column(0).take(inside).to_numpy(zero_copy_only=False)
                    parts.append(shapely.from_wkb(wkb, on_invalid="ignore"))
                start = stop
        shapes = np.concatenate(parts)
        invalid = ~(shapely.is_valid(shapes) | shapely.is_missing(shapes))
        self.repaired += int(invalid.sum())
        shapes[invalid] = shapely.make_valid(shapes[invalid])
        return shapes


def polygon_rings(shape: Any) -> Rings:
    """Return exteriors and holes of a geometry's polygons; lines are left out."""
    import shapely

    if shape is None or shapely.is_empty(shape):
        return []
    parts = shapely.get_parts(shape, return_index=False)
    if shape.geom_type == "GeometryCollection":
        parts = np.concatenate([shapely.get_parts(p) for p in parts])
    rings: Rings = []
    for part in parts:
        if part.geom_type == "Polygon":
            rings += [
                shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(part)
            ]
    return rings


class Hdf5Boundaries(Boundaries):
    """hdf5 files, one a FOV: ``featuredata/<id>/zIndex_<k>/p_<j>/coordinates``.

    Parameters
    ----------
    paths
        The files.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)

    @cached_property
    def _home(self) -> dict[str, Path]:
        """Cell -> its file."""
        home: dict[str, Path] = {}
        for path in self.paths:
            with _open_hdf5(path) as file:
                home |= dict.fromkeys(file.get("featuredata", {}), path)
        return home

    def planes(self) -> Mapping[int, int]:
        """Return z plane -> number of cells, from up to eight of the files."""
        counts: Counter[int] = Counter()
        step = max(len(self.paths) // _SAMPLE_FILES, 1)
        for path in self.paths[::step]:
            with _open_hdf5(path) as file:
                for cell in file.get("featuredata", {}).values():
                    counts.update(z for z, _ in _filled(cell))
        return counts

    def outlines(self, ids: Sequence[str]) -> Mapping[str, Mapping[int, Rings]]:
        """Return cell -> z plane -> rings in um."""
        by_file: dict[Path, list[str]] = {}
        for cell in ids:
            if cell in self._home:
                by_file.setdefault(self._home[cell], []).append(cell)
        found: dict[str, dict[int, Rings]] = {}
        for path, cells in by_file.items():
            with _open_hdf5(path) as file:
                for cell in cells:
                    found[cell] = {
                        z: _parts(group)
                        for z, group in _filled(file["featuredata"][cell])
                    }
        return found


def _open_hdf5(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise SlideError(
            f"{path} cannot be read as hdf5: {error}.",
            "The file looks damaged: copy it again.",
        ) from error


def _filled(cell: Any) -> list[tuple[int, Any]]:
    """Return the planes of a cell that hold at least one part."""
    return [
        (int(name.removeprefix("zIndex_")), group)
        for name, group in cell.items()
        if name.startswith("zIndex_") and len(group)
    ]


def _parts(group: Any) -> Rings:
    return [
        np.asarray(part["coordinates"], dtype=float).reshape(-1, 2)
        for _, part in sorted(group.items())
    ]
