"""SweepSpec: a share or a number to hide, varied, against models and seeds.

Values and protocols are those of the sCT paper's curves: 15, 30, 40 and 80 % of the
entries; 1, 10, 20 and 40 of the 50 cells of a neighbourhood; or a number of genes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_scfm.errors import SpecError, named
from napari_scfm.experiments.spec import Bags, ExperimentSpec, found_beside
from napari_scfm.masks.spec import MaskSpec

if TYPE_CHECKING:
    from typing import Self

What = Literal["entries", "cells", "genes"]

ALWAYS = ("gene-mean", "knn-space")
"""Baselines that every sweep shows beside its models."""

PUBLISHED: dict[str, tuple[float, ...]] = {
    "entries": (0.15, 0.3, 0.4, 0.8),
    "cells": (1, 10, 20, 40),
}
"""Values of the published curves."""

BAGS = Bags(count=20, size=50)
"""Neighbourhoods of a sweep over cells, unless others are asked for."""


class SweepSpec(BaseModel):
    """What is varied, who guesses, and with which seeds.

    Attributes
    ----------
    what
        "entries" (values are shares), "cells" (of each neighbourhood) or "genes".
    values
        How much is hidden, one experiment each.
    models
        Names or paths for :func:`napari_scfm.load_model`.
    baselines
        Printed beside them, after the trivial ones, which are always there.
    seeds
        Of the draws of what is hidden (and of the neighbourhoods).
    eligible
        Which entries may be hidden: "all" or "expressed".
    bags
        Neighbourhoods of a sweep over cells.
    fovs, reference, reference_file, neighbourhood, device, precision
        As in :class:`napari_scfm.ExperimentSpec`.
    slide, slide_path, fingerprint, reference_fingerprint, model_sha256, versions
        For the record, see there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: What
    values: Annotated[tuple[float, ...], Field(min_length=1)]
    models: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2)
    eligible: Literal["all", "expressed"] = "all"
    bags: Bags | None = None
    fovs: tuple[str, ...] = ()
    reference: tuple[str, ...] | None = None
    reference_file: str = ""
    reference_fingerprint: str = ""
    neighbourhood: int | None = Field(default=None, ge=1)
    device: str = "auto"
    precision: str = "auto"
    slide: str = ""
    slide_path: str = ""
    fingerprint: str = ""
    model_sha256: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @field_validator("models", mode="before")
    @classmethod
    def _paths_as_text(cls, value: Any) -> Any:
        return tuple(map(str, value)) if isinstance(value, list | tuple) else value

    @field_validator("values", "seeds", "models", "baselines")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        wrong = [f"{value:g}" for value in self.values if not self._allowed(value)]
        if wrong:
            raise ValueError(f"cannot hide {named(wrong)} {self.what}: {self._rule}")
        if self.what != "cells" and self.bags is not None:
            raise ValueError("only a sweep over cells reads neighbourhoods")
        return self

    def _allowed(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.what == "entries":
            return 0 < value < 1
        most = self.neighbourhoods.size - 1 if self.what == "cells" else math.inf
        return value == int(value) and 1 <= value <= most

    @property
    def _rule(self) -> str:
        if self.what == "entries":
            return "values are shares above 0 and below 1"
        if self.what == "genes":
            return "values are whole numbers from 1"
        size = self.neighbourhoods.size
        return f"values are whole numbers from 1 to {size - 1}, of {size} cells"

    @property
    def neighbourhoods(self) -> Bags:
        """The neighbourhoods of a sweep over cells."""
        return self.bags or BAGS

    @property
    def everyone(self) -> tuple[str, ...]:
        """Models, then the trivial baselines, then the others; each once."""
        return tuple(dict.fromkeys((*self.models, *ALWAYS, *self.baselines)))

    def experiment(self, value: float, seed: int) -> ExperimentSpec:
        """Return the experiment of one value and one seed."""
        hidden: dict[str, Any] = {"seed": seed}
        if self.what == "entries":
            hidden["entries"] = {"fraction": value, "eligible": self.eligible}
        elif self.what == "genes":
            hidden["gene_count"] = int(value)
        else:
            hidden["of_each_bag"] = int(value)
        first, *others = self.models or self.everyone[:1]
        return ExperimentSpec(
            model=first,
            also=tuple(others),
            mask=MaskSpec(**hidden),
            baselines=tuple(n for n in self.everyone if n not in (first, *others)),
            seed=seed,
            device=self.device,
            precision=self.precision,
            neighbourhood=self.neighbourhood,
            bags=self.neighbourhoods if self.what == "cells" else None,
            fovs=self.fovs,
            reference=self.reference,
            reference_file=self.reference_file,
        )


def sweep_spec(**fields: Any) -> SweepSpec:
    """Return a sweep's spec from fields.

    Raises
    ------
    SpecError
        If a field is wrong; all such are named.
    """
    try:
        return SweepSpec(**fields)
    except ValidationError as error:
        raise _wrong("The sweep", error) from error


def read_sweep_spec(path: str | Path) -> SweepSpec:
    """Return the spec of a JSON file.

    Raises
    ------
    SpecError
        If there is no such file, or it is no sweep; every wrong field is named.
    """
    try:
        text = Path(path).read_text("utf-8")
        return found_beside(SweepSpec.model_validate_json(text), Path(path))
    except ValidationError as error:
        raise _wrong(f"{path}", error) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SpecError(
            f"{path} cannot be read: {reason}.",
            "Give the sweep.json that a sweep wrote.",
        ) from error


def _wrong(which: str, error: ValidationError) -> SpecError:
    problems = []
    for item in error.errors():
        field = ".".join(map(str, item["loc"]))
        said = item["msg"].removeprefix("Value error, ")
        problems.append(f"{field}: {said}" if field else said)
    return SpecError(
        f"{which} cannot be run as it is written ({problems[0]}).",
        "Put that right; `napari-scfm sweep --help` lists what can be asked.",
        problems,
    )
