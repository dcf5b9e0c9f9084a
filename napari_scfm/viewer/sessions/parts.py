"""Parts: what is too large for a session's JSON, in the folder beside it.

A part is written once under a name that it keeps for life, and appears whole or not at
all. So the file can be replaced in one step: it names either the old parts or the
new, and parts that did not change are not written again. Arrays are npz, without
pickle; a comparison is the result of its experiment.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError
from napari_scfm.experiments.files import atomic_path
from napari_scfm.viewer.sessions.file import PART, SessionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.viewer.session import Clusters

_NAMES: dict[int, tuple[weakref.ref[Any], str]] = {}


def part_name(kind: str, made: Any, ending: str = "") -> str:
    """Return the name of an object's part; the same one as long as it lives."""
    if id(made) not in _NAMES:
        remember(made, f"{kind}-{secrets.token_hex(6)}{ending}")
    return _NAMES[id(made)][1]


def remember(made: Any, name: str) -> None:
    """Let an object that was read from a part keep the part's name."""
    key = id(made)  # results hold arrays, so they cannot be keys themselves
    _NAMES[key] = weakref.ref(made, lambda _: _NAMES.pop(key, None)), name


def drop_others(folder: Path, used: Iterable[str]) -> None:
    """Delete the parts that no session names any more, and nothing else."""
    kept = set(used)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in kept or not re.match(PART, path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def write_result(folder: Path, result: ExperimentResult, made: Any) -> str:
    """Write the result of a comparison, once; return its part's name."""
    name = part_name("comparison", made)
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        result.save(folder / name)
    return name


def write_model(folder: Path, model: Any) -> str:
    """Write the files of a model that was trained here, once."""
    name = part_name("model", model)
    if (folder / name).exists():
        return name
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".model-", dir=folder))
    try:
        fresh.chmod(0o755)
        model.save(fresh)
        fresh.rename(folder / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return name


def write_clusters(folder: Path, made: Clusters) -> str:
    """Write the cluster of each cell, once; those of the whole slide if it is known."""
    arrays = {"values": made.values}
    if made.grouping is not None:
        arrays |= {"slide": made.grouping.labels, "colours": made.grouping.colours}
        if made.grouping.confidence is not None:
            arrays |= {"sure": made.grouping.confidence, "sure_here": made.confidence}
    return write_arrays(folder, "clusters", made, arrays)


def write_arrays(folder: Path, kind: str, made: Any, arrays: dict[str, Any]) -> str:
    """Write arrays, once as long as ``made`` lives; return the part's name."""
    name = part_name(kind, made, ".npz")
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / name) as temporary:
            np.savez_compressed(temporary, **arrays)
    return name


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a part.

    Raises
    ------
    SessionError
        If the part is missing or damaged.
    """
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise SessionError(f"{path} is missing.") from error
    except Exception as error:  # a zip can be damaged in many ways
        raise SessionError(f"{path} is damaged.") from error


def read_result(path: Path) -> ExperimentResult:
    """Return the result of a comparison.

    Raises
    ------
    SessionError
        If the part is missing or damaged.
    """
    from napari_scfm.experiments.result import load_result

    if not path.is_dir():
        raise SessionError(f"{path} is missing.")
    try:
        return load_result(path)
    except ScfmError as error:
        raise SessionError(error.message) from error
    except Exception as error:  # parquet, npz and JSON each have their own errors
        raise SessionError(f"{path} is damaged: {error}.") from error
