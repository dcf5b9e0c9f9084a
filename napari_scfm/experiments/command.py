"""An experiment as one command line that gives the same numbers again.

What options of ``napari-scfm experiment`` can say in full is said by them; any other
mask is written out as JSON.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from napari_scfm.experiments.spec import BASELINES, Bags, ExperimentSpec
from napari_scfm.masks.parts import Dropout
from napari_scfm.masks.spec import MaskSpec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NONE = "none"
"""Names no field of view as reference."""

_PLAIN = re.compile(r"[A-Za-z_][\w.:/()+-]*|\d+_[\w.-]*")
"""Names that no option takes for anything else."""


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
    words += _mask_words(spec.mask, spec.seed)
    if spec.baselines != BASELINES:
        words += ["--baselines", ",".join(spec.baselines)]
    for name in (NONE,) if spec.reference == () else spec.reference or ():
        words += ["--reference", name]
    words += _how(spec)
    return shlex.join([*words, "--seed", str(spec.seed), "-o", "result"])


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


def _mask_words(mask: MaskSpec, seed: int) -> list[str]:
    """Return the options that say what is hidden."""
    named = {"mask_genes": mask.genes, "mask_cells": mask.cells}
    if not all(_plain(names) for names in named.values()):
        return ["--mask", mask.to_json()]
    words = []
    said: dict[str, object] = {"genes": mask.genes, "cells": mask.cells}
    for option, names in named.items():
        if names:
            words += [f"--{option.replace('_', '-')}", ",".join(names)]
    if mask.per_stratum:
        said["per_stratum"] = mask.per_stratum
        words += ["--mask-strata", str(mask.per_stratum)]
    if mask.dropout and mask.dropout == Dropout(rule=mask.dropout.rule):
        said["dropout"] = mask.dropout
        words += ["--mask-dropout", mask.dropout.rule]
    if mask.entries and mask.entries.eligible == "all":
        said["entries"] = mask.entries
        words += ["--mask-entries", repr(mask.entries.fraction)]
    drawn = len(said) > 2
    whole = MaskSpec.model_validate({**said, "seed": seed if drawn else mask.seed})
    return words if words and whole == mask else ["--mask", mask.to_json()]


def _plain(names: Iterable[str]) -> bool:
    return all(_PLAIN.fullmatch(name) for name in names)
