"""The models and baselines of an experiment, loaded and told apart by name."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_scfm.models.base import CellModel
from napari_scfm.models.hub import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_scfm.experiments.spec import ExperimentSpec


@dataclass(frozen=True)
class Guesser:
    """One who guesses.

    Attributes
    ----------
    source
        As the spec names it.
    name
        As tables and files name it; no two of an experiment are alike.
    kind
        "model" or "baseline".
    model
        Loaded, not fitted.
    neighbourhood
        Cells that a hidden cell is predicted from; None reads whole bags.
    """

    source: str
    name: str
    kind: Literal["model", "baseline"]
    model: CellModel
    neighbourhood: int | None = None


def load_guessers(
    spec: ExperimentSpec, given: CellModel | Mapping[str, CellModel] | None
) -> list[Guesser]:
    """Return who guesses: the spec's models, then its baselines.

    Parameters
    ----------
    spec
        Names them.
    given
        What ``spec.model`` names, or models by name, where they are loaded already;
        they are not changed.

    Raises
    ------
    ModelError
        If a model is unknown or damaged, or cannot be repeated as the spec asks.
    """
    if isinstance(given, CellModel):
        given = {spec.model: given}
    loaded = given or {}
    found: list[Guesser] = []
    for source in dict.fromkeys((*spec.models, *spec.baselines)):
        model = loaded.get(source)
        model = (
            load_model(source, spec.device, precision=spec.precision)
            if model is None
            else copy.copy(model)
        )
        taken = {one.name for one in found}
        found.append(_guesser(spec, source, model, taken))
    return found


def _guesser(
    spec: ExperimentSpec, source: str, model: CellModel, taken: set[str]
) -> Guesser:
    learned = source in spec.models
    if learned and spec.draws and spec.spread == "latent":
        model.drawing(spec.seed)
    asked = source == spec.model or (learned and _reads_bags(model))
    return Guesser(
        source,
        _own_name(model.info.name, taken),
        "model" if learned else "baseline",
        model,
        spec.neighbourhood if asked else None,
    )


def _reads_bags(model: CellModel) -> bool:
    """Return whether a model can be asked to read a neighbourhood."""
    config = getattr(model, "config", None)
    return config is not None and not getattr(config, "neighbours", ())


def _own_name(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name} ({number})", number + 1
    return found
