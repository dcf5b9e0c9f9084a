"""Which files make up a MERSCOPE region, and where they lie.

Decides: a region is a folder with a ``cell_by_gene`` and a ``cell_metadata`` CSV
(public releases put a prefix before and a suffix after these words). Boundaries as
parquet win over hdf5 files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_scfm.slides.report import ReadReport

_CSV = r"[^/]*\.csv(\.gz)?$"
_TABLES = {
    "counts": re.compile(r"^.*cell_by_gene" + _CSV, re.IGNORECASE),
    "metadata": re.compile(r"^.*cell_metadata" + _CSV, re.IGNORECASE),
    "transcripts": re.compile(r"^.*detected_transcripts" + _CSV, re.IGNORECASE),
}
_OUTLINES = re.compile(r"cell_boundaries|micron_space")
_MOSAIC = re.compile(r"^mosaic_(?P<stain>.+)_z(?P<z>\d+)\.tiff?$", re.IGNORECASE)


@dataclass(frozen=True)
class RegionFiles:
    """The files of one region.

    Attributes
    ----------
    root
        Folder of the region.
    counts, metadata
        Always there.
    transcripts, transform, manifest
        None where the export has none.
    parquet
        Boundaries as GeoParquet.
    hdf5
        Boundaries as hdf5, one file a FOV.
    mosaics
        Stain -> z plane -> TIFF.
    """

    root: Path
    counts: Path
    metadata: Path
    transcripts: Path | None = None
    transform: Path | None = None
    manifest: Path | None = None
    parquet: Path | None = None
    hdf5: tuple[Path, ...] = ()
    mosaics: dict[str, dict[int, Path]] = field(default_factory=dict)


def _table(names: Iterable[str], kind: str) -> str | None:
    hits = sorted(n for n in names if _TABLES[kind].match(n) and not n.startswith("._"))
    return hits[0] if hits else None


def is_region(names: Iterable[str]) -> bool:
    """Tell from the names of its files whether a folder is a region."""
    names = list(names)
    return all(_table(names, kind) is not None for kind in ("counts", "metadata"))


def find_files(root: Path, report: ReadReport) -> RegionFiles:
    """Gather the files of a region folder.

    Parameters
    ----------
    root
        A folder for which :func:`is_region` holds.
    report
        Gets what is missing.
    """
    names = [p.name for p in root.iterdir()]
    counts, metadata, transcripts = (
        _table(names, kind) for kind in ("counts", "metadata", "transcripts")
    )
    assert counts is not None
    assert metadata is not None
    images = root / "images"
    transform = images / "micron_to_mosaic_pixel_transform.csv"
    manifest = images / "manifest.json"
    parquet = sorted(p for p in root.glob("*.parquet") if _OUTLINES.search(p.name))
    hdf5 = sorted((root / "cell_boundaries").glob("*.hdf5"), key=_number)
    if parquet and hdf5:
        report.add("skipped", "cell_boundaries/*.hdf5: the parquet file is read.")
    if len(parquet) > 1:
        others = ", ".join(p.name for p in parquet[1:])
        report.add("skipped", f"{others}: {parquet[0].name} is read.")
    if transcripts is None:
        report.add("skipped", "No detected_transcripts file.")
    return RegionFiles(
        root,
        root / counts,
        root / metadata,
        None if transcripts is None else root / transcripts,
        transform if transform.is_file() else None,
        manifest if manifest.is_file() else None,
        parquet[0] if parquet else None,
        tuple(hdf5),
        _mosaics(images),
    )


def _mosaics(images: Path) -> dict[str, dict[int, Path]]:
    found: dict[str, dict[int, Path]] = {}
    if not images.is_dir():
        return found
    for path in sorted(images.iterdir()):
        match = _MOSAIC.match(path.name)
        if match:
            found.setdefault(match["stain"], {})[int(match["z"])] = path
    return found


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r"\d+", path.stem)
    return (int(digits[-1]) if digits else -1, path.stem)
