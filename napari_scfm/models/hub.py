"""The models by name, and models from files.

Names are those of the baselines and of the model that ships with the package;
everything else is a path. Listing costs no torch import.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.files import find_files
from napari_scfm.models.cellplm.info import MINI, MINI_FOLDER, mini_info
from napari_scfm.models.files import WEIGHTS
from napari_scfm.models.sct import kept
from napari_scfm.models.sct.files import find_files as find_sct
from napari_scfm.models.sct.info import sct_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.models.base import CellModel, ModelInfo

_REGISTRY = "napari_scfm.models.baselines.registry"


def _baselines() -> dict[str, Callable[[], CellModel]]:
    found: dict[str, Callable[[], CellModel]]
    found = importlib.import_module(_REGISTRY).available()
    return found


def list_models() -> list[ModelInfo]:
    """Return the models that can be loaded by name, baselines first."""
    infos = [make().info for make in _baselines().values()]
    if (MINI_FOLDER / WEIGHTS).is_file():
        infos.append(mini_info())
    sct = sct_info()
    return infos if sct is None else [*infos, sct]


def load_model(
    name_or_path: str | Path,
    device: str = "auto",
    compat: bool = False,
    precision: str = "auto",
    *,
    genes: str | Path | None = None,
) -> CellModel:
    """Return a model by name or from its files.

    Parameters
    ----------
    name_or_path
        A name of :func:`list_models`; or a folder or file written by
        ``model.save``; or an original CellPLM ``<version>.best.ckpt`` (or its
        folder) with ``<version>.config.json`` beside it; or the released
        ``params.joblib`` of sCT (or its folder) with ``config.json`` beside it.
    device
        "auto" (CUDA, MPS, CPU), "cuda", "mps" or "cpu"; baselines ignore it.
    compat
        Every default as in the original program.
    precision
        "float32"; "bfloat16", which halves the time of the encoder's products on
        processors and GPUs that have it and changes an embedding by about 0.2 %; or
        "auto": bfloat16 on CUDA GPUs that have it, float32 elsewhere. Baselines
        ignore it.
    genes
        Of sCT: a table with the columns position and ensembl_id, or the folder of the
        two gene maps of its release, where they do not lie beside the weights.

    Raises
    ------
    ModelError
        If there is no such model, a file is damaged or asks for code to be run,
        or weights do not fill their network.
    """
    name = str(name_or_path)
    baselines = _baselines()
    if name in baselines:
        return baselines[name]()
    if name == MINI:
        name_or_path = MINI_FOLDER
    elif name == kept.NAME and not Path(name).exists():
        name_or_path = kept.weights() or _no_sct()
    elif not Path(name_or_path).exists():
        importlib.import_module(_REGISTRY).refuse_missing(name)
        raise _unknown(name, [*baselines, MINI])
    sct = find_sct(name_or_path)
    if sct is not None:
        from napari_scfm.models.sct.model import SCT

        return SCT.load(sct, genes=genes, device=device, precision=precision)
    files = find_files(name_or_path)
    if files is None:
        raise ModelError(
            f"{name_or_path} holds no model that can be read.",
            f"Give a .ckpt or params.joblib file, or a folder with {WEIGHTS} and "
            "config.json.",
        )
    from napari_scfm.models.cellplm.model import CellPLM

    return CellPLM.load(files, device=device, compat=compat, precision=precision)


def _no_sct() -> Path:
    raise ModelError("It is not known where the sCT weights lie.", kept.WHERE)


def _unknown(name: str, names: list[str]) -> ModelError:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return ModelError(
        f"There is no model {name!r}, neither by name nor as a file.",
        f"{hint}Names are: {', '.join(names)}.",
    )
