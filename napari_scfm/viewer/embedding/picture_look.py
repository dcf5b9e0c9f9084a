"""Which picture of the cells is on show, in words that a session can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.viewer.embedding.picture import Picture


@dataclass(frozen=True)
class PictureLook:
    """What is asked for to see a picture again.

    Attributes
    ----------
    method
        PCA or UMAP.
    whole
        Of all fields of view, or of one.
    counts
        Of the counts, or of the model's embedding.
    by
        What it is coloured by; "" as the tissue.
    """

    method: str
    whole: bool = True
    counts: bool = False
    by: str = ""

    @classmethod
    def of(cls, picture: Picture, by: str = "") -> PictureLook:
        """Return the look of a picture."""
        asked = picture.asked
        return cls(picture.method, asked.whole, asked.model is None, by)
