"""What a fine-tuned annotation model says of cells, from its class scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASSES = "classes"
"""Field of an annotation model's configuration: names of its classes, sorted."""


def chances(scores: np.ndarray) -> np.ndarray:
    """Return the softmax of class scores, (cells, classes); rows sum to 1."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def told(
    scores: np.ndarray, classes: Sequence[str], cells: Sequence[str] | pd.Index
) -> pd.DataFrame:
    """Return the most probable label of each cell and how sure it is.

    Parameters
    ----------
    scores
        (cells, classes) scores before the softmax.
    classes
        Their names.
    cells
        Names of the cells, which become the index.

    Returns
    -------
    ``label`` (categorical over all classes), ``probability`` of that label, and
    ``margin``, its distance from the next probable one, both in [0, 1].
    """
    chance = chances(scores)
    best = chance.argmax(axis=1)
    first, second = -np.partition(-chance, 1, axis=1)[:, :2].T
    return pd.DataFrame(
        {
            "label": pd.Categorical.from_codes(best, categories=pd.Index(classes)),
            "probability": first,
            "margin": first - second,
        },
        index=pd.Index(cells),
    )
