"""sCT as a CellModel: embeddings, predictions and attention, fifty cells at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_scfm import keys
from napari_scfm.errors import ModelError
from napari_scfm.models.attention.asked import asked
from napari_scfm.models.bags import bags
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.devices import pick_device
from napari_scfm.models.notes import Notes
from napari_scfm.models.sct import kept
from napari_scfm.models.sct.attending import attended
from napari_scfm.models.sct.checkpoint import load_network, save_network
from napari_scfm.models.sct.embedding import embedded
from napari_scfm.models.sct.imputing import Imputing
from napari_scfm.models.sct.info import known_as, licence_of, model_info, order_of
from napari_scfm.models.sct.licence import show
from napari_scfm.models.sct.options import (
    ENOUGH_ORDERS,
    OPTIONS,
    SCTOptions,
    saved_options,
)
from napari_scfm.models.sct.runs import Runs
from napari_scfm.models.sct.table import Reading
from napari_scfm.models.weights import count_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.attention.asked import Layer, Weighting
    from napari_scfm.models.files import Files
    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.progress import ProgressCallback

_CHEAP = 20_000_000
"""Weights up to which reading every window eight times is no matter on a CPU."""

LOCAL = (
    "Cells that were never read together have no weight: streams are drawn and tested "
    "among those that were, and weights within rings of like distance change places, "
    "which is beaten too easily where neighbours are alike. Ask for the nearest cells "
    "(30 is usual): among all, a flow as long as a window is taken for its slope."
)


class SCT(CellModel):
    """An sCT network with its genes.

    Parameters
    ----------
    network
        The network, filled; its ``config.measured`` names the genes.
    info
        What is known of it.
    device
        Where it runs, see :func:`napari_scfm.models.devices.pick_device`.
    precision
        See :class:`.runs.Runs`.
    options
        How it reads tables; None: as the network's configuration says.

    Attributes
    ----------
    notes
        What a user should know of the model and of what it read last.
    """

    def __init__(
        self,
        network: SCTNetwork,
        info: ModelInfo,
        *,
        device: str = "auto",
        precision: str = "auto",
        options: SCTOptions | None = None,
    ) -> None:
        self.info = info
        self.device = pick_device(device)
        self.notes = Notes()
        self._runs = Runs(network, self.device, precision, self.notes.say)
        self.options = options or saved_options(network.config)

    @classmethod
    def load(
        cls,
        files: Files,
        *,
        genes: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> SCT:
        """Read a model from its files; see :func:`napari_scfm.load_model`.

        The notice of the released weights is shown first, see :mod:`.licence`.

        Raises
        ------
        ModelError
            If the files are damaged or do not belong together.
        """
        from napari_scfm.models.sct.config import SCTConfig

        show(licence_of(SCTConfig.from_json(files.config)))
        network = load_network(files)
        order = order_of(files.weights, genes)
        if order is not None and len(order) > network.config.positions:
            raise ModelError(
                f"The order of genes names {len(order)} positions, the weights have "
                f"{network.config.positions}.",
                "Give the gene table that belongs to these weights.",
            )
        own = kept.weights() == files.weights.resolve()
        name = kept.NAME if own else files.version
        network.config = known_as(network.config, order, name)
        size = count_weights(network)
        info = model_info(network.config, files.weights, name, size)
        return cls(network, info, device=device, precision=precision)

    @property
    def options(self) -> SCTOptions:
        """How it reads tables; may be exchanged at any time, and is saved."""
        return self._options

    @options.setter
    def options(self, options: SCTOptions) -> None:
        self._options = options
        said = json.dumps(options.to_dict(), sort_keys=True)
        self.info = replace(self.info, settings=said)

    @property
    def network(self) -> SCTNetwork:
        """The network; takes tokens, see :class:`.network.SCTNetwork`."""
        return self._runs.network

    @property
    def config(self) -> SCTConfig:
        """The network's configuration."""
        return self.network.config

    @property
    def precision(self) -> str:
        """Of the network's products: "float32" or "bfloat16"."""
        return self._runs.precision

    def embed(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return the mean of every cell's bottleneck tokens, (cells, width) float32.

        A cell without a visible count of a gene that the model knows is a row of NaN.

        Raises
        ------
        ModelError
            If no gene of the table is known, or counts are negative or missing.
        """
        reading = self._reading(table, mask)
        return embedded(self._runs, reading, progress, f"{self.info.name} reads cells")

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

        Hidden entries, and asked genes that the table does not measure, are read as
        mask tokens. The bins of a cell are those of its visible values; a cell that
        shows nothing takes the ranges of the cells that it is read with; where most of
        a tile show nothing, it is read with the nearest that do. Genes may be
        named as in the table, by Ensembl id or by symbol; one that the model does not
        know is a column of NaN.

        Parameters
        ----------
        table, genes, mask
            What to read, what to predict and what to hide.
        neighbourhood
            Predict each cell without visible counts in a window of its own, with this
            many (at most 49) of the cells nearest to it that show something.
        progress
            Told per pass.

        Raises
        ------
        ModelError
            If no gene of the table is known, counts are negative or missing, or a
            neighbourhood is asked without coordinates.
        """
        reading = self._reading(table, mask)
        windows = reading.windows()
        if neighbourhood is not None:
            more = reading.windows_of_hidden(neighbourhood)
        elif self.options.windows == "tiles":
            more = reading.windows_of_holes(windows)
        else:
            more = []
        made = Imputing(self._runs, reading, reading.asked(genes))
        name, options = self.info.name, self.options
        given = options.windows == "centred" and options.orders == 1
        made.run(windows, progress, f"{name} reads cells", as_given=given)
        if more:
            made.run(more, progress, f"{name} reads neighbourhoods")
        self.notes.say(*reading.notes)
        return made.values

    @property
    def attention_shape(self) -> tuple[int, int]:
        """(layers, heads)."""
        return self.config.num_layers, self.config.attention_heads

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
        """Return the attention between cells that are read together.

        The mean over a cell's tokens of the sum over another's, averaged over the
        windows in which both occur, see
        :attr:`.options.SCTOptions.attention_orders`; how much a cell is looked at is
        its mean over all windows (:mod:`.levelling`); rows sum to 1. Pairs that share
        no window are not stored, which says nothing of them: compare weights, and
        test fields of them, among near cells (``neighbours=30``).

        Parameters
        ----------
        table, mask
            What to read and what to hide.
        layer
            From 0, negative from the last, or "rollout".
        head
            From 0, or None for the mean of the heads.
        weighting
            "weights"; this model's tokens are no cells, so they have no "values".
        progress
            Told per pass.

        Raises
        ------
        ModelError
            If there is no such layer or head, another weighting is asked for, no gene
            of the table is known, or counts are negative or missing.
        """
        what = asked(self.info.name, self.attention_shape, layer, head, weighting)
        if what.by_values:
            raise ModelError(
                f"Attention of model {self.info.name} cannot be weighted by values: "
                "what it moves are pieces of cells.",
                'Ask for weighting="weights".',
            )
        reading = self._reading(table, mask)
        orders = self._attention_orders()
        if orders < ENOUGH_ORDERS:
            reading.notes.append(
                f"Attention was read in {orders} of many orders of the cells, and "
                "hangs on how far they stand apart in it; options.attention_orders=8 "
                "averages that out, at 8 times the cost."
            )
        if (
            max((len(rows) for rows in reading.fields()), default=0)
            > self.config.num_cells
        ):
            reading.notes.append(LOCAL)
        self.notes.say(*reading.notes)
        return attended(self._runs, reading, what, orders, progress)

    def reads_positions(self, table: AnnData) -> bool:
        """Tell whether results change when cells of a field exchange their places.

        Places are an input of networks with coordinates; of all others they decide
        which cells are read together, where there are more than one window holds.
        """
        if keys.SPATIAL not in table.obsm:
            return False
        sizes = [len(rows) for rows in bags(table)]
        chosen = max(sizes, default=0) > self.config.num_cells
        return self.config.reads_coordinates or chosen

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors`` and ``config.json``; return the folder.

        Genes, licence and options go with them.
        """
        extra = {**self.config.extra, OPTIONS: self.options.to_dict()}
        self.network.config = replace(self.config, extra=extra)
        return save_network(self.network, folder)

    def _attention_orders(self) -> int:
        if self.options.attention_orders is not None:
            return self.options.attention_orders
        cheap = self.info.parameters <= _CHEAP or self.device.type != "cpu"
        return ENOUGH_ORDERS if cheap else 1

    def _reading(self, table: AnnData, mask: Mask | None) -> Reading:
        """Return what of a table is read.

        Raises
        ------
        ModelError
            If the model does not know which position is which gene.
        """
        genes = self.config.measured
        if not genes:
            raise ModelError(
                f"Model {self.info.name} does not say which of its "
                f"{self.config.positions} positions is which gene.",
                "Put ensembl_id_vocab.json and protein_gene_map.json of the release, "
                "or a genes.csv with the columns position and ensembl_id, beside its "
                "weights, or load it with genes=FILE.",
            )
        reading = Reading(table, mask, self.config, genes, self.options, self.info.name)
        self.notes.say(*reading.notes)
        return reading
