"""An experiment as one command line that gives the same numbers again.

What options of ``napari-scfm experiment`` can say in full is said by them; any other
mask is written out as JSON.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from napari_scfm.experiments.spec import BASELINES, Bags, ExperimentSpec
from napari_scfm.masks.as_options import options_of

if TYPE_CHECKING:
    from pathlib import Path

NONE = "none"
"""Names no field of view as reference."""


def command_line(spec: ExperimentSpec, slide_path: str | Path) -> str:
    """Return the ``napari-scfm experiment`` line that runs a spec again.

    Parameters
    ----------
    spec
        What to run. What it holds for the record only (fingerprint, weights, versions)
        is not in the line: the result that the line writes has it again.
    slide_path
        Where the slide is.
    """
    words = ["napari-scfm", "experiment", str(slide_path)]
    for fov in spec.fovs:
        words += ["--fov", fov]
    for model in spec.models:
        words += ["--model", model]
    said = options_of(spec.mask, spec.seed)
    words += ["--mask", spec.mask.to_json()] if said is None else said
    if spec.baselines != BASELINES:
        words += ["--baselines", ",".join(spec.baselines)]
    for name in _references(spec):
        words += ["--reference", name]
    words += _how(spec)
    return shlex.join([*words, "--seed", str(spec.seed), "-o", "result"])


def _references(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return what the baselines learn from, as options name it."""
    if spec.reference_file:
        return (*(spec.reference or ()), spec.reference_file)
    return (NONE,) if spec.reference == () else spec.reference or ()


def _how(spec: ExperimentSpec) -> list[str]:
    """Return the options that say how it is guessed."""
    fields = ExperimentSpec.model_fields
    words = []
    if spec.in_turn:
        words.append("--in-turn")
    for name in ("draws", "spread", "neighbourhood", "device", "precision"):
        value = getattr(spec, name)
        if value != fields[name].default:
            words += [f"--{name}", str(value)]
    if spec.bags:
        words += ["--bags", str(spec.bags.count)]
        if spec.bags.size != Bags.model_fields["size"].default:
            words += ["--bag-size", str(spec.bags.size)]
    return words
