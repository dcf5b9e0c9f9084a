"""What a model's files say of it, told in one way for every family; no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from napari_scfm.models.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.models.base import ModelInfo

LICENCE = "see where the weights came from"
"""What is said of the licence of weights whose files name none."""


class AnyConfig(Protocol):
    """What the configurations of all families have."""

    @property
    def species(self) -> str:
        """Empty where it is not known."""

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the file that build nothing."""


def as_filed(info: ModelInfo, config: AnyConfig, weights: Path | None) -> ModelInfo:
    """Return a description in which the words of a model's own files come first.

    Parameters
    ----------
    info
        What is said where the files are silent.
    config
        Its configuration.
    weights
        Its weights' file, for the checksum; None before it is saved.
    """
    return replace(
        info,
        description=str(config.extra.get("description") or info.description),
        species=config.species or info.species,
        citation=str(config.extra.get("citation", info.citation)),
        sha256="" if weights is None else sha256(weights),
    )
