"""Which files make an sCT model; no torch here."""

from __future__ import annotations

import json
from pathlib import Path

from napari_scfm.models.files import CONFIG, WEIGHTS, Files

RELEASED = "params.joblib"
_PLACES = (WEIGHTS, "params.safetensors", RELEASED, f"jax_params/{RELEASED}")


class SCTFiles(Files):
    """Weights and configuration of an sCT model."""

    @property
    def version(self) -> str:
        """Name of the model: of its folder where the file's name says nothing."""
        stem = self.weights.name.partition(".")[0]
        if stem not in ("model", "params"):
            return stem
        folder = self.weights.resolve().parent
        return folder.parent.name if folder.name == "jax_params" else folder.name


def find_files(path: str | Path) -> SCTFiles | None:
    """Return the weights and configuration of an sCT model that a path means.

    Parameters
    ----------
    path
        A ``.joblib`` or ``.safetensors`` file with its ``config.json`` beside it, or
        the folder of either; also the downloaded folder with ``jax_params`` in it.

    Returns
    -------
    None if nothing there is an sCT model.
    """
    path = Path(path)
    found = [path / name for name in _PLACES] if path.is_dir() else [path]
    for weights in found:
        if not weights.is_file():
            continue
        config = weights.with_name(CONFIG)
        if weights.suffix == ".joblib" or (
            weights.suffix == ".safetensors" and _is_sct(config)
        ):
            return SCTFiles(weights, config)
    return None


def _is_sct(config: Path) -> bool:
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and "num_downsamples" in values
