"""Which files make up a CosMx slide, and where they lie.

Decides: a slide is an ``<name>_exprMat_file.csv`` with its metadata file; images
are looked for beside it, and in an AtoMx export under ``RawFiles``. Names are
matched without regard to case; ``._`` litter of macOS is passed over.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import SlideError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.slides.report import ReadReport

_COUNTS = re.compile(r"^(?P<prefix>.*?)[_-]?exprMat_file\.csv(\.gz)?$", re.IGNORECASE)
_PARTS = {
    "metadata": r"[_-]?metadata_file\.csv(\.gz)?$",
    "positions": r"[_-]?fov_positions_file\.csv(\.gz)?$",
    "transcripts": r"[_-]?tx_file\.csv(\.gz)?$",
    "polygons": r"[_-]?polygons\.csv(\.gz)?$",
}
_IMAGES = {
    "labels": re.compile(r"^CellLabels_F(\d+)\.tiff?$", re.IGNORECASE),
    "composite": re.compile(
        r"^CellComposite_F(\d+)\.(jpe?g|png|tiff?)$", re.IGNORECASE
    ),
    "morphology": re.compile(r"^.*_F(\d+)\.tiff?$", re.IGNORECASE),
}
_NOT_READ = ("CellOverlay", "CompartmentLabels", "RawMorphologyImages")


@dataclass(frozen=True)
class CosmxFiles:
    """The files of one CosMx slide.

    Attributes
    ----------
    root
        Folder with the flat files.
    prefix
        The slide's name, as the files begin.
    counts, metadata
        Always there.
    positions, transcripts, polygons
        None where the export has none.
    labels, composite, morphology
        FOV number -> image file.
    """

    root: Path
    prefix: str
    counts: Path
    metadata: Path
    positions: Path | None = None
    transcripts: Path | None = None
    polygons: Path | None = None
    labels: dict[int, Path] = field(default_factory=dict)
    composite: dict[int, Path] = field(default_factory=dict)
    morphology: dict[int, Path] = field(default_factory=dict)


def slide_prefix(name: str) -> str | None:
    """Return the slide's name from the name of its count matrix, or None.

    >>> slide_prefix("Lung12_exprMat_file.csv")
    'Lung12'
    """
    match = _COUNTS.match(name)
    return None if match is None or name.startswith("._") else match["prefix"]


def belongs(name: str, prefix: str) -> bool:
    """Tell whether a flat file belongs to the slide of that name."""
    return name.lower().startswith(prefix.lower()) if prefix else True


def find_files(counts: Path, report: ReadReport) -> CosmxFiles:
    """Gather the files of the slide whose count matrix is ``counts``.

    Raises
    ------
    SlideError
        If the metadata file is missing.
    """
    match = _COUNTS.match(counts.name)
    prefix = match["prefix"] if match else ""
    root = counts.parent
    parts = {kind: _part(root, prefix, pattern) for kind, pattern in _PARTS.items()}
    metadata = parts["metadata"]
    if metadata is None:
        raise SlideError(
            f"{root} holds {counts.name} but no {prefix}_metadata_file.csv.",
            "Cells need their positions: export or copy the metadata file too.",
        )
    for kind in ("polygons", "transcripts"):
        if parts[kind] is None:
            report.add("skipped", f"No {kind} file in {root.name}.")
    images = _find_images(root, report)
    files = CosmxFiles(
        root,
        prefix,
        counts,
        metadata,
        parts["positions"],
        parts["transcripts"],
        parts["polygons"],
        images["labels"],
        images["composite"],
        images["morphology"],
    )
    _tell(files, report)
    return files


def _part(root: Path, prefix: str, pattern: str) -> Path | None:
    whole = re.compile(re.escape(prefix) + pattern, re.IGNORECASE)
    hits = sorted(p for p in root.iterdir() if whole.match(p.name))
    return hits[0] if hits else None


def _find_images(root: Path, report: ReadReport) -> dict[str, dict[int, Path]]:
    found: dict[str, dict[int, Path]] = {kind: {} for kind in _IMAGES}
    for place in (root, *_raw_folders(root)):
        for folder, names in _walk(place, depth=5):
            if folder.name in _NOT_READ:
                report.add("skipped", f"{folder.name} is not read.")
                continue
            _sort_in(folder, names, found, report)
        if any(found.values()):
            break
    return found


def _raw_folders(root: Path) -> Iterator[Path]:
    """Yield where an AtoMx export keeps the images of ``flatFiles/<slide>``."""
    if root.parent.name.lower() == "flatfiles":
        raw = root.parent.parent / "RawFiles"
        if (raw / root.name).is_dir():
            yield raw / root.name
        elif raw.is_dir() and len([p for p in raw.iterdir() if p.is_dir()]) == 1:
            yield raw


def _walk(place: Path, depth: int) -> Iterator[tuple[Path, list[str]]]:
    for folder, below, names in os.walk(place):
        here = Path(folder)
        if len(here.relative_to(place).parts) >= depth or here.name in _NOT_READ:
            below.clear()
        below.sort()
        yield here, sorted(n for n in names if not n.startswith("."))


def _sort_in(
    folder: Path,
    names: list[str],
    found: dict[str, dict[int, Path]],
    report: ReadReport,
) -> None:
    for name in names:
        for kind, pattern in _IMAGES.items():
            match = pattern.match(name)
            if match is None or (
                kind == "morphology" and not folder.name.startswith("Morphology")
            ):
                continue
            fov = int(match.group(1))
            if fov in found[kind]:
                report.add("skipped", f"{folder / name}: FOV {fov} has one already.")
            else:
                found[kind][fov] = folder / name


def _tell(files: CosmxFiles, report: ReadReport) -> None:
    report.add("found", f"CosMx slide {files.prefix or files.root.name}.")
    for kind, images in (
        ("label image", files.labels),
        ("composite picture", files.composite),
        ("morphology image", files.morphology),
    ):
        if images:
            report.add(
                "found", f"{kind.capitalize()}s of {counted(len(images), 'FOV')}."
            )
    if not files.composite and not files.morphology:
        report.add("skipped", "No CellComposite or Morphology2D images: no channels.")
    if not files.labels:
        instead = "polygons are drawn instead" if files.polygons else "cells are points"
        report.add("skipped", f"No CellLabels images: {instead}.")
