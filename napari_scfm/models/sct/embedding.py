"""One vector per cell: the mean of its bottleneck tokens after the transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scfm.models.sct.runs import Runs
    from napari_scfm.models.sct.table import Reading
    from napari_scfm.progress import ProgressCallback


def embedded(
    runs: Runs, reading: Reading, progress: ProgressCallback | None, message: str
) -> np.ndarray:
    """Return (cells, embed_dim) float32; NaN for cells that are not read.

    Parameters
    ----------
    runs, reading
        The network, and the table that it reads.
    progress, message
        Told per pass.
    """
    network, options = runs.network, reading.options

    def act(tokens: Tensor, places: Tensor | None) -> Tensor:
        if not options.all_layers:
            return network.cell_vectors(network.encode(tokens, places))
        layers = network.hidden(tokens, places)[1:]
        return torch.stack([network.cell_vectors(x) for x in layers]).mean(dim=0)

    out = np.full((reading.table.n_obs, reading.config.embed_dim), np.nan, np.float32)
    out[~reading.empty] = 0
    found = runs.over(
        reading,
        reading.windows(),
        act,
        number=options.orders,
        as_given=options.windows == "centred" and options.orders == 1,
        progress=progress,
        message=message,
    )
    for _, window, vectors in found:
        out[window.cells[window.kept]] += vectors[window.kept] / options.orders
    return out
