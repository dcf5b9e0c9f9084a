"""How a table is read and what is told of it; every choice the paper leaves open."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ModelError
from napari_scfm.models.sct.bags import MODES, Mode
from napari_scfm.models.sct.debin import MEDIANS, READOUTS, Medians, Readout
from napari_scfm.models.sct.values import SETTINGS, Setting

if TYPE_CHECKING:
    from napari_scfm.models.sct.config import SCTConfig

OPTIONS = "reading"
"""Field of a configuration in which they are kept."""
ENOUGH_ORDERS = 8
"""Orders over which attention is averaged where that is cheap."""


@dataclass(frozen=True)
class SCTOptions:
    """How an sCT model reads cells.

    Attributes
    ----------
    windows
        "tiles": compact groups, each cell once; or "centred": every cell in the
        middle of its own group, at 50 times the cost.
    seed
        Of the order of the cells in each sequence, on which results depend.
    orders
        Random orders over which embeddings and predictions are averaged.
    attention_orders
        The same for attention, each order in another tiling; None: 8 where that is
        cheap (a small network or a GPU), else 1.
    without_sequence
        Subtract from attention what the distance in the sequence alone explains;
        weights can then be negative.
    values, min_total_fraction
        See :func:`.values.make_values`.
    readout
        "expected" value of the bins, or that of the "likeliest".
    medians
        What a bin stands for: its "middle", or the median "observed" in the cell.
    all_layers
        Average the embedding over all layers of the transformer, not only the last.

    Raises
    ------
    ModelError
        If an option is none of these; all of them together.
    """

    windows: Mode = "tiles"
    seed: int = 0
    orders: int = 1
    attention_orders: int | None = None
    without_sequence: bool = False
    values: Setting = "auto"
    min_total_fraction: float | None = None
    readout: Readout = "expected"
    medians: Medians = "middle"
    all_layers: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)!r}, not one of {', '.join(known)}"
            for name, known in (
                ("windows", MODES),
                ("values", SETTINGS),
                ("readout", READOUTS),
                ("medians", MEDIANS),
            )
            if getattr(self, name) not in known
        ]
        for name in ("orders", "attention_orders"):
            number = getattr(self, name)
            if number is not None and number < 1:
                problems.append(f"{name} is {number}, not at least 1")
        if self.seed < 0:
            problems.append(f"seed is {self.seed}, not at least 0")
        if problems:
            raise ModelError(
                f"sCT cannot read cells so: {'; '.join(problems)}.",
                "Correct these options.",
                problems,
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def saved_options(config: SCTConfig) -> SCTOptions:
    """Return the options that a configuration keeps, or the usual ones.

    Raises
    ------
    ModelError
        If it keeps something else.
    """
    held = config.extra.get(OPTIONS, {})
    try:
        return SCTOptions(**held)
    except TypeError as error:
        raise ModelError(
            f"The configuration's {OPTIONS!r} are no options: {error}.",
            "Leave them out, or write those of SCTOptions.",
        ) from error
