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

from napari_scfm import keys
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
from napari_scfm.models.cellplm.inference import Inference
from napari_scfm.models.cellplm.info import MINI, MINI_FOLDER, model_info
from napari_scfm.models.cellplm.neighbourhood import (
    check_neighbourhood,
    predict_hidden,
)
from napari_scfm.models.cellplm.notes import position_note
from napari_scfm.models.cellplm.predicting import Predictions
from napari_scfm.models.cellplm.reading import LARGEST_BAG, Bag, TableReading
from napari_scfm.models.devices import pick_device
from napari_scfm.models.places_probe import IGNORES, reads_positions
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
    precision
        Of the encoder's products, see :class:`.inference.Inference`.
    """

    def __init__(
        self,
        network: CellPLMNetwork,
        info: ModelInfo,
        *,
        device: str = "auto",
        compat: bool = False,
        seed: int = 0,
        precision: str = "auto",
    ) -> None:
        self.info = info
        self.device = pick_device(device)
        self.notes: list[str] = []
        self._runs = Inference(network, self.device, precision, self._note)
        self.network = self._runs.network
        self.compat = compat
        self.seed = seed
        self.load_report = LoadReport()
        self.draws: Callable[[int, int], Tensor] | None = None

    @classmethod
    def load(
        cls,
        files: Files,
        *,
        device: str = "auto",
        compat: bool = False,
        precision: str = "auto",
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
        model = cls(network, info, device=device, compat=compat, precision=precision)
        model.load_report = load_report
        model.notes += load_report.sentences()
        model.notes += position_note(network)
        return model

    @property
    def precision(self) -> str:
        """Of the encoder's products: "float32" or "bfloat16"."""
        return self._runs.precision

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
        neighbourhood: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return predicted counts, (cells, genes) float32.

        Genes may be named as in the table, by the model's identifiers or by symbol;
        one that the model does not know is a column of NaN. Each cell is scaled so
        that its visible entries sum to what was observed; a cell without visible
        counts gets the factor of its bag (of the whole table if its bag has none).

        Parameters
        ----------
        table, genes, mask
            What to read, what to predict and what to hide.
        neighbourhood
            Predict each cell without visible counts in a bag of its own, with this
            many of the observed cells nearest to it (50 is usual); such cells are
            otherwise all alike to a model without positions.
        progress
            Told once per bag, per layer of a large bag, and as hidden cells are
            predicted.

        Raises
        ------
        ModelError
            If the model has no decoder, no gene of the table is known, counts are
            negative or missing, or a neighbourhood is asked without coordinates.
        """
        if neighbourhood is not None:
            check_neighbourhood(neighbourhood, table, self.config)
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
        made = Predictions(reading, asked, compat=self.compat)
        with torch.inference_mode():
            for bag, z in self._latents(reading, progress):
                self._predict(made, bag, z)
            if neighbourhood is not None:
                self._predict_hidden(made, reading, neighbourhood, progress)
        values, notes = made.scaled()
        for note in notes:
            self._note(note)
        return values

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
        blocks = []
        with torch.inference_mode():
            for done, bag in enumerate(reading):
                tell(progress, done, len(reading), "Attention")
                tick = self._tick(bag, done, len(reading), "Attention", progress)
                flows = self._runs.flows(table, bag, reading.rows, layer, tick)
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

    def reads_positions(self, table: AnnData) -> bool:
        """Tell whether embeddings change when cells of a bag exchange their places.

        A model that ignores coordinates says so in :attr:`notes` from then on.

        Raises
        ------
        ModelError
            As for :meth:`embed`.
        """
        found = reads_positions(self, table)
        if not found and keys.SPATIAL in table.obsm:
            said = any(note.startswith(IGNORES[:29]) for note in self.notes)
            self.notes += [] if said else [IGNORES]
        return found

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors`` and ``config.json``; return the folder."""
        return save_network(self.network, self.config, folder)

    def _read(self, table: AnnData, mask: Mask | None) -> TableReading:
        reading = TableReading(
            table, mask, self.config, self.info.name, compat=self.compat
        )
        for note in reading.notes:
            self._note(note)
        return reading

    def _latents(
        self, reading: TableReading, progress: ProgressCallback | None
    ) -> Iterator[tuple[Bag, Tensor]]:
        message = f"{self.info.name} reads cells"
        draw = self._uniform_draws()
        for done, bag in enumerate(reading):
            tell(progress, done, len(reading), message)
            tick = self._tick(bag, done, len(reading), message, progress)
            uniform = draw(len(bag.cells))
            yield (
                bag,
                self._runs.latent(reading.table, bag, reading.rows, uniform, tick),
            )
        tell(progress, len(reading), len(reading), message)

    def _tick(
        self,
        bag: Bag,
        done: int,
        total: int,
        message: str,
        progress: ProgressCallback | None,
    ) -> Callable[[int], None] | None:
        """Return what tells the layers of a large bag; small ones are soon done."""
        if len(bag.cells) <= LARGEST_BAG or progress is None:
            return None
        layers = self.config.enc_layers

        def tick(layer: int) -> None:
            tell(progress, done, total, f"{message}, layer {layer + 1} of {layers}")

        return tick

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

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

    def _predict(self, into: Predictions, bag: Bag, z: Tensor) -> None:
        """Decode a bag, some cells at a time."""
        into.observe(bag.cells, bag.counts)
        near = self._surroundings(bag, into.own, len(into.genes))
        for part, means in self._runs.means(z, into.genes, near):
            hidden = None if bag.hidden is None else bag.hidden[part]
            into.take(bag.cells[part], means, hidden)

    def _predict_hidden(
        self,
        into: Predictions,
        reading: TableReading,
        size: int,
        progress: ProgressCallback | None,
    ) -> None:
        """Predict cells without visible counts from their nearest observed cells."""
        draw = self._uniform_draws()
        for done, total in predict_hidden(self._runs, reading, into, size, draw):
            tell(progress, done, total, f"{self.info.name} reads neighbourhoods")

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
