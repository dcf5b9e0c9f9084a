"""Which files make a CellPLM model; no torch here."""

from __future__ import annotations

from pathlib import Path

from napari_scfm.errors import ModelError, named
from napari_scfm.models.files import CONFIG, WEIGHTS, Files


def find_files(path: str | Path) -> Files | None:
    """Return the weights and configuration that a path means.

    Parameters
    ----------
    path
        A ``.ckpt`` or ``.safetensors`` file, or the folder of either.

    Returns
    -------
    None if nothing there looks like weights.

    Raises
    ------
    ModelError
        If a folder holds several checkpoints.
    """
    path = Path(path)
    if path.is_dir():
        if (path / WEIGHTS).is_file():
            return Files(path / WEIGHTS, path / CONFIG)
        found = sorted(path.glob("*.ckpt"))
        if len(found) > 1:
            raise ModelError(
                f"{path} holds several checkpoints: {named(p.name for p in found)}.",
                "Give the path of one of them.",
            )
        return find_files(found[0]) if found else None
    if not path.is_file():
        return None
    if path.suffix == ".safetensors":
        return Files(path, path.with_name(CONFIG))
    if path.suffix == ".ckpt":
        stem = path.name.removesuffix(".ckpt").removesuffix(".best")
        return Files(path, path.with_name(f"{stem}.config.json"))
    return None
