"""What ``--reference`` names: fields of view, single cells of a file, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm.cli.options import words
from napari_scfm.errors import SpecError, named

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP = (
    "What the baselines learn from: FOVs in which all was measured, an .h5ad of single "
    "cells (which then replaces the FOVs that are not named), or both; default: all "
    "other FOVs."
)


def reference_fields(fovs: Iterable[str], asked: Iterable[str]) -> dict[str, Any]:
    """Return ``reference`` and ``reference_file`` of a spec; empty if nothing is asked.

    Parameters
    ----------
    fovs
        All of the slide.
    asked
        What was given, each a name or several with commas between.

    Raises
    ------
    SpecError
        If several files are named.
    """
    from napari_scfm.experiments.command import NONE
    from napari_scfm.experiments.reference_file import SUFFIX

    known = list(fovs)
    names: list[str] = []
    for text in asked:
        whole = text in known or Path(text).expanduser().is_file()
        names += [text] if whole else words(text)
    if not names:
        return {}
    files = [n for n in names if n not in known and n.lower().endswith(SUFFIX)]
    if len(set(files)) > 1:
        raise SpecError(
            f"--reference names {len(files)} files ({named(files)}), and single cells "
            "are read from one.",
            "Put them into one .h5ad, or name one.",
        )
    rest = [name for name in names if name not in files]
    if [name.lower() for name in rest] == [NONE]:
        rest = []
    else:
        rest = [n for one in rest for n in (known if _all(one, known) else [one])]
    found: dict[str, Any] = {"reference": tuple(dict.fromkeys(rest))}
    return found | {"reference_file": files[0] if files else ""}


def _all(name: str, known: list[str]) -> bool:
    return name not in known and name.lower() == "all"
