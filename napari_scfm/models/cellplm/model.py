"""CellPLM as a CellModel: embeddings, predictions and attention, bag by bag.

Repairs what surprises in the original (see each method) unless ``compat=True``:
there, scaling takes all input columns, an empty cell is predicted as 0, and a mixture
latent is drawn, with a seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm.errors import ModelError, named
from napari_scfm.genes.identity import resolve
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.cellplm.annotation import CLASSES, told
from napari_scfm.models.cellplm.checkpoint import (
    LoadReport,
    load_network,
    save_network,
)
from napari_scfm.models.cellplm.info import MINI, MINI_FOLDER, model_info
from napari_scfm.models.cellplm.notes import position_note
from napari_scfm.models.cellplm.reading import Bag, TableReading
from napari_scfm.models.cellplm.scaling import cell_factors
from napari_scfm.models.devices import pick_device
from napari_scfm.progress import report as tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.files import Files
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.progress import ProgressCallback

_DECODE_CELLS = 4096


class CellPLM(CellModel):
    """A CellPLM network with its genes.

    Parameters
    ----------
    network
        The network, filled.
    info
        What is known of it.
    device
        Where it runs, see :func:`napari_scfm.models.devices.pick_device`.
    compat
        Every default as in the original program.
    seed
        Of the component draws of a mixture latent with ``compat``.
    """

    def __init__(
        self,
        network: CellPLMNetwork,
        info: ModelInfo,
        *,
        device: str = "auto",
        compat: bool = False,
        seed: int = 0,
    ) -> None:
        self.info = info
        self.device = pick_device(device)
        self.network = network.to(self.device).eval()
        self.compat = compat
        self.seed = seed
        self.notes: list[str] = []
        self.load_report = LoadReport()
        self.draws: Callable[[int, int], Tensor] | None = None

    @classmethod
    def load(
        cls, files: Files, *, device: str = "auto", compat: bool = False
    ) -> CellPLM:
        """Read a model from its files; see :func:`napari_scfm.load_model`.

        Raises
        ------
        ModelError
            If the files are damaged or do not belong together.
        """
        network, load_report = load_network(files)
        config = network.config
        own = files.weights.resolve().parent == MINI_FOLDER.resolve()
        name = MINI if own else files.version
        size = sum(p.numel() for p in network.parameters())
        info = model_info(config, files.weights, name, size)
        if any(text.startswith("decoder.") for text in load_report.unusable):
            able = info.capabilities - {"impute"}
            info = ModelInfo(**{**info.__dict__, "capabilities": able})
        model = cls(network, info, device=device, compat=compat)
        model.load_report = load_report
        model.notes += load_report.sentences()
        model.notes += position_note(network)
        return model

    @property
    def config(self) -> CellPLMConfig:
        """The network's configuration."""
        return self.network.config

    def embed(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return the latent of every cell, (cells, latent) float32.

        A mixture latent takes its most probable component (the original draws it).

        Raises
        ------
        ModelError
            If no gene of the table is known, or counts are negative or missing.
        """
        out = np.zeros((table.n_obs, self.config.post_latent_dim), dtype=np.float32)
        reading = self._read(table, mask)
        with torch.inference_mode():
            for bag, z in self._latents(reading, progress):
                out[bag.cells] = z.cpu().numpy()
        return out

    def impute(
        self,
        table: AnnData,
        genes: Sequence[str],
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return predicted counts, (cells, genes) float32.

        Genes may be named as in the table, by the model's identifiers or by symbol;
        one that the model does not know is a column of NaN. Each cell is scaled so
        that its visible entries sum to what was observed; a cell without visible
        counts gets the factor of its bag (of the whole table if its bag has none).

        Raises
        ------
        ModelError
            If the model has no decoder, no gene of the table is known, or counts
            are negative or missing.
        """
        if "impute" not in self.info.capabilities:
            lacking = [t for t in self.load_report.unusable if t.startswith("decoder")]
            if lacking:
                raise ModelError(
                    f"Model {self.info.name} has no usable decoder: {named(lacking)}.",
                    "Use a complete checkpoint.",
                    lacking,
                )
            raise self._cannot("impute")
        reading = self._read(table, mask)
        asked = self._asked(table, genes, reading)
        known = np.flatnonzero(asked >= 0)
        out = np.full((table.n_obs, len(genes)), np.nan, dtype=np.float32)
        sums = np.zeros((2, table.n_obs))
        with torch.inference_mode():
            for bag, z in self._latents(reading, progress):
                means = self._means(bag, z, reading.rows, asked[known], sums)
                out[np.ix_(bag.cells, known)] = means
        factor = self._factors(reading, sums)
        return np.asarray(out * factor[:, None], dtype=np.float32)

    def attend(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        layer: int = -1,
        progress: ProgressCallback | None = None,
    ) -> Attention:
        """Return the head mean of one layer's attention, as factors.

        Parameters
        ----------
        table, mask
            What to read and what to hide.
        layer
            From 0, or negative from the last. Layer 0 has not yet seen any
            neighbour.
        progress
            Told once per bag.

        Raises
        ------
        ModelError
            If there is no such layer, no gene of the table is known, or counts
            are negative or missing.
        """
        layers = self.config.enc_layers
        if not -layers <= layer < layers:
            raise ModelError(
                f"Model {self.info.name} has {layers} layers, there is no {layer}.",
                f"Ask for 0 to {layers - 1}, or -1 for the last.",
            )
        reading = self._read(table, mask)
        rows = torch.as_tensor(reading.rows, device=self.device)
        blocks = []
        with torch.inference_mode():
            for done, bag in enumerate(reading):
                tell(progress, done, len(reading), "Attention")
                flows = self.network.flows(
                    self._counts(bag), rows, *self._places(bag), layer=layer
                )
                query, key = (f.cpu().numpy() for f in flows.factors())
                blocks.append(Block(bag.cells, query=query, key=key))
        tell(progress, len(reading), len(reading), "Attention")
        return Attention(blocks, table.n_obs)

    def class_scores(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return the class scores of a fine-tuned annotation model, (cells, classes).

        Raises
        ------
        ModelError
            If the model has no annotation head.
        """
        if self.config.head_type != "annotation":
            raise self._cannot("annotate")
        out = np.zeros((table.n_obs, self.config.out_dim), dtype=np.float32)
        with torch.inference_mode():
            for bag, z in self._latents(self._read(table, mask), progress):
                out[bag.cells] = self.network.head(z).cpu().numpy()
        return out

    def annotate(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> pd.DataFrame:
        """Return ``label``, ``probability`` and ``margin`` of every cell.

        Raises
        ------
        ModelError
            If the model has no annotation head, or does not name its classes.
        """
        if "annotate" not in self.info.capabilities:
            raise self._cannot("annotate")
        scores = self.class_scores(table, mask=mask, progress=progress)
        return told(scores, self.config.extra[CLASSES], table.obs_names)

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors`` and ``config.json``; return the folder."""
        return save_network(self.network, self.config, folder)

    def _read(self, table: AnnData, mask: Mask | None) -> TableReading:
        reading = TableReading(
            table, mask, self.config, self.info.name, compat=self.compat
        )
        self.notes += [note for note in reading.notes if note not in self.notes]
        return reading

    def _latents(
        self, reading: TableReading, progress: ProgressCallback | None
    ) -> Iterator[tuple[Bag, Tensor]]:
        rows = torch.as_tensor(reading.rows, device=self.device)
        draw = self._uniform_draws()
        for done, bag in enumerate(reading):
            tell(progress, done, len(reading), f"{self.info.name} reads cells")
            uniform = draw(len(bag.cells))
            z = self.network(self._counts(bag), rows, *self._places(bag), uniform)
            yield bag, z
        tell(progress, len(reading), len(reading), f"{self.info.name} reads cells")

    def _counts(self, bag: Bag) -> Tensor:
        if self.device.type == "mps":  # no sparse products there
            return torch.as_tensor(bag.counts.toarray(), device=self.device)
        coo = bag.counts.tocoo()
        where = torch.as_tensor(np.stack(coo.coords).astype(np.int64))
        values = torch.as_tensor(coo.data)
        return torch.sparse_coo_tensor(
            where,
            values,
            coo.shape,
            device=self.device,
            is_coalesced=True,
            check_invariants=False,
        )

    def _places(self, bag: Bag) -> tuple[Tensor, Tensor | None]:
        nearest = bag.nearest
        return (
            torch.as_tensor(bag.positions, device=self.device),
            None if nearest is None else torch.as_tensor(nearest, device=self.device),
        )

    def _uniform_draws(self) -> Callable[[int], Tensor | None]:
        if not self.compat or self.config.latent_mod != "gmvae":
            return lambda _: None
        clusters = self.config.num_clusters
        generator = torch.Generator().manual_seed(self.seed)

        def draw(cells: int) -> Tensor:
            if self.draws is not None:
                return self.draws(cells, clusters).to(self.device)
            drawn = torch.rand((cells, clusters), generator=generator)
            return drawn.to(self.device)

        return draw

    def _asked(
        self, table: AnnData, genes: Sequence[str], reading: TableReading
    ) -> np.ndarray:
        """Return the position of each asked gene in the gene list, -1 unknown."""
        genes = [str(gene) for gene in genes]
        asked = np.asarray(resolve(genes, self.config.gene_list), dtype=np.int64)
        matched = np.full(table.n_vars, -1)
        matched[reading.match.columns] = reading.rows
        columns = table.var_names.get_indexer(genes)
        here = columns >= 0
        measured = matched[columns[here]]
        asked[here] = np.where(measured >= 0, measured, asked[here])
        return asked

    def _means(
        self,
        bag: Bag,
        z: Tensor,
        rows: np.ndarray,
        asked: np.ndarray,
        sums: np.ndarray,
    ) -> np.ndarray:
        """Return unscaled means of asked genes; note the visible sums of each cell.

        Decodes the matched and the asked genes only, some thousand cells at once.
        """
        wanted, back = np.unique(np.concatenate([rows, asked]), return_inverse=True)
        chosen = torch.as_tensor(wanted, device=self.device)
        own, other = back[: len(rows)], back[len(rows) :]
        near = self._surroundings(bag, own, len(wanted))
        size = _DECODE_CELLS if near is None else _DECODE_CELLS // 16
        out = np.empty((len(bag.cells), len(asked)), dtype=np.float32)
        for start in range(0, len(bag.cells), size):
            part = slice(start, start + size)
            local = () if near is None else (near[0][part], *near[1:])
            means = self.network.means(z[part], chosen, *local).cpu().numpy()
            out[part] = means[:, other]
            expected = means[:, own]
            if bag.hidden is not None and not self.compat:
                expected[bag.hidden[part].nonzero()] = 0
            sums[1, bag.cells[part]] = expected.sum(axis=1, dtype=np.float64)
        sums[0, bag.cells] = bag.counts.sum(axis=1)
        return out

    def _surroundings(
        self, bag: Bag, own: np.ndarray, genes: int
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return neighbours, visible counts and visibility of the decoded genes."""
        if bag.nearest is None or not self.config.neighbours:
            return None
        counts = np.zeros((len(bag.cells), genes), dtype=np.float32)
        visible = np.zeros_like(counts)
        counts[:, own] = bag.counts.toarray()
        visible[:, own] = 1 if bag.hidden is None else ~bag.hidden.toarray()
        nearest, shown, seen = (
            torch.as_tensor(array, device=self.device)
            for array in (bag.nearest, counts, visible)
        )
        return nearest, shown, seen

    def _factors(self, reading: TableReading, sums: np.ndarray) -> np.ndarray:
        factor = np.zeros(sums.shape[1])
        for cells in reading.bags:
            factor[cells] = cell_factors(*sums[:, cells], compat=self.compat)
        unknown = np.isnan(factor)
        if unknown.any():
            factor[unknown] = cell_factors(*sums)[unknown]
            note = (
                "A bag has no visible counts of genes that the model knows: its "
                "predictions take their depth from the other bags, or are missing."
            )
            self.notes += [note] if note not in self.notes else []
        return factor
