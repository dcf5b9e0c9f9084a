"""The options that say what to hide, the same for every command that hides.

``@with_mask_options`` adds them all to a command, which gets them as one value,
``masking``; :func:`mask_from_options` makes the mask spec of it. What the words mean is
decided in :mod:`napari_scfm.masks.options`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from napari_scfm.cli.options import optional
from napari_scfm.errors import MaskError, SpecError
from napari_scfm.masks.as_options import options_of
from napari_scfm.masks.options import FLAGS, MaskOptions, percent, spec_of

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.spec import MaskSpec

__all__ = ["MaskOptions", "mask_from_options", "options_of", "with_mask_options"]

Texts = list[str] | None


def _option(name: str, metavar: str, text: str, **more: Any) -> Any:
    return optional(metavar, text, FLAGS[name], **more)


OPTIONS: dict[str, tuple[Any, Any]] = {
    "genes": (
        Annotated[
            Texts,
            _option(
                "genes",
                "A,B|N|P%|KRT*",
                "Genes to hide: names, patterns, 'stratum:very high'; or how many (20, "
                "10%) to draw of those the model knows.",
            ),
        ],
        None,
    ),
    "cells": (
        Annotated[
            Texts,
            _option(
                "cells",
                "X,Y|P%|...",
                "Cells to hide: names; a random share (10%); every:5; 'type:T cell'; "
                "leiden=3 (a column of the table); fov:F001; each:10 (so many of each "
                "FOV). Can be given several times.",
            ),
        ],
        None,
    ),
    "entries": (
        Annotated[
            float,
            _option("entries", "P", "Random share of the entries.", min=0, max=1),
        ],
        0.0,
    ),
    "eligible": (
        Annotated[
            str,
            _option("eligible", "all|expressed", "Entries that --mask-entries draws."),
        ],
        "all",
    ),
    "strata": (
        Annotated[
            int, _option("strata", "N", "N genes from each sparsity stratum.", min=0)
        ],
        0,
    ),
    "dropout": (
        Annotated[
            str,
            _option(
                "dropout",
                "exp|uniform",
                "A tenth of each cell's non-zero counts (exp:20% for another share): "
                "denoising. exp takes low counts rather than high ones (DeepImpute).",
            ),
        ],
        "",
    ),
    "discs": (
        Annotated[
            Texts, _option("discs", "X,Y,R[@FOV]", "Cells of a disc of tissue, um.")
        ],
        None,
    ),
    "stripes": (
        Annotated[
            Texts,
            _option(
                "stripes", "X,Y,X,Y,WIDTH[@FOV]", "Cells of a stripe of tissue, um."
            ),
        ],
        None,
    ),
    "blocks": (
        Annotated[
            Texts,
            _option(
                "blocks",
                "'GENES x CELLS'",
                "Some genes in some cells: 'EPCAM,CD3E x 100', or 20x100 to draw both.",
            ),
        ],
        None,
    ),
    "unmask_genes": (
        Annotated[
            Texts, _option("unmask_genes", "A,B|KRT*", "Genes that stay visible.")
        ],
        None,
    ),
    "unmask_cells": (
        Annotated[
            Texts,
            _option("unmask_cells", "X,Y|...", "Cells that stay visible, said alike."),
        ],
        None,
    ),
    "json": (
        Annotated[
            str, _option("json", "JSON|FILE", "A mask as JSON, besides the other ones.")
        ],
        "",
    ),
    "seed": (
        Annotated[
            int | None,
            _option("seed", "N", "Seed of the mask; default: that of --seed."),
        ],
        None,
    ),
}
"""Field of MaskOptions -> annotation and default of the parameter."""


def with_mask_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the masking options to a command, in the place of its ``masking``."""
    signature = inspect.signature(command, eval_str=True)
    ours = [
        inspect.Parameter(_parameter(name), _KEYWORD, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    listed: list[inspect.Parameter] = []
    for given in signature.parameters.values():
        listed += ours if given.name == "masking" else [given.replace(kind=_KEYWORD)]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        told: dict[str, Any] = {n: given.pop(_parameter(n)) for n in OPTIONS}
        for name, value in told.items():
            if value is None and name != "seed":
                told[name] = ()
            elif isinstance(value, list):
                told[name] = tuple(value)
        command(**given, masking=MaskOptions(**told))

    run.__signature__ = signature.replace(parameters=listed)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in listed}
    return run


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _parameter(name: str) -> str:
    return FLAGS[name].removeprefix("--").replace("-", "_")


def mask_from_options(
    table: AnnData, options: MaskOptions, model: str, seed: int = 0
) -> MaskSpec:
    """Return the mask that the options say.

    Parameters
    ----------
    table
        The cells that are hidden and predicted.
    options
        What was given.
    model
        Name or path; genes are drawn among those that it knows.
    seed
        The command's seed.

    Raises
    ------
    SpecError
        If an option cannot be understood, or nothing is hidden.
    """

    def draw(text: str) -> tuple[str, ...]:
        own = seed if options.seed is None else options.seed
        return _drawn(table, model, text, own)

    read = replace(options, json=_json(options.json))
    spec = spec_of(read, seed, table.var_names, table.obs_names, draw)
    if spec.is_empty:
        raise SpecError(
            "The experiment hides nothing.",
            "Add --mask-genes, --mask-cells, --mask-entries, --mask-strata, "
            "--mask-dropout or another masking option.",
        )
    return spec


def _json(text: str) -> str:
    """Return the JSON of ``--mask``, which is JSON itself or a file."""
    from napari_scfm.masks.spec import MaskSpec

    if not text or text.lstrip().startswith("{"):
        return text
    try:
        read = Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"--mask {text} cannot be read ({error}).",
            "Give a file with the JSON of a mask, or the JSON itself.",
        ) from error
    try:
        MaskSpec.from_json(read)
    except MaskError as error:
        raise SpecError(
            f"{text}: {error.message}", error.action, error.problems
        ) from error
    return read


def _drawn(table: AnnData, model: str, text: str, seed: int) -> tuple[str, ...]:
    """Return genes drawn among those that the model knows: ``20`` or ``10%``."""
    from napari_scfm.experiments.draws import draw_genes
    from napari_scfm.masks.make import expressed_genes
    from napari_scfm.models.hub import load_model

    if text.endswith("%"):
        share = percent("--mask-genes", text, "genes")
        number = max(1, round(share * len(expressed_genes(table))))
    else:
        number = int(text)
    known = load_model(model, "cpu").info.genes
    return draw_genes(table, number, seed, known, model)
