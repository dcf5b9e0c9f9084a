"""The layers of one field of view: channels, filled cells, outlines.

Channels are additive images; cells are a filled uint16 Labels layer, recoloured
through a lookup table, and a second Labels layer that holds boundary pixels only
and is computed once. Both are locked. Everything is in um.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap

from napari_scfm import keys
from napari_scfm.slides.raster import boundaries, display_labels
from napari_scfm.viewer.cells import check_paintable
from napari_scfm.viewer.colouring import OUTLINE

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_scfm.slides.slide import FieldOfView, Slide

LayerData = tuple[Any, dict[str, Any], str]

ROLE = "napari_scfm"
"""Key of our part of a layer's metadata: a dict with "role", "slide" and "fov"."""

SHOWN_CHANNELS = 3
OPACITY = 0.9
_OTHERS = ("bop orange", "gray", "bop purple", "green", "cyan")
_OUTLINE = np.stack([np.zeros(4, dtype=np.float32), OUTLINE])


@dataclass(eq=False)
class FovLayers:
    """Layers that show one FOV in one viewer."""

    images: list[Image] = field(default_factory=list)
    cells: Labels | None = None
    outlines: Labels | None = None

    def all(self) -> list[Layer]:
        """Return the layers, bottom to top."""
        masks = [self.cells, self.outlines]
        return [*self.images, *(layer for layer in masks if layer is not None)]


def placement(fov: FieldOfView) -> dict[str, Any]:
    """Return the keyword arguments that put pixels in um."""
    return {"scale": (fov.pixel_size,) * 2, "units": ("um", "um")}


def metadata(
    slide: Slide, fov: FieldOfView, role: str, name: str = ""
) -> dict[str, Any]:
    """Return layer metadata as napari-spatialdata reads it, plus our role."""
    return {
        "adata": fov.table,
        "region_key": keys.FOV,
        "instance_key": keys.LABEL,
        ROLE: {"role": role, "slide": slide, "fov": fov.name, "name": name},
    }


def role_of(layer: Layer) -> dict[str, Any]:
    """Return our part of a layer's metadata; empty for foreign layers."""
    return layer.metadata.get(ROLE, {})


def fov_layer_data(slide: Slide, fov: FieldOfView) -> list[LayerData]:
    """Return the layers of a FOV as napari's layer data tuples.

    Raises
    ------
    SlideError
        If the FOV cannot be read or holds more than 65 534 cells.
    """
    check_paintable(fov.table, fov.name)
    return [*_channels(slide, fov), *_labels(slide, fov)]


def refill(layer: Layer, pixels: Any, given: dict[str, Any]) -> None:
    """Show other pixels in a layer of ours: far quicker than a new layer.

    Parameters
    ----------
    given
        Keyword arguments of layer data; what a person may have changed by hand, such
        as the opacity, stays.
    """
    layer.data = pixels
    for name in ("scale", "units", "metadata", "name", "contrast_limits"):
        if name in given:
            setattr(layer, name, given[name])
    if isinstance(layer, Labels):
        layer.editable = False


def _labels(slide: Slide, fov: FieldOfView) -> list[LayerData]:
    labels = display_labels(fov).astype(np.uint16, copy=False)
    clear = CyclicLabelColormap(colors=np.zeros((2, 4)), background_value=0)
    edge = CyclicLabelColormap(colors=_OUTLINE, background_value=0)
    cells = {
        "name": f"cells {fov.name}",
        "metadata": metadata(slide, fov, "cells", f"cells {fov.name}"),
        "colormap": clear,
        "opacity": OPACITY,
    }
    outlines = {
        "name": f"outlines {fov.name}",
        "metadata": metadata(slide, fov, "outlines", f"outlines {fov.name}"),
        "colormap": edge,
        "opacity": 1.0,
    }
    return [
        (labels, cells | placement(fov), "labels"),
        (boundaries(labels), outlines | placement(fov), "labels"),
    ]


def _channels(slide: Slide, fov: FieldOfView) -> list[LayerData]:
    layers: list[LayerData] = []
    colormaps = iter(_OTHERS)
    shown = shown_channels(list(fov.images))
    for channel, pixels in fov.images.items():
        given = {
            "name": channel,
            "metadata": metadata(slide, fov, "channel", channel),
            "blending": "additive",
            "opacity": 0.75,
            "colormap": channel_colormap(channel) or next(colormaps, "gray"),
            "contrast_limits": contrast(pixels),
            "visible": channel in shown,
        }
        layers.append((pixels, given | placement(fov), "image"))
    return layers


def shown_channels(channels: list[str]) -> list[str]:
    """Return the channels that are visible at first: all, or nuclei and one other."""
    if len(channels) <= SHOWN_CHANNELS:
        return channels
    nuclei = [name for name in channels if channel_colormap(name) == "bop blue"]
    others = [name for name in channels if name not in nuclei]
    return nuclei[:1] + others[: 2 - len(nuclei[:1])]


def channel_colormap(channel: str) -> str:
    """Return the colours that a channel's name asks for; "" if none."""
    words = channel.lower().split()
    if words[-1:] and words[-1] in ("red", "green", "blue"):
        return words[-1]
    nuclear = any(stain in channel.lower() for stain in ("dapi", "dna", "nuc"))
    return "bop blue" if nuclear else ""


def contrast(pixels: np.ndarray) -> tuple[float, float]:
    """Return display limits: 1st and 99.7th percentile of a sample of pixels.

    Pixels that are exactly 0 are outside of what was imaged and do not count.
    """
    step = max(1, int(np.sqrt(pixels.size / 250_000)))
    sample = np.asarray(pixels[::step, ::step])
    sample = sample[sample != 0]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, (1, 99.7))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)
