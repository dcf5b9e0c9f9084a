"""Named sample slides: simulated, free of rights, at hand without a download.

A sample is taken from the package or the repository; where neither holds it, it is
simulated once into the user's cache, under a temporary name until it is complete.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import napari_scfm
from napari_scfm.errors import SlideError, named

SAMPLES: Final = {
    "cosmx": "Synthetic tumour, CosMx (4 FOVs, about 1400 cells, 214 genes)",
    "merscope": "Synthetic tumour, MERSCOPE (2 FOVs, about 400 cells, 145 genes)",
}
"""Name of a sample -> its title."""

_PROBE: Final = {
    "cosmx": "Synthetic_exprMat_file.csv",
    "merscope": "region_0/cell_by_gene.csv",
}


def sample_path(name: str) -> Path:
    """Return the folder of a sample slide; simulate it first if need be.

    Parameters
    ----------
    name
        "cosmx" or "merscope".

    Raises
    ------
    SlideError
        If there is no sample of that name, or it cannot be written.
    """
    if name not in SAMPLES:
        raise SlideError(
            f"There is no sample slide {name!r}.", f"Choose one of {named(SAMPLES)}."
        )
    from napari_scfm.slides.synthetic.samples import FOLDERS

    package = Path(napari_scfm.__file__).parent
    for parent in (package / "sample_data", package.parent / "sample_data", _cache()):
        folder = parent / FOLDERS[name]
        if (folder / _PROBE[name]).is_file():
            return folder
    return _make(name, _cache() / FOLDERS[name])


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("napari-scfm") / f"samples-{napari_scfm.__version__}"


def _make(name: str, folder: Path) -> Path:
    """Simulate a sample beside its place, then move it there in one step."""
    from napari_scfm.slides.synthetic.samples import make_sample

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = make_sample(name, Path(scratch))
            if folder.exists():
                shutil.rmtree(folder)
            made.rename(folder)
    except OSError as error:
        raise SlideError(
            f"The sample slide {name!r} cannot be written to {folder}: {error}.",
            "Free some space or make the folder writable.",
        ) from error
    return folder
