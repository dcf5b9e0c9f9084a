"""Pixels of a CosMx FOV: composite pictures and morphology images.

Decides: a CellComposite picture is three channels, ``composite red|green|blue``;
a Morphology2D TIFF is one channel a page, named by the stains in its description,
else ``channel 1``... Images are shown as they are stored: in both generations of
exports their rows run down, what differs is the direction of the local y coordinates
(:mod:`napari_scfm.slides.cosmx.frame`). Refuses files that are no images, naming them.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPOSITE = ("composite red", "composite green", "composite blue")


def _unreadable(path: Path, error: Exception) -> SlideError:
    return SlideError(
        f"{path} cannot be read as an image: {error}.",
        "The file looks damaged: copy or export it again.",
    )


def image_shape(path: Path) -> tuple[int, int]:
    """Return (rows, columns) of an image from its header.

    Raises
    ------
    SlideError
        If the file is no image.
    """
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            import tifffile

            with tifffile.TiffFile(path) as tif:
                page = tif.pages[0]
                return int(page.imagelength), int(page.imagewidth)
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, ValueError, IndexError) as error:
        raise _unreadable(path, error) from error


def read_pixels(path: Path) -> np.ndarray:
    """Read an image as it is stored.

    Raises
    ------
    SlideError
        If the file is no image, or is cut off.
    """
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            import tifffile

            return np.asarray(tifffile.imread(path))
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise _unreadable(path, error) from error


class Picture:
    """An image file whose channels are cut out when asked for; decoded once.

    Parameters
    ----------
    path
        The file.
    shape
        (rows, columns) that the FOV has.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path = path
        self.shape = shape

    @cached_property
    def channels_first(self) -> np.ndarray:
        """All channels, (channels, rows, columns)."""
        pixels = read_pixels(self.path)
        if pixels.ndim == 2:
            pixels = pixels[None]
        elif pixels.ndim == 3 and pixels.shape[2] <= 4 < pixels.shape[0]:
            pixels = np.moveaxis(pixels, 2, 0)
        if pixels.ndim != 3 or pixels.shape[1:] != self.shape:
            rows, columns = self.shape
            raise SlideError(
                f"{self.path} is of shape {pixels.shape}, where its FOV has "
                f"{columns} x {rows} px.",
                "Export the image again at full size.",
            )
        return pixels

    def channel(self, index: int) -> np.ndarray:
        """Return one channel, (rows, columns)."""
        return np.ascontiguousarray(self.channels_first[index])


def openers(
    composite: Path | None, morphology: Path | None, shape: tuple[int, int]
) -> dict[str, Callable[[], np.ndarray]]:
    """Return for each channel of a FOV the call that opens it.

    Morphology images come first: they hold the stains at full depth.
    """
    found: dict[str, Callable[[], np.ndarray]] = {}
    if morphology is not None:
        stains = Picture(morphology, shape)
        for index, name in enumerate(channel_names(morphology)):
            found[name] = _opener(stains, index)
    if composite is not None:
        picture = Picture(composite, shape)
        names = COMPOSITE if _bands(composite) >= 3 else ("composite",)
        for index, name in enumerate(names):
            found[name] = _opener(picture, index)
    return found


def _opener(picture: Picture, index: int) -> Callable[[], np.ndarray]:
    return lambda: picture.channel(index)


def _bands(path: Path) -> int:
    if path.suffix.lower() in {".tif", ".tiff"}:
        import tifffile

        with tifffile.TiffFile(path) as tif:
            return max(int(tif.pages[0].samplesperpixel), len(tif.pages))
    from PIL import Image

    with Image.open(path) as picture:
        return len(picture.getbands())


def channel_names(path: Path) -> list[str]:
    """Return the stains of a morphology TIFF, in the order of its pages.

    The instrument writes ``ChannelOrder`` (one letter a page) and, for each
    letter, its ``BiologicalTarget`` into the description.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            count = int(np.prod(tif.series[0].shape[:-2], dtype=int))
            text = str(tif.pages[0].description)
    except (OSError, ValueError, IndexError) as error:
        raise _unreadable(path, error) from error
    targets = re.findall(r'"BiologicalTarget":\s*"(.*?)"', text)
    letters = re.findall(r'"ChannelId":\s*"(.*?)"', text)
    order = re.findall(r'"ChannelOrder":\s*"(.*?)"', text)
    stain = dict(zip(letters, targets, strict=False))
    names = [stain.get(letter, letter) for letter in (order[0] if order else "")]
    if len(names) != count or len(set(names)) != count:
        return [f"channel {i + 1}" for i in range(count)]
    return names
