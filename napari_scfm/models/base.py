"""What every model promises: CellModel and ModelInfo.

No torch here: the list of models, the command line's help and the viewer's model
menu must cost nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.attention.asked import Layer, Weighting
    from napari_scfm.progress import ProgressCallback


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it reads a table.

    Attributes
    ----------
    name
        Short name; also names the model's AnnData keys.
    description
        One line for menus.
    genes
        Identifiers of the genes it knows; empty = whatever the table holds.
    species
        "human", "mouse" or "any".
    capabilities
        Subset of {"embed", "impute", "attend", "annotate"}.
    parameters
        Number of trained weights; 0 for the baselines.
    licence, citation
        Of the weights, or of the method.
    sha256
        Of the weights' file; "" where there is none.
    settings
        How it reads tables, as JSON; "" for a model that has no choice.
    """

    name: str
    description: str = ""
    genes: tuple[str, ...] = ()
    species: str = "any"
    capabilities: frozenset[str] = frozenset()
    parameters: int = 0
    licence: str = ""
    citation: str = ""
    sha256: str = ""
    settings: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self) | {
            "genes": list(self.genes),
            "capabilities": sorted(self.capabilities),
        }


class CellModel(ABC):
    """A model that reads bags of cells and guesses what is hidden.

    Tables hold raw counts. Cells with the same ``obs["fov"]`` are one bag and are
    read together; a table without that column is one bag. Hidden entries of
    ``mask`` never reach the model. Arrays come back in table order.
    """

    info: ModelInfo

    def embed(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return one vector per cell, (cells, d) float32."""
        raise self._cannot("embed")

    @abstractmethod
    def impute(
        self,
        table: AnnData,
        genes: Sequence[str],
        *,
        mask: Mask | None = None,
        neighbourhood: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return predictions in counts, (cells, genes) float32.

        Genes are named as in the table, or as the model names them. A gene the
        model cannot predict is a column of NaN. With ``neighbourhood`` a model that
        reads bags predicts each cell without visible counts from that many of the
        observed cells nearest to it; others refuse.
        """

    @property
    def attention_shape(self) -> tuple[int, int]:
        """(layers, heads) of its attention; (0, 0) for a model that has none."""
        return 0, 0

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
        """Return the attention of a layer, ``A[i, j]`` = query i from key j.

        Parameters
        ----------
        table, mask, progress
            As for :meth:`embed`.
        layer
            From 0, negative from the last, or "rollout": all layers as one, the
            product of ``(A_l + I) / 2`` with rows that sum to 1.
        head
            From 0, or None for the mean of the heads. A rollout takes the mean.
        weighting
            "weights" as they are, or "values": key j times the length of what it
            moves, ``|W_o W_v x_j|`` of each head.

        Raises
        ------
        ModelError
            If the model cannot attend, or has no such layer, head or weighting; see
            :attr:`attention_shape`.
        """
        raise self._cannot("attend")

    def fit(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> CellModel:
        """Return the model fitted to the visible entries of a table.

        Learned models are trained with :func:`napari_scfm.train` and return
        themselves unchanged.
        """
        return self

    def drawing(self, seed: int) -> CellModel:
        """Return the model with a latent that is drawn instead of its most likely one.

        The same seed draws the same; the model itself is not changed.

        Raises
        ------
        ModelError
            If the model has no distribution to draw from.
        """
        raise ModelError(
            f"Model {self.info.name} has no latent to draw from.",
            "Repeat its predictions under resampled masks instead (spread: mask).",
        )

    def save(self, folder: str | Path) -> Path:
        """Write safetensors and ``config.json`` into a folder; return it."""
        raise ModelError(
            f"Model {self.info.name} has no weights to save.",
            "It is fitted anew on each table.",
        )

    def _cannot(self, verb: str) -> ModelError:
        able = ", ".join(sorted(self.info.capabilities)) or "nothing"
        return ModelError(
            f"Model {self.info.name} cannot {verb}; it can {able}.",
            "Choose another model: napari-scfm models lists what each can do.",
        )
