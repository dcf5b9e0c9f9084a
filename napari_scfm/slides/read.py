"""Open whatever slide lies at a path.

Decides the format from the names of files, in the folder itself and up to two
folders below it (three for the parent of an AtoMx export); a file inside a slide
opens the slide. Refuses a folder that holds no slide, or more than one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import SlideError, named
from napari_scfm.slides.cosmx.files import belongs, slide_prefix
from napari_scfm.slides.merscope.files import is_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.slides.slide import Slide

_DEPTH = 3
_CAN = (
    "This version opens CosMx folders (with *_exprMat_file.csv), MERSCOPE folders "
    "(with cell_by_gene.csv) and .h5ad tables."
)


@dataclass
class Sniffed:
    """Slides found at a path, by format."""

    cosmx: list[Path] = field(default_factory=list)
    merscope: list[Path] = field(default_factory=list)
    h5ad: list[Path] = field(default_factory=list)
    xenium: list[Path] = field(default_factory=list)
    spatialdata: list[Path] = field(default_factory=list)


def read_slide(
    path: str | os.PathLike[str], *, pixel_size: float | None = None
) -> Slide:
    """Open a CosMx folder, a MERSCOPE folder or an .h5ad table.

    Parameters
    ----------
    path
        The slide's folder, a folder around it, or a file in it.
    pixel_size
        Edge of a pixel in um, when you know it better than the files say it
        (CosMx, and .h5ad tables in px).

    Returns
    -------
    Slide
        Counts and pixels of a FOV are read when they are asked for; ``.report``
        says what was found, skipped and guessed.

    Raises
    ------
    SlideError
        If there is no slide, or more than one, or it cannot be read.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise SlideError(f"There is nothing at {where}.", "Check the path.")
    found = _sniff_file(where) if where.is_file() else sniff(where)
    return _open(where, found, pixel_size)


def _open(path: Path, found: Sniffed, pixel_size: float | None) -> Slide:
    vendor = [("CosMx slide", p) for p in found.cosmx]
    vendor += [("MERSCOPE region", p) for p in found.merscope]
    if len(vendor) > 1:
        raise _several(path, found, vendor)
    if found.cosmx:
        from napari_scfm.slides.cosmx.reader import read_cosmx

        slide = read_cosmx(found.cosmx[0], pixel_size)
    elif found.merscope:
        from napari_scfm.slides.merscope.reader import read_merscope

        slide = read_merscope(found.merscope[0])
    elif len(found.h5ad) == 1:
        from napari_scfm.slides.h5ad import read_h5ad

        return read_h5ad(found.h5ad[0], pixel_size)
    elif found.h5ad:
        raise _several(path, found, [(".h5ad table", p) for p in found.h5ad])
    else:
        raise _nothing(path, found)
    if found.h5ad:
        beside = named(p.name for p in found.h5ad)
        slide.report.add("skipped", f"{beside} beside the slide.")
    return slide


def sniff(folder: Path) -> Sniffed:
    """Find the slides in a folder and the folders below it.

    The search goes no deeper in a branch once a slide is found there.

    Raises
    ------
    SlideError
        If the folder cannot be read.
    """
    found = Sniffed()
    for here, names in _walk(folder):
        _sniff_folder(here, names, found)
    if not found.cosmx and not found.merscope and _is_zarr(folder):
        found.spatialdata.append(folder)
    return found


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    def refuse(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise SlideError(
                f"{folder} cannot be read: {error.strerror}.",
                "Check that you may read the folder.",
            ) from error

    for name, below, names in os.walk(folder, onerror=refuse):
        here = Path(name)
        yield here, sorted(n for n in names if not n.startswith("."))
        deep = len(here.relative_to(folder).parts) >= _DEPTH
        if deep or any(_is_sign(n) for n in names) or _is_zarr(here):
            below.clear()
        below[:] = sorted(n for n in below if not n.startswith("."))


def _is_sign(name: str) -> bool:
    return slide_prefix(name) is not None or name == "experiment.xenium"


def _is_zarr(folder: Path) -> bool:
    signs = (".zgroup", ".zattrs", "zarr.json")
    return folder.suffix == ".zarr" or any((folder / s).is_file() for s in signs)


def _sniff_folder(here: Path, names: list[str], found: Sniffed) -> None:
    # sorted, so that a matrix unpacked beside its .gz is the one that is read
    by_prefix: dict[str, Path] = {}
    for name in names:
        prefix = slide_prefix(name)
        if prefix is not None:
            by_prefix.setdefault(prefix, here / name)
    found.cosmx += by_prefix.values()
    found.h5ad += [here / n for n in names if n.lower().endswith(".h5ad")]
    if is_region(names):
        found.merscope.append(here)
    if "experiment.xenium" in names:
        found.xenium.append(here)
    elif _is_zarr(here):
        found.spatialdata.append(here)


def _sniff_file(path: Path) -> Sniffed:
    """Find the slide that a file belongs to: beside it, or in a folder above."""
    if path.suffix.lower() == ".h5ad":
        return Sniffed(h5ad=[path])
    for folder in list(path.parents)[:4]:
        found = Sniffed()
        _sniff_folder(folder, sorted(p.name for p in folder.iterdir()), found)
        own = [p for p in found.cosmx if belongs(path.name, slide_prefix(p.name) or "")]
        if own and folder == path.parent:
            found.cosmx = [max(own, key=lambda p: len(slide_prefix(p.name) or ""))]
        found.h5ad = []
        if found.cosmx or found.merscope or found.xenium or found.spatialdata:
            return found
    return Sniffed()


def _several(path: Path, found: Sniffed, all_: list[tuple[str, Path]]) -> SlideError:
    listed = [f"{kind}: {p}" for kind, p in all_]
    parents = {p.parent for p in found.merscope}
    if found.merscope and not found.cosmx and len(parents) == 1:
        names = named(p.name for p in found.merscope)
        return SlideError(
            f"{path} holds {len(found.merscope)} MERSCOPE regions: {names}.",
            "Choose one of the region folders and open that.",
            listed,
        )
    return SlideError(
        f"{path} holds {len(all_)} slides, where one is expected.",
        "Open one of these:",
        listed,
    )


def _nothing(path: Path, found: Sniffed) -> SlideError:
    if found.xenium:
        return SlideError(f"{found.xenium[0]} is a Xenium folder.", _CAN)
    if found.spatialdata:
        return SlideError(f"{found.spatialdata[0]} is a SpatialData store.", _CAN)
    if path.is_file():
        return SlideError(f"{path} belongs to no slide that can be opened.", _CAN)
    return SlideError(
        f"{path} holds no slide: no *_exprMat_file.csv, no cell_by_gene.csv with "
        f"cell_metadata.csv and no .h5ad was found in it or {_DEPTH} folders down.",
        "Choose the folder that the instrument or AtoMx exported. " + _CAN,
    )
