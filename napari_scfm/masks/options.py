"""A mask as words of the command line.

Decides the small grammar behind ``--mask-genes KRT*,EPCAM`` or ``--mask-disc
120,80,50``; :mod:`napari_scfm.masks.as_options` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ScfmError, SpecError

if TYPE_CHECKING:
    from napari_scfm.masks.spec import MaskSpec

Draw = Callable[[str], tuple[str, ...]]
"""Names the genes that ``20`` or ``10%`` draws."""

TYPE = "cell_type"


@dataclass(frozen=True)
class MaskOptions:
    """What the masking options of a command were given; see their help.

    Attributes
    ----------
    genes, cells, unmask_genes, unmask_cells
        One text for each time the option was given.
    discs, stripes, blocks
        The same.
    entries, eligible, strata, dropout
        Of ``--mask-entries``, ``--eligible``, ``--mask-strata``, ``--mask-dropout``.
    json
        A spec as JSON.
    seed
        Of what is drawn; None: the command's.
    """

    genes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    entries: float = 0.0
    eligible: str = "all"
    strata: int = 0
    dropout: str = ""
    discs: tuple[str, ...] = ()
    stripes: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    unmask_genes: tuple[str, ...] = ()
    unmask_cells: tuple[str, ...] = ()
    json: str = ""
    seed: int | None = None


FLAGS = {
    "genes": "--mask-genes",
    "cells": "--mask-cells",
    "entries": "--mask-entries",
    "eligible": "--eligible",
    "strata": "--mask-strata",
    "dropout": "--mask-dropout",
    "discs": "--mask-disc",
    "stripes": "--mask-stripe",
    "blocks": "--mask-block",
    "unmask_genes": "--unmask-genes",
    "unmask_cells": "--unmask-cells",
    "json": "--mask",
    "seed": "--mask-seed",
}
"""Option of each field."""


def spec_of(
    options: MaskOptions,
    seed: int,
    genes: Container[str],
    cells: Container[str],
    draw: Draw,
) -> MaskSpec:
    """Return the spec that options say; it may be empty.

    Parameters
    ----------
    options
        What was given.
    seed
        The command's; ``options.seed`` goes before it.
    genes, cells
        Names of the table.
    draw
        Called for ``--mask-genes 20``.

    Raises
    ------
    SpecError
        If an option cannot be understood; of several all are named.
    """
    from napari_scfm.masks.spec import MaskSpec

    seed = seed if options.seed is None else options.seed
    fields: dict[str, Any] = {"seed": seed}
    less: dict[str, Any] = {"seed": seed}
    faults: list[ScfmError] = []
    for target, made in (
        (fields, lambda: _genes("--mask-genes", options.genes, genes, draw)),
        (fields, lambda: _cells("--mask-cells", options.cells, cells)),
        (fields, lambda: _entries(options)),
        (fields, lambda: _dropout(options.dropout)),
        (fields, lambda: {"discs": tuple(map(_disc, options.discs))}),
        (fields, lambda: {"stripes": tuple(map(_stripe, options.stripes))}),
        (fields, lambda: {"blocks": tuple(_block(t, seed) for t in options.blocks)}),
        (less, lambda: _genes("--unmask-genes", options.unmask_genes, genes, no_draw)),
        (less, lambda: _cells("--unmask-cells", options.unmask_cells, cells)),
    ):
        try:
            target.update(made())
        except ScfmError as fault:
            faults.append(fault)
    if len(faults) > 1:
        raise SpecError(
            f"{len(faults)} masking options cannot be understood.",
            "Put each of them right.",
            [str(fault) for fault in faults],
        )
    if faults:
        raise faults[0]
    given = MaskSpec.from_json(options.json) if options.json else MaskSpec()
    return (MaskSpec(**fields) | given) - MaskSpec(**less)


def words(text: str) -> list[str]:
    """Split ``A,B, C`` into its words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def percent(option: str, text: str, kind: str) -> float:
    """Return the share that ``10%`` says.

    Raises
    ------
    SpecError
        If it is none, or all or nothing.
    """
    share = _number(text.strip().removesuffix("%"))
    if share is None or not 0 < share < 100:
        raise SpecError(
            f"{option} {text} is no share of {kind}.",
            "Give names, or a percentage between 0% and 100%, such as 10%.",
        )
    return share / 100


def _genes(
    option: str, texts: Iterable[str], known: Container[str], draw: Draw
) -> dict[str, Any]:
    found: dict[str, list[str]] = {"genes": [], "patterns": [], "strata": []}
    for given in texts:
        text = given.strip()
        if text in known:
            found["genes"].append(text)
        elif text.isdigit() or text.endswith("%"):
            found["genes"] += draw(text)
        elif _number(text) is not None:
            raise _no_name(option, text, "genes", "20")
        else:
            _gene_words(option, words(text), known, found)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _gene_words(
    option: str, listed: list[str], known: Container[str], found: dict[str, list[str]]
) -> None:
    from napari_scfm.masks.strata import STRATA

    for word in listed:
        kind, colon, rest = word.partition(":")
        if word in known:
            found["genes"].append(word)
        elif kind == "stratum" and colon:
            if rest not in STRATA:
                raise SpecError(
                    f"{option} {word} is no stratum.", f"They are: {', '.join(STRATA)}."
                )
            found["strata"].append(rest)
        else:
            wild = any(sign in word for sign in "*?[")
            found["patterns" if wild else "genes"].append(word)


def _cells(option: str, texts: Iterable[str], known: Container[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"cells": (), "obs": {}, "fovs": ()}
    for given in texts:
        text = given.strip()
        kind, colon, rest = text.partition(":")
        column, equals, value = text.partition("=")
        if text in known:
            found["cells"] += (text,)
        elif text.endswith("%"):
            _once(found, "cell_fraction", percent(option, text, "cells"), option)
        elif colon and kind in ("every", "each"):
            field = "every_nth" if kind == "every" else "of_each_bag"
            _once(found, field, _count(option, text, rest), option)
        elif colon and kind == "fov":
            found["fovs"] += _values(option, text, rest)
        elif colon and kind == "type":
            _add(found["obs"], TYPE, _values(option, text, rest))
        elif equals and "," not in column:
            _add(found["obs"], column.strip(), _values(option, text, value))
        elif _number(text) is not None:
            raise _no_name(option, text, "cells", "10%")
        else:
            found["cells"] += tuple(words(text))
    for name in ("cells", "fovs"):
        found[name] = tuple(dict.fromkeys(found[name]))
    return found


def _values(option: str, text: str, listed: str) -> tuple[str, ...]:
    values = tuple(words(listed))
    if not values:
        raise SpecError(f"{option} {text} names nothing.", "Add what is to be hidden.")
    return values


def _add(obs: dict[str, tuple[str, ...]], column: str, values: tuple[str, ...]) -> None:
    obs[column] = tuple(dict.fromkeys((*obs.get(column, ()), *values)))


def _once(found: dict[str, Any], field: str, value: Any, option: str) -> None:
    if found.get(field, value) != value:
        raise SpecError(
            f"{option} says two numbers of one kind ({found[field]:g} and {value:g}).",
            "Give one of them.",
        )
    found[field] = value


def _count(option: str, text: str, number: str) -> int:
    if not number.strip().isdigit() or int(number) == 0:
        raise SpecError(f"{option} {text} is no number of cells.", "Give such as 5.")
    return int(number)


def _entries(options: MaskOptions) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if options.eligible not in ("all", "expressed"):
        raise SpecError(
            f"--eligible {options.eligible} is no kind of entries.",
            "Give all or expressed.",
        )
    if options.entries:
        share = {"fraction": options.entries, "eligible": options.eligible}
        fields["entries"] = share
    if options.strata:
        fields["per_stratum"] = options.strata
    return fields


def _dropout(text: str) -> dict[str, Any]:
    if not text:
        return {}
    rule, colon, share = text.partition(":")
    if rule not in ("exp", "uniform"):
        raise SpecError(f"--mask-dropout {text} is no rule.", "Give exp or uniform.")
    lost: dict[str, Any] = {"rule": rule}
    if colon:
        lost["fraction"] = percent("--mask-dropout", share, "a cell's counts")
    return {"dropout": lost}


def _disc(text: str) -> dict[str, Any]:
    shape = "x,y,radius in um, such as 120,80,50"
    return _shape("--mask-disc", text, ("x", "y", "radius"), shape)


def _stripe(text: str) -> dict[str, Any]:
    shape = "x0,y0,x1,y1,width in um, such as 0,100,400,100,50"
    return _shape("--mask-stripe", text, ("x0", "y0", "x1", "y1", "width"), shape)


def _shape(option: str, text: str, names: tuple[str, ...], such: str) -> dict[str, Any]:
    places, _, fov = text.partition("@")
    numbers = [_number(word) for word in places.split(",")]
    if len(numbers) != len(names) or None in numbers:
        raise SpecError(f"{option} {text} is no place.", f"Give {such}.")
    made: dict[str, Any] = dict(zip(names, numbers, strict=True))
    flat = (made.get("x0"), made.get("y0")) == (made.get("x1"), made.get("y1"))
    if numbers[-1] is None or numbers[-1] <= 0 or ("x0" in made and flat):
        raise SpecError(f"{option} {text} holds no tissue.", f"Give {such}.")
    return made | {"fov": fov.strip()}


def _block(text: str, seed: int) -> dict[str, Any]:
    sides = text.split(" x ") if " x " in text else text.split("x")
    if len(sides) != 2 or not all(words(side) for side in sides):
        raise SpecError(
            f"--mask-block {text} is no block.",
            "Give genes x cells, such as 'EPCAM,CD3E x 100' or 20x100.",
        )
    made: dict[str, Any] = {}
    for kind, side in zip(("gene", "cell"), sides, strict=True):
        if side.strip().isdigit() and int(side):
            made[f"{kind}_count"] = int(side)
            made["seed"] = seed
        else:
            made[f"{kind}s"] = tuple(words(side))
    return made


def _no_name(option: str, text: str, kind: str, such: str) -> SpecError:
    return SpecError(
        f"{option} {text} is no name, and not how many {kind} to hide.",
        f"Give names, or such as {such}.",
    )


def no_draw(text: str) -> tuple[str, ...]:
    """Refuse to draw genes."""
    raise SpecError(
        f"{text} genes cannot be drawn here.", "Name the genes, or give KRT*."
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
