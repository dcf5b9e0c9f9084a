"""What is written beside every result, so that it can be repeated."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import napari_scfm
from napari_scfm.experiments.fingerprint import SHORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_scfm.experiments.spec import ExperimentSpec
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
    settings = {"settings": info.settings} if info.settings else {}
    return {
        "model": info.name,
        "sha256": info.sha256,
        "seed": seed,
        "versions": versions(),
        **settings,
        **more,
    }


def recorded(
    spec: ExperimentSpec, infos: Mapping[str, ModelInfo]
) -> tuple[ExperimentSpec, list[str]]:
    """Return a spec with the weights and versions that ran, and what has changed.

    Parameters
    ----------
    spec
        What was run; says with which weights and versions it ran before, if it did.
    infos
        Of each model, by the name that the spec gives it.
    """
    weights = {name: info.sha256 for name, info in infos.items() if info.sha256}
    notes = [
        f"{name} has other weights now (sha256 {sha[:SHORT]}) than when this spec was "
        f"run before ({spec.model_sha256[name][:SHORT]}); numbers will differ."
        for name, sha in weights.items()
        if spec.model_sha256.get(name, sha) != sha
    ]
    now = versions()
    other = [
        f"{package} {old}, now {now.get(package, 'not installed')}"
        for package, old in spec.versions.items()
        if now.get(package, "not installed") != old
    ]
    if other:
        notes.append(
            f"This spec was run before with other versions ({'; '.join(other)}); last "
            "digits may differ."
        )
    return spec.model_copy(update={"model_sha256": weights, "versions": now}), notes
