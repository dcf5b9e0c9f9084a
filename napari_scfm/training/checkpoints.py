"""Where a run is, on disk: it may be killed at any time and goes on from there.

One safetensors file per epoch with its states as JSON in the header; no code is ever
run from it. A file appears whole or not at all, the newest two are kept, and one that
cannot be read is passed over.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_scfm.errors import SpecError
from napari_scfm.models.files import whole_file
from napari_scfm.models.weights import on_cpu

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "checkpoints"
KEPT = 2
_STATE = "state"
_PATTERN = "epoch-*.safetensors"


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder
        Of the model; they lie in its ``checkpoints``.
    terms
        What a run must share with the one that wrote them: name -> a plain value.
    """

    def __init__(self, folder: str | Path, terms: dict[str, Any]) -> None:
        self.folder = Path(folder) / FOLDER
        self.terms = json.loads(json.dumps(terms))

    def save(
        self, epoch: int, tensors: dict[str, Tensor], state: dict[str, Any]
    ) -> None:
        """Write the state after an epoch (from 1), then drop all but the newest two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"terms": self.terms, "epoch": epoch, **state})
        with whole_file(self.folder / f"epoch-{epoch:06d}.safetensors") as part:
            save_file(on_cpu(tensors), part, metadata={_STATE: text})
            _to_disk(part)
        _to_disk(self.folder)
        for old in found(self.folder.parent)[KEPT:]:
            old.unlink()

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and state of the newest readable checkpoint, or None.

        Raises
        ------
        SpecError
            If there are checkpoints but none can be read, or they belong to a run on
            other terms.
        """
        files = found(self.folder.parent)
        for path in files:
            read = _read(path)
            if read is None:
                continue
            check_terms(self.folder.parent, read[1].pop("terms"), self.terms)
            return read
        if files:
            raise SpecError(
                f"None of the {len(files)} checkpoints in {self.folder} can be read.",
                "Train anew without resume.",
            )
        return None

    def clear(self) -> None:
        """Remove the checkpoints and what a killed run left half-written."""
        for path in [*found(self.folder.parent), *self.folder.glob("*.part")]:
            path.unlink()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def found(folder: str | Path) -> list[Path]:
    """Return the checkpoints in a model's folder, newest first."""
    return sorted((Path(folder) / FOLDER).glob(_PATTERN), reverse=True)


def epochs_done(folder: str | Path) -> int:
    """Return how many epochs the newest readable checkpoint has seen; 0 without."""
    for path in found(folder):
        read = _read_state(path)
        if read is not None:
            return int(read["epoch"])
    return 0


def check_terms(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with a run on other terms.

    Raises
    ------
    SpecError
        Naming what differs.
    """
    names = dict.fromkeys([*then, *now])
    other = [name for name in names if then.get(name) != now.get(name)]
    if other:
        raise SpecError(
            f"The training in {folder} cannot be resumed, since these are not as they "
            f"were: {', '.join(other)}.",
            "Ask for the same as then, or choose another folder.",
        )


def _read_state(path: Path) -> dict[str, Any] | None:
    """Return the state in a file's header, or None if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})[_STATE])
            return state
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    state = _read_state(path)
    if state is None:
        return None
    with safe_open(path, framework="pt") as file:
        # safetensors checks the file's length against its header when it opens it
        return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
