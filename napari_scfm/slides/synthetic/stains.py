"""What the microscope sees: DAPI, membrane, PanCK, CD45 and poly-T.

Each stain is a sharp drawing on the labels, blurred by the optics, lit by a haze from
out of focus, and recorded with shot noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.slides.synthetic.cell_types import CELL_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_scfm.slides.synthetic.outlines import Outlines

CHANNELS: Final = ("DAPI", "Membrane", "PanCK", "CD45", "PolyT")


def stain(
    rng: np.random.Generator,
    outlines: Outlines,
    kind: NDArray[np.intp],
    pixel_size: float,
) -> Mapping[str, NDArray[np.float32]]:
    """Return channel -> (H, W) float32 in 0..1 for cells of the given types."""
    labels, um = outlines.labels, 1.0 / pixel_size
    grain = {size: _noise(rng, labels.shape, size * um) for size in (0.35, 0.9, 2.5)}
    edge = _edges(labels, um)
    cells = np.count_nonzero(kind >= 0)
    nucleus = np.clip(outlines.nucleus * 4.0, 0.0, 1.0)
    level = {
        name: _levels(rng, kind, [getattr(one, field) for one in CELL_TYPES], spread)
        for name, field, spread in (
            ("DAPI", "dapi", 0.22),
            ("Membrane", "membrane", 0.2),
            ("PanCK", "panck", 0.25),
            ("CD45", "cd45", 0.25),
        )
    }
    level["PolyT"] = np.append(0.0, rng.lognormal(-0.9, 0.25, cells)).astype(np.float32)
    ridge = 1.0 - np.clip(np.abs(grain[0.9]) * 1.6, 0.0, 1.0)
    puncta = np.clip(grain[0.35] - 1.1, 0.0, 2.0)
    drawn = {
        "DAPI": _chromatin(outlines, level["DAPI"], nucleus, grain),
        "Membrane": level["Membrane"][labels]
        * (edge * (0.75 + 0.25 * grain[2.5]) + 0.07 * (labels > 0)),
        "PanCK": level["PanCK"][labels]
        * (1.0 - 0.8 * nucleus)
        * (0.4 + 0.32 * ridge + 0.55 * edge),
        "CD45": level["CD45"][labels]
        * (0.8 * edge + (0.12 + 0.35 * puncta) * (1.0 - 0.7 * nucleus)),
        "PolyT": level["PolyT"][labels]
        * (0.75 + 0.18 * grain[0.9] + 0.2 * puncta)
        * (1.0 - 0.35 * nucleus),
    }
    return {
        name: _record(rng, np.maximum(picture, 0.0), um, name)
        for name, picture in drawn.items()
    }


def _levels(
    rng: np.random.Generator,
    kind: NDArray[np.intp],
    table: list[float],
    spread: float,
) -> NDArray[np.float32]:
    """Return a brightness for labels 0..n."""
    values = np.array(table)[kind] * rng.lognormal(0.0, spread, len(kind))
    return np.append(0.0, values).astype(np.float32)


def _chromatin(
    outlines: Outlines,
    level: NDArray[np.float32],
    nucleus: NDArray[np.float32],
    grain: Mapping[float, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Draw nuclei: a soft edge, a bright rim, clumps and dark nucleoli."""
    rim = np.clip(1.0 - np.abs(outlines.nucleus - 0.15) * 7.0, 0.0, 1.0)
    nucleoli = np.clip(grain[0.9] - 1.25, 0.0, 1.0) * (outlines.nucleus > 0.25)
    texture = 0.78 + 0.13 * grain[0.35] + 0.12 * grain[0.9] + 0.14 * rim
    drawn: NDArray[np.float32] = (
        level[outlines.labels] * nucleus * (texture - 0.4 * nucleoli)
    )
    return drawn


def _edges(labels: NDArray[np.int32], um: float) -> NDArray[np.float32]:
    """Return a soft line of about 0.7 um along the outlines, 1 on the outline."""
    from scipy.ndimage import gaussian_filter

    line = np.zeros(labels.shape, dtype=np.float32)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    line[:, 1:][across] = line[:, :-1][across] = 1.0
    line[1:][down] = line[:-1][down] = 1.0
    soft: NDArray[np.float32] = gaussian_filter(line, 0.3 * um, truncate=3.0)
    edge: NDArray[np.float32] = np.clip(soft * 0.27 * um, 0.0, 1.0)
    return edge


def _noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    """Return unit-variance noise of a grain of `sigma` pixels."""
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal(shape, dtype=np.float32)
    soft: NDArray[np.float32] = gaussian_filter(white, sigma, mode="wrap", truncate=3.0)
    grain: NDArray[np.float32] = soft / soft.std()
    return grain


def _record(
    rng: np.random.Generator, picture: NDArray[np.float32], um: float, name: str
) -> NDArray[np.float32]:
    """Blur, add what lies out of focus, and count photons."""
    from scipy.ndimage import gaussian_filter

    sharp = gaussian_filter(picture, 0.22 * um, truncate=3.0)
    below = gaussian_filter(picture[::-1, ::-1], 1.5 * um, truncate=3.0)
    haze = gaussian_filter(picture[::4, ::4], 6.0 * um / 4, truncate=3.0)
    haze = np.repeat(np.repeat(haze, 4, axis=0), 4, axis=1)
    haze = haze[: picture.shape[0], : picture.shape[1]]
    out_of_focus = 0.1 if name == "DAPI" else 0.04
    light = sharp + out_of_focus * below + 0.06 * haze + 0.006
    photons = 600.0
    seen = light + np.sqrt(light / photons) * rng.standard_normal(
        light.shape, dtype=np.float32
    )
    seen += np.float32(0.004) * rng.standard_normal(light.shape, dtype=np.float32)
    recorded: NDArray[np.float32] = np.clip(seen, 0.0, 1.0).astype(np.float32)
    return recorded
