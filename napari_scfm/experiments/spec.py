"""ExperimentSpec: everything that an experiment needs to be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_scfm.errors import SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.spec import MaskSpec

BASELINES = ("gene-mean", "knn-space", "ridge")
FEWEST_DRAWS = 2

_Spec = TypeVar("_Spec", bound=BaseModel)


class Bags(BaseModel):
    """Random spatial neighbourhoods, each one read alone (whole-cell protocol).

    Attributes
    ----------
    count
        How many in each field of view.
    size
        Cells in each: a random cell and those nearest to it (He et al., sCT: 50).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=2)] = 50


class ExperimentSpec(BaseModel):
    """What to hide, who guesses, and with which seed.

    Attributes
    ----------
    model
        Name or path for :func:`napari_scfm.load_model`.
    also
        Further models that guess the same entries.
    mask
        What is hidden; a :class:`napari_scfm.Mask` is accepted and written out. On
        several fields of view it is drawn in each of them.
    baselines
        Names of the models printed beside them.
    seed
        Of everything random.
    device
        Where the models run.
    precision
        Of their products, see :func:`napari_scfm.load_model`.
    neighbourhood
        Predict each hidden cell in a bag of its own, with this many of the observed
        cells nearest to it; None reads whole FOVs.
    in_turn
        Hide every gene of the mask alone, one after the other, with the other genes
        visible (leave one marker out). Hidden cells and entries stay hidden.
    draws
        Repeats of every prediction, for its uncertainty; 0 or at least 2.
    spread
        What differs between them: "mask" hides a further random tenth of what is
        visible, "latent" draws the latent of the models that have one.
    bags
        Read random neighbourhoods instead of whole fields of view.
    fovs
        Fields of view that are tested, each in turn; a single name may be given as
        ``fov``. Empty: the first of the slide.
    reference
        Fields of view in which all was measured, for fitting the baselines; None
        takes all but the tested one, or none where there is a ``reference_file``.
    reference_file
        An .h5ad of single cells in which hidden genes are measured, for fitting the
        baselines in place of the fields of view, or beside those named; see
        :func:`napari_scfm.experiments.reference_file.read_reference`.
    reference_fingerprint
        Of what was read from it, for the record.
    slide, slide_path, fingerprint
        Where the cells came from, and what was in them, for the record; see
        :func:`napari_scfm.experiments.fingerprint.fingerprint`.
    model_sha256, versions
        Of the weights and of the packages that computed, for the record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    also: tuple[str, ...] = ()
    mask: MaskSpec
    baselines: tuple[str, ...] = BASELINES
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    neighbourhood: int | None = Field(default=None, ge=1)
    in_turn: bool = False
    draws: int = Field(default=0, ge=0)
    spread: Literal["mask", "latent"] = "mask"
    bags: Bags | None = None
    fovs: tuple[str, ...] = ()
    reference: tuple[str, ...] | None = None
    reference_file: str = ""
    reference_fingerprint: str = ""
    slide: str = ""
    slide_path: str = ""
    fingerprint: str = ""
    model_sha256: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_fov(cls, values: Any) -> Any:
        """Accept ``fov``, as specs of version 0.1 have it."""
        if not isinstance(values, dict) or "fov" not in values:
            return values
        values = dict(values)
        fov = values.pop("fov")
        if fov and values.get("fovs"):
            raise ValueError("give fov or fovs, not both")
        return {**values, "fovs": (fov,)} if fov else values

    @field_validator("model", "slide_path", "reference_file", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("also", mode="before")
    @classmethod
    def _paths_as_text(cls, value: Any) -> Any:
        return tuple(map(str, value)) if isinstance(value, list | tuple) else value

    @field_validator("mask", mode="before")
    @classmethod
    def _write_out(cls, value: Any) -> Any:
        return MaskSpec.from_mask(value) if isinstance(value, Mask) else value

    @field_validator("draws")
    @classmethod
    def _enough(cls, value: int) -> int:
        if 0 < value < FEWEST_DRAWS:
            raise ValueError("one draw has no spread: give 0, or 2 and more")
        return value

    @property
    def fov(self) -> str:
        """The tested field of view where there is exactly one, else ""."""
        return self.fovs[0] if len(self.fovs) == 1 else ""

    @property
    def models(self) -> tuple[str, ...]:
        """The models, ``model`` first, each once."""
        return tuple(dict.fromkeys((self.model, *self.also)))


def read_spec(path: str | Path) -> ExperimentSpec:
    """Return the spec of a JSON file.

    A ``reference_file`` is looked for from the spec's folder first.

    Raises
    ------
    SpecError
        If there is no such file, or it is no spec; every wrong field is named.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SpecError(
            f"{path} cannot be read: {reason}.",
            "Give the spec.json that an experiment wrote.",
        ) from error
    try:
        return found_beside(ExperimentSpec.model_validate_json(text), Path(path))
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


def found_beside(spec: _Spec, path: Path) -> _Spec:
    """Return a spec with its reference file as seen from the spec's own folder.

    Where it is not there, the path stays as it is: seen from where the program runs.
    """
    name = str(getattr(spec, "reference_file", ""))
    there = path.absolute().parent / Path(name).expanduser()
    if not name or not there.is_file():
        return spec
    return spec.model_copy(update={"reference_file": str(there)})
