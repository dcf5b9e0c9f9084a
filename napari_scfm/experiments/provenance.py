"""What is written beside every result, so that it can be repeated."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import napari_scfm

if TYPE_CHECKING:
    from napari_scfm.models.base import ModelInfo

_PACKAGES = ("anndata", "numpy", "scipy", "torch")


def versions() -> dict[str, str]:
    """Return the versions that numbers depend on."""
    found = {
        "napari-scfm": napari_scfm.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def provenance(info: ModelInfo, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return the entry for ``uns["napari_scfm"]``.

    Parameters
    ----------
    info
        The model that computed.
    seed
        Seed of everything random.
    more
        Further plain values, such as the mask or a p-value per FOV.
    """
    return {
        "model": info.name,
        "sha256": info.sha256,
        "seed": seed,
        "versions": versions(),
        **more,
    }
