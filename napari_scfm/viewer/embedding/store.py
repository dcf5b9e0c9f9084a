"""What was computed once is kept: embeddings and pictures, under what made them.

A key stands for the model's weights, the mask and the counts of every field of view,
so that nothing that changed can be mistaken for what was kept. Pictures, which are
small and slow to make, are written to the user's cache folder, too, unless autosaving
is switched off there.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.viewer.sessions.autosave import enabled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_scfm.viewer.session import Session

MOST = 600_000_000
"""Bytes that are kept in memory; what was used longest ago goes first."""

_PART = "embedding store"


def key_of(*parts: object) -> str:
    """Return letters that stand for what made an array."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


class Store:
    """Arrays by key, up to :data:`MOST` bytes.

    Parameters
    ----------
    folder
        Where pictures are kept between sessions; None for nowhere.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def get(self, key: str) -> np.ndarray | None:
        """Return what is kept under a key, or None."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._read(key)
        if found is not None:
            self._keep(key, found)
        return found

    def put(self, key: str, values: np.ndarray, lasting: bool = False) -> np.ndarray:
        """Keep an array; ``lasting`` for longer than the session. Return it."""
        self._keep(key, values)
        if lasting and self._folder is not None:
            self._write(self._folder / f"{key}.npy", values)
        return values

    def ask(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what is kept under a key; make it first if there is nothing."""
        found = self.get(key)
        return self.put(key, make()) if found is None else found

    def _keep(self, key: str, values: np.ndarray) -> None:
        values.setflags(write=False)
        self._kept[key] = values
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(v.nbytes for v in self._kept.values()) > MOST:
            self._kept.popitem(last=False)

    def _read(self, key: str) -> np.ndarray | None:
        if self._folder is None:
            return None
        try:
            return np.load(self._folder / f"{key}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None

    @staticmethod
    def _write(path: Path, values: np.ndarray) -> None:
        """Write atomically; a cache that cannot be written is no error."""
        draft = path.with_name(f"{path.stem}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.save(file, values, allow_pickle=False)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)


def store_of(session: Session) -> Store:
    """Return the store of a session; made on first use."""
    if _PART not in session.parts:
        folder = None
        if enabled():
            from platformdirs import user_cache_path

            folder = user_cache_path("napari-scfm") / "embeddings"
        session.parts[_PART] = Store(folder)
    return session.parts[_PART]
