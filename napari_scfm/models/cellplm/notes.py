"""What a user should know of a network that was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from napari_scfm.models.cellplm.positions import untrained_missing_pe

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.network import CellPLMNetwork


def position_note(network: CellPLMNetwork) -> list[str]:
    """Say whether coordinates play a part, and whether they did in training."""
    positions = network.embedder.pe_enc
    if positions is None or network.embedder.pe_active:
        return []
    missing = positions.missing_pe
    assert isinstance(missing, Tensor)
    if untrained_missing_pe(missing.detach()):
        return [
            "Coordinates play no part in this model: its positional encoding is off, "
            "and its weights were trained so."
        ]
    return [
        "Coordinates play no part in this model: its positional encoding is off as in "
        "the original program, although 'missing_pe' is no longer at its start value, "
        "so its weights may have been trained with it."
    ]
