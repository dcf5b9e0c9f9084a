"""Which embedding of the cells is asked for: that of the model, or a refined one.

A refined embedding is of all cells of one slide, as they were hidden when it was
learned. Decides that it stands for the model only while slide, model and masks are
those that it was made with; else the model itself is asked.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.base import CellModel, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Session


class RefinedEmbedding(CellModel):
    """Vectors of all cells of a slide that can be asked for like a model's.

    Parameters
    ----------
    name
        What it is called.
    slide, base
        Whose cells, and the model whose embedding was refined; None for the counts.
    masks
        FOV -> what was hidden there, written down.
    table
        The cells.
    vectors
        (cells, d).
    """

    def __init__(
        self,
        name: str,
        slide: Slide,
        base: CellModel | None,
        masks: dict[str, str],
        table: AnnData,
        vectors: np.ndarray,
    ) -> None:
        digest = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
        self.info = ModelInfo(
            name,
            "An embedding that was refined by examples.",
            capabilities=frozenset({"embed"}),
            sha256=digest,
        )
        self.slide, self.base, self.masks = slide, base, masks
        self.cells, self.vectors = table.obs_names, vectors

    def embed(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return (cells, d) the vectors of cells of the slide."""
        return self.vectors[self.cells.get_indexer(table.obs_names)]

    def impute(
        self,
        table: AnnData,
        genes: Sequence[str],
        *,
        mask: Mask | None = None,
        neighbourhood: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Refuse: an embedding predicts no counts."""
        raise self._cannot("impute")


def written_masks(session: Session) -> dict[str, str]:
    """Return FOV -> what is hidden there, written down."""
    return {
        name: history.spec.model_dump_json()
        for name, history in session.histories.items()
        if history.mask is not None and history.mask.n_hidden
    }


def refined_of(session: Session) -> RefinedEmbedding | None:
    """Return the refined embedding that is on show, if it is of what is open."""
    found = session.refined
    if found is None or found.slide is not session.slide:
        return None
    # the counts were refined where no model that embeds was at hand
    if found.base is not embedding_model(session):
        return None
    return found if found.masks == written_masks(session) else None


def embedding_model(session: Session) -> CellModel | None:
    """Return the model that is chosen, if it can embed."""
    model = session.model
    if model is None or "embed" not in model.info.capabilities:
        return None
    return model


def embedder_of(session: Session) -> CellModel | None:
    """Return who embeds the cells: the refined embedding, else the chosen model."""
    return refined_of(session) or session.model
