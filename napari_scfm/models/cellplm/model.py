"""CellPLM as a CellModel: embeddings, predictions and attention, bag by bag.

Repairs what surprises in the original (see each method) unless ``compat=True``:
there, scaling takes all input columns, an empty cell is predicted as 0, and a mixture
latent is drawn, with a seed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm import keys
from napari_scfm.errors import ModelError, named
from napari_scfm.models.attention import Attention
from napari_scfm.models.attention.asked import asked
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.cellplm.annotation import CLASSES, told
from napari_scfm.models.cellplm.checkpoint import (
    LoadReport,
    load_network,
    save_network,
)
from napari_scfm.models.cellplm.inference import Inference
from napari_scfm.models.cellplm.info import MINI, MINI_FOLDER, model_info
from napari_scfm.models.cellplm.neighbourhood import refuse_own_neighbours
from napari_scfm.models.cellplm.notes import position_note
from napari_scfm.models.cellplm.passes import Draws, LatentDraws, Passes
from napari_scfm.models.cellplm.predicting import Predictions, asked_genes
from napari_scfm.models.cellplm.reading import TableReading
from napari_scfm.models.checks import check_neighbourhood
from napari_scfm.models.devices import pick_device
from napari_scfm.models.notes import Notes
from napari_scfm.models.places_probe import IGNORES, reads_positions
from napari_scfm.models.weights import count_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention.asked import Layer, Weighting
    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.models.files import Files
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
        self.notes = Notes()
        self._runs = Inference(network, self.device, precision, self.notes.say)
        self.network = self._runs.network
        self.compat = compat
        self.seed = seed
        self.load_report = LoadReport()
        self.draws: Callable[[int, int], Tensor] | None = None
        self._drawn_with: int | None = None

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
        info = model_info(config, files.weights, name, count_weights(network))
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
    def draws_latent(self) -> bool:
        """Whether a latent is drawn: equal bags of one call then differ by chance."""
        mixed = self.compat and self.config.latent_mod == "gmvae"
        return mixed or self._drawn_with is not None

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
        with torch.inference_mode():
            for bag, z in self._passes(table, mask, progress).latents():
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
            refuse_own_neighbours(self.config)
            check_neighbourhood(neighbourhood, table)
        if "impute" not in self.info.capabilities:
            lacking = [t for t in self.load_report.unusable if t.startswith("decoder")]
            if lacking:
                raise ModelError(
                    f"Model {self.info.name} has no usable decoder: {named(lacking)}.",
                    "Use a complete checkpoint.",
                    lacking,
                )
            raise self._cannot("impute")
        passes = self._passes(table, mask, progress)
        asked = asked_genes(passes.reading, genes)
        made = Predictions(passes.reading, asked, compat=self.compat)
        with torch.inference_mode():
            passes.predict(made)
            if neighbourhood is not None:
                passes.predict_hidden(made, neighbourhood)
        values, notes = made.scaled()
        self.notes.say(*notes)
        return values

    @property
    def attention_shape(self) -> tuple[int, int]:
        """(layers, heads)."""
        return self.config.enc_layers, self.config.enc_head

    def attend(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        layer: Layer = -1,
        head: int | None = None,
        weighting: Weighting = "weights",
        progress: ProgressCallback | None = None,
    ) -> Attention:
        """Return the attention of a layer, or of all layers, as factors.

        Never a cell x cell matrix: time and memory are linear in the cells.

        Parameters
        ----------
        table, mask
            What to read and what to hide.
        layer
            From 0, or negative from the last; layer 0 has not yet seen any
            neighbour. Or "rollout": all layers as one, see
            :func:`napari_scfm.models.attention.layers.rollout`.
        head
            From 0, or None for the mean of the heads.
        weighting
            "weights" as they are, or "values": times the length of the vector that
            the key moves (Kobayashi et al., EMNLP 2020), head by head.
        progress
            Told once per bag, and per layer of a large bag.

        Raises
        ------
        ModelError
            If there is no such layer, head or weighting, no gene of the table is
            known, or counts are negative or missing.
        """
        name = self.info.name
        what = asked(name, self.attention_shape, layer, head, weighting)
        with torch.inference_mode():
            blocks = list(self._passes(table, mask, progress).attention(what))
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
            for bag, z in self._passes(table, mask, progress).latents():
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

    def drawing(self, seed: int) -> CellPLM:
        """Return the model with a latent that is drawn, with a seed.

        A variational latent is drawn around its mean; of a mixture the component is
        drawn first. Everything else is as without.

        Raises
        ------
        ModelError
            If the latent is plain, as those of networks trained by this package are.
        """
        if self.config.latent_mod == "ae":
            super().drawing(seed)
        other = copy.copy(self)
        other._drawn_with = seed
        return other

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors`` and ``config.json``; return the folder."""
        return save_network(self.network, self.config, folder)

    def _passes(
        self, table: AnnData, mask: Mask | None, progress: ProgressCallback | None
    ) -> Passes:
        """Read a table; return what runs over its bags."""
        reading = TableReading(
            table, mask, self.config, self.info.name, compat=self.compat
        )
        self.notes.say(*reading.notes)
        seed = self.seed if self.compat else None
        draws = Draws(self.config, self.device, seed, self.draws)
        if self._drawn_with is not None:
            draws = LatentDraws(self.config, self.device, self._drawn_with)
        return Passes(self._runs, reading, self.info.name, draws, progress)
