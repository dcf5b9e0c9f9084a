"""Which small network guesses best on real slides: one change at a time.

Run: python benchmarks/architecture.py nsclc|merfish --fov F [--only NAME ...]

Networks are trained by "masked" on the other fields of view and guess, in the tested
one, 25 genes of each sparsity stratum and a tenth of the cells: mean Pearson and RMSE
over genes of log1p counts. The first row is the recipe as it ships; every other row
changes what its name says. "softmax over neighbours" replaces flow attention by
ordinary attention of a cell to its 20 nearest cells.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from slides import slide
from torch import Tensor, nn

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.masks.make import mask_random_cells
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.training.objectives import masked
from napari_scfm.training.settings import TrainSettings

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.cellplm.config import CellPLMConfig

CHANGES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "negative binomial loss": {"loss": "negative_binomial"},
    "squared log loss": {"loss": "squared_log"},
    "positions in the FOV added": {"positions": True},
    "no Gaussian neighbourhoods": {"bandwidths": ()},
    "nearest cell only": {"neighbours": (1,), "bandwidths": ()},
    "no linear path": {"linear_path": False},
    "2 layers": {"layers": 2},
    "3 layers": {"layers": 3},
    "softmax over neighbours": {},
    "width 64": {"width": 64, "latent": 32, "own_width": 48, "near_width": 16},
    "width 256": {"width": 256, "latent": 128, "own_width": 160, "near_width": 48},
    "latent 16": {"latent": 16},
    "dropout 0.1": {"dropout": 0.1, "input_dropout": 0.05},
    "dropout 0.5": {"dropout": 0.5, "input_dropout": 0.4},
    "molecules thinned": {"thinning": 0.3},
    "masks: genes only": {},
    "masks: cells only": {},
    "as in the original": {"neighbours": (), "bandwidths": (), "linear_path": False},
}
MASKS = {"masks: genes only": 0, "masks: cells only": 1}


class SoftmaxEncoder(nn.Module):
    """Pre-norm layers in which a cell attends to its nearest cells."""

    def __init__(self, network: CellPLMNetwork, near: int = 20) -> None:
        super().__init__()
        config = network.config
        width = config.enc_hid
        self.near, self.heads = near, config.enc_head
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(config.model_dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(config.model_dropout),
        )
        self.bf16, self.block = False, 0
        self.nearest: Tensor | None = None

    def forward(self, x: Tensor, tick: object = None) -> Tensor:
        """Return (cells, width)."""
        assert self.nearest is not None
        cells, width = x.shape
        own = torch.arange(cells)[:, None]
        near = torch.cat((own, self.nearest[:, : self.near]), dim=1)
        q, k, v = self.qkv(self.norms[0](x)).view(cells, 3, self.heads, -1).unbind(1)
        score = torch.einsum("chd,cnhd->chn", q, k[near]) / q.shape[-1] ** 0.5
        moved = torch.einsum("chn,cnhd->chd", score.softmax(-1), v[near])
        x = x + self.out(moved.reshape(cells, width))
        out: Tensor = x + self.feed(self.norms[1](x))
        return out


class SoftmaxNetwork(CellPLMNetwork):
    """The shipped network with another encoder."""

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__(config)
        self.encoder = SoftmaxEncoder(self)

    def start(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Remember the neighbours for the encoder."""
        self.encoder.nearest = nearest
        return super().start(counts, rows, positions, nearest)


def main() -> None:
    """Print one row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["nsclc", "merfish"])
    parser.add_argument("--fov", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--only", nargs="+", choices=list(CHANGES), default=CHANGES)
    asked = parser.parse_args()
    whole = slide(asked.slide)
    tested = whole.obs[keys.FOV] == asked.fov
    print(f"{date.today()}, {asked.slide}: FOV {asked.fov} tested, seed {asked.seed}")
    print(
        "| network | weights | genes: Pearson | RMSE | cells: Pearson | RMSE | CPU s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in asked.only:
        start = time.process_time()
        model = trained(name, whole[~tested].copy(), asked.epochs, asked.seed)
        seconds = time.process_time() - start
        table = whole[tested].copy()
        found = score(model, table, whole, asked.seed)
        figures = " | ".join(f"{value:.3f}" for value in found)
        print(
            f"| {name} | {model.info.parameters:,} | {figures} | {seconds:.0f} |",
            flush=True,
        )


def trained(name: str, table: AnnData, epochs: int, seed: int) -> scfm.CellModel:
    """Return the network of a name, trained."""
    network = SoftmaxNetwork if name.startswith("softmax") else CellPLMNetwork
    draw = masked.random_mask
    kind = MASKS.get(name)

    def one_kind(shape: tuple[int, ...], rng: Any) -> Any:
        hidden = draw(shape, rng)
        hidden[:] = False
        at = rng.random(shape[1 - kind]) < rng.uniform(0.05, 0.5)
        hidden[(slice(None), at) if kind == 0 else at] = True
        return hidden

    with (
        mock.patch("napari_scfm.training.start.CellPLMNetwork", network),
        mock.patch.object(masked, "random_mask", draw if kind is None else one_kind),
    ):
        return scfm.train(
            "cellplm",
            table,
            epochs=epochs,
            seed=seed,
            settings=TrainSettings(**CHANGES[name]),
        )


def score(
    model: scfm.CellModel, table: AnnData, whole: AnnData, seed: int
) -> list[float]:
    """Return Pearson and RMSE of hidden genes, then of hidden cells."""
    out = []
    genes = scfm.mask_strata(whole, 25, seed).hidden_genes
    for mask in (scfm.mask_genes(table, genes), mask_random_cells(table, 0.1, seed)):
        spec = scfm.ExperimentSpec(model="trained", mask=mask, baselines=(), seed=seed)
        summary = scfm.run_experiment(table, spec, model=model).summary
        out += [float(summary["pearson"].iloc[0]), float(summary["rmse"].iloc[0])]
    return out


if __name__ == "__main__":
    main()
