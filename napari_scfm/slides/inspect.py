"""Say what a slide holds: open every FOV once and count.

Refuses a slide of which any part is damaged, with all damaged parts in one error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError, SlideError, counted, named
from napari_scfm.progress import report as tell

if TYPE_CHECKING:
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import FieldOfView, Slide


def inspect(
    slide: Slide, *, progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Open each FOV's table and labels once and describe the slide.

    Parameters
    ----------
    slide
        An opened slide; its FOVs are forgotten again.
    progress
        Told after each FOV.

    Returns
    -------
    dict
        Ready for JSON: path, name, format, cells, genes (number and names), control
        probes, channels, FOVs (cells, size, pixel size, channels, share of cells with
        a label and of centroids in their own label, counts a cell), and the report.

    Raises
    ------
    SlideError
        If FOVs cannot be read; names each of them.
    """
    names: dict[str, list[str]] = {}
    fovs = _describe_all(slide, names, progress)
    genes, controls = names.get("genes", []), names.get("controls", [])
    return {
        "path": str(slide.path),
        "name": slide.name,
        "format": slide.format,
        "cells": sum(f["cells"] for f in fovs),
        "genes": len(genes),
        "gene_names": genes,
        "control_probes": controls,
        "channels": sorted({c for f in fovs for c in f["channels"]}),
        "pixel_size_um": fovs[0]["pixel_size_um"] if fovs else None,
        "fovs": fovs,
        "report": slide.report.to_dict(),
    }


def _describe_all(
    slide: Slide, names: dict[str, list[str]], progress: ProgressCallback | None
) -> list[dict[str, Any]]:
    """Describe each FOV; fills the names of genes and controls from the first."""
    fovs: list[dict[str, Any]] = []
    problems: dict[str, list[str]] = {}
    for number, name in enumerate(slide.fovs):
        try:
            fov = slide.fov(name)
            fovs.append(_describe(fov))
            names.setdefault("genes", [str(g) for g in fov.table.var_names])
            controls = fov.table.obsm.get(keys.CONTROLS)
            if controls is not None:
                names.setdefault("controls", _columns(controls))
        except ScfmError as error:
            problems.setdefault(str(error), []).append(name)
        slide.release(name)
        tell(progress, number + 1, len(slide.fovs), f"FOV {name}")
    if problems:
        raise _damaged(slide, problems)
    return fovs


def _damaged(slide: Slide, problems: dict[str, list[str]]) -> SlideError:
    """Say each problem once; it names its FOV where it is the problem of one."""
    sentences = [
        text if len(fovs) > 1 or fovs[0] in text else f"FOV {fovs[0]}: {text}"
        for text, fovs in problems.items()
    ]
    if len(sentences) == 1:
        return SlideError(sentences[0])
    return SlideError(
        f"{len(sentences)} parts of {slide.path} cannot be read.",
        "Copy or export them again:",
        sentences,
    )


def _columns(controls: Any) -> list[str]:
    columns = getattr(controls, "columns", range(controls.shape[1]))
    return [str(c) for c in columns]


def _describe(fov: FieldOfView) -> dict[str, Any]:
    table = fov.table
    height, width = fov.shape
    totals = np.asarray(table.X.sum(axis=1)).ravel() if table.n_obs else np.zeros(0)
    return {
        "name": fov.name,
        "cells": int(table.n_obs),
        "shape_px": [height, width],
        "size_um": [
            round(width * fov.pixel_size, 1),
            round(height * fov.pixel_size, 1),
        ],
        "pixel_size_um": fov.pixel_size,
        "channels": list(fov.images),
        "counts_per_cell": float(np.median(totals)) if len(totals) else None,
        "labels": _labels(fov),
    }


def _labels(fov: FieldOfView) -> dict[str, Any] | None:
    """Describe the segmentation; None without one."""
    labels = fov.labels
    if labels is None:
        return None
    table = fov.table
    own = np.nan
    if table.n_obs:
        at = np.rint(np.asarray(table.obsm[keys.SPATIAL]) / fov.pixel_size).astype(int)
        inside = ((at >= 0) & (at < labels.shape[::-1])).all(axis=1)
        at = at.clip(0, np.array(labels.shape[::-1]) - 1)
        hit = labels[at[:, 1], at[:, 0]] == table.obs[keys.LABEL].to_numpy()
        own = float((hit & inside).mean())
    with_pixels = table.obs.get("has_label", [])
    return {
        "cells_with_pixels": int(np.sum(with_pixels)),
        "centroids_in_own_label": None if np.isnan(own) else round(float(own), 4),
    }


def to_text(found: dict[str, Any]) -> str:
    """Return what :func:`inspect` found, for a person to read."""
    lines = [
        f"{found['name']} ({found['format']}): {counted(found['cells'], 'cell')}, "
        f"{counted(found['genes'], 'gene')}, "
        f"{counted(len(found['control_probes']), 'control probe')}, "
        f"{counted(len(found['fovs']), 'FOV')}",
        f"Path      {found['path']}",
        f"Channels  {', '.join(found['channels']) or 'none'}",
        f"Genes     {named(found['gene_names'], 8)}",
        f"Controls  {named(found['control_probes'], 8) or 'none'}",
        "",
        f"{'FOV':<16}{'cells':>8}{'um':>18}{'um/px':>9}{'counts/cell':>13}  labels",
    ]
    lines += [_line(fov) for fov in found["fovs"]]
    for kind, sentences in found["report"].items():
        lines += ["", f"{kind.capitalize()}:"]
        lines += [f"  - {s}" for s in sentences] or ["  - nothing"]
    return "\n".join(lines)


def _line(fov: dict[str, Any]) -> str:
    labels = fov["labels"]
    size = "{} x {}".format(*fov["size_um"])
    counts = fov["counts_per_cell"]
    if labels is None:
        segmented = "none"
    elif labels["centroids_in_own_label"] is None:
        segmented = "no cell"
    else:
        own = labels["centroids_in_own_label"]
        cells = counted(labels["cells_with_pixels"], "cell")
        segmented = f"{cells}, {own:.1%} centroids inside"
    return (
        f"{fov['name']:<16}{fov['cells']:>8}{size:>18}{fov['pixel_size_um']:>9.4g}"
        f"{'-' if counts is None else f'{counts:.0f}':>13}  {segmented}"
    )
