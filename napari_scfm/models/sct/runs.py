"""Runs an sCT network over windows of cells, some at a time, in any order of cells."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_scfm.errors import ModelError
from napari_scfm.models.devices import pick_precision
from napari_scfm.models.sct.bags import orders
from napari_scfm.models.sparing import spared
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scfm.models.sct.bags import Window
    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.models.sct.table import Reading
    from napari_scfm.progress import ProgressCallback

POSITIONS = {"cpu": 1 << 20, "mps": 1 << 20, "cuda": 1 << 22}
"""Gene positions of all cells that are read at once."""

T = TypeVar("T")


class Runs:
    """Runs a network without gradients.

    Parameters
    ----------
    network
        Moved to the device and put in evaluation mode.
    device
        Where it runs.
    precision
        "float32", "bfloat16", or "auto": bfloat16 on CUDA devices that compute in it.
    note
        Told what a user should know of a run.

    Raises
    ------
    ModelError
        If there is no such precision.
    """

    def __init__(
        self,
        network: SCTNetwork,
        device: torch.device,
        precision: str,
        note: Callable[[str], None],
    ) -> None:
        self.precision, self._note = pick_precision(precision, device), note
        self.network, self.device = network.to(device).eval(), device
        network.precision = self.precision
        self.positions = POSITIONS.get(device.type, POSITIONS["cpu"])

    def over(
        self,
        reading: Reading,
        windows: list[Window],
        act: Callable[[Tensor, Tensor | None], Tensor],
        *,
        number: int = 1,
        as_given: bool = False,
        unmeasured: np.ndarray | None = None,
        progress: ProgressCallback | None = None,
        message: str = "",
    ) -> Iterator[tuple[int, Window, np.ndarray]]:
        """Yield for each window and order its number, the window so ordered, a result.

        Parameters
        ----------
        reading, windows
            What is read.
        act
            (B, k * positions) tokens and (B, k, 2) places -> (B, ...) result.
        number
            Random orders in which each window is read.
        as_given
            Read each window once, in the order that it has.
        unmeasured
            Positions that are masked in every cell.
        progress
            Told before every pass; what it raises stops the work.
        message
            For the progress.
        """
        none = np.zeros(0, dtype=np.intp)
        lost = none if unmeasured is None else unmeasured
        asked = [
            (at, window.ordered(order))
            for at, window in enumerate(windows)
            for order in self._orders(reading, len(window.cells), at, number, as_given)
        ]
        done = 0
        for size, group in groupby(asked, key=lambda one: len(one[1].cells)):
            waiting = list(group)
            while waiting:
                report(progress, done, len(asked), message)
                found, some = self._pass(reading, waiting, size, lost, act)
                for (at, window), one in zip(some, found, strict=True):
                    yield at, window, one
                waiting = waiting[len(some) :]
                done += len(some)
        report(progress, done, len(asked), message)

    def _orders(
        self, reading: Reading, size: int, window: int, number: int, as_given: bool
    ) -> list[np.ndarray]:
        if as_given:
            return [np.arange(size)]
        return orders(number, size, reading.options.seed, window)

    def _pass(
        self,
        reading: Reading,
        waiting: list[tuple[int, Window]],
        size: int,
        lost: np.ndarray,
        act: Callable[[Tensor, Tensor | None], Tensor],
    ) -> tuple[np.ndarray, list[tuple[int, Window]]]:
        """Read as many windows as fit into memory; return results and windows."""
        width = size * reading.config.positions

        def one() -> tuple[np.ndarray, list[tuple[int, Window]]]:
            some = waiting[: max(1, self.positions // width)]
            cells = [window.cells for _, window in some]
            tokens = np.stack([reading.dense(row, lost).ravel() for row in cells])
            places = None
            if reading.config.reads_coordinates:
                near = [reading.places_of(row) for row in cells]
                places = torch.as_tensor(np.stack([n for n in near if n is not None]))
                places = places.to(self.device)
            found = self._act(act, torch.as_tensor(tokens).to(self.device), places)
            return found, some

        return self._spared(one, width)

    def _act(
        self,
        act: Callable[[Tensor, Tensor | None], Tensor],
        tokens: Tensor,
        places: Tensor | None,
    ) -> np.ndarray:
        with torch.inference_mode():
            found = act(tokens, places)
        return np.asarray(found.float().cpu().numpy())

    def _spared(self, act: Callable[[], T], width: int) -> T:
        """Return what an act returns, reading fewer at once while memory runs out.

        Raises
        ------
        ModelError
            If even one window does not fit.
        """

        def halve() -> bool:
            if self.positions < 2 * width:
                return False
            self.positions //= 2
            self._note(
                f"{self.device} ran out of memory; fewer windows are now read at a "
                "time, which gives the same numbers."
            )
            return True

        refusal = ModelError(
            f"A window does not fit into the memory of {self.device}.",
            "Use device='cpu', or precision='bfloat16'.",
        )
        return spared(act, halve, self.device, refusal)
