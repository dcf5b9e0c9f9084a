"""``sct``: guess the bins of hidden entries and of hidden cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_scfm.models.sct.tokens import LEVELS, MASK, PAD
from napari_scfm.training.objectives.base import Objective, mean_figures
from napari_scfm.training.sct.masking import draw, held_out_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.training.sct.bags import Window
    from napari_scfm.training.sct.masking import Hidden
    from napari_scfm.training.sct.settings import SCTSettings


@dataclass
class SCTObjective(Objective):
    """Cross-entropy over all tokens at hidden positions of some windows.

    Attributes
    ----------
    settings
        What is hidden, see :mod:`.masking`.
    """

    settings: SCTSettings
    name: str = "sct"

    def loss(
        self,
        network: SCTNetwork,
        step: Sequence[Window],
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the mean cross-entropy of what draws hide of the windows."""
        hidden = [draw(one.tokens, rng, self.settings) for one in step]
        if not any(one.mask.any() for one in hidden):
            hidden[0].mask[0, 0] = True
        scores, truth, weight = _asked(network, step, hidden, rows.device)
        each = F.cross_entropy(scores.float(), truth, reduction="none")
        return (each * weight).sum() / weight.sum()

    def score(
        self, network: SCTNetwork, step: Window, rows: Tensor
    ) -> dict[str, float]:
        """Return the cross-entropy of a window's hidden cells and hidden entries.

        Always the same are hidden. ``loss`` is the mean of both.
        """
        hidden = held_out_mask(step.tokens, np.random.default_rng(0))
        scores, truth, _ = _asked(network, [step], [hidden], rows.device)
        each = F.cross_entropy(scores[:, :LEVELS].float(), truth, reduction="none")
        of_cells = torch.as_tensor(_of_whole_cells(step.tokens, hidden.mask))
        of_cells = of_cells.to(each.device)
        parts = {"cells": each[of_cells], "entries": each[~of_cells]}
        out = {f"loss_{k}": float(v.mean()) for k, v in parts.items() if len(v)}
        return out | {"loss": float(np.mean(list(out.values())))}

    def scores(
        self, network: Any, steps: Iterable[Any], rows: Tensor, training: Iterable[Any]
    ) -> dict[str, float]:
        """Return the mean over windows."""
        return mean_figures([self.score(network, step, rows) for step in steps])


def _of_whole_cells(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return which hidden entries, row after row, are of wholly hidden cells."""
    whole = (mask | (tokens == PAD)).all(axis=1)
    return np.asarray(np.broadcast_to(whole[:, None], mask.shape)[mask])


def _asked(
    network: SCTNetwork,
    windows: Sequence[Window],
    hidden: Sequence[Hidden],
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores, true tokens and weights of the hidden entries of windows."""
    true = np.stack([one.tokens for one in windows]).astype(np.int64)
    mask = np.stack([one.mask for one in hidden])
    shown = torch.as_tensor(np.where(mask, MASK, true), device=device).flatten(1)
    places = None
    if windows[0].places is not None:
        found = np.stack([one.places for one in windows if one.places is not None])
        places = torch.as_tensor(found, device=device)
    asked = torch.as_tensor(mask, device=device).flatten(1)
    if len(windows) == 1:
        where = asked[0].nonzero()[:, 0]
        scores = network.logits_at(shown, where, places)[0]
    else:
        scores = network(shown, places).logits[asked]
    weight = np.stack([one.weight for one in hidden])[mask]
    return (
        scores,
        torch.as_tensor(true[mask], device=device),
        torch.as_tensor(weight, device=device),
    )
