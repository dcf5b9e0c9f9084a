"""ExperimentSpec: everything that an experiment needs to be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_scfm.errors import SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.spec import MaskSpec

BASELINES = ("gene-mean", "knn-space", "ridge")


class ExperimentSpec(BaseModel):
    """What to hide, who guesses, and with which seed.

    Attributes
    ----------
    model
        Name or path for :func:`napari_scfm.load_model`.
    mask
        What is hidden; a :class:`napari_scfm.Mask` is accepted and written out.
    baselines
        Names of the models printed beside it.
    seed
        Of everything random.
    device
        Where the model runs.
    precision
        Of its products, see :func:`napari_scfm.load_model`.
    neighbourhood
        Predict each hidden cell in a bag of its own, with this many of the observed
        cells nearest to it; None reads whole FOVs.
    slide, fov
        Where the cells came from, for the record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    mask: MaskSpec
    baselines: tuple[str, ...] = BASELINES
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    neighbourhood: int | None = Field(default=None, ge=1)
    slide: str = ""
    fov: str = ""

    @field_validator("model", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("mask", mode="before")
    @classmethod
    def _write_out(cls, value: Any) -> Any:
        return MaskSpec.from_mask(value) if isinstance(value, Mask) else value


def read_spec(path: str | Path) -> ExperimentSpec:
    """Return the spec of a JSON file.

    Raises
    ------
    SpecError
        If the file is no spec; every wrong field is named.
    """
    text = Path(path).read_text("utf-8")
    try:
        return ExperimentSpec.model_validate_json(text)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
            for item in error.errors()
        ]
        raise SpecError(
            f"{path} is no experiment spec ({problems[0]}).",
            "Start from the spec.json that an experiment writes.",
            problems,
        ) from error
