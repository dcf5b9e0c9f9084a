"""What a mask spec says, as one plain sentence.

"20 random genes (seed 0) and 34 named cells, except KRT8": what is hidden first, then
what stays visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.errors import counted, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_scfm.masks.parts import Block, Disc, Stripe
    from napari_scfm.masks.spec import MaskSpec

_NAMED = 3
"""Up to so many names are written out."""
_MOST = 8
"""So many parts make a sentence that can still be read."""


def describe(spec: MaskSpec) -> str:
    """Return what a spec hides, in one sentence without its full stop."""
    parts = list(_parts(spec))
    for more in spec.also:
        if not more.is_empty:
            said = describe(more)
            parts.append(f"({said})" if " and " in said or "except" in said else said)
    if not parts:
        return "nothing"
    text = _joined(parts)
    less = [describe(one) for one in spec.minus if not one.is_empty]
    return f"{text}, except {_joined(less)}" if less else text


def _joined(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    if len(parts) > _MOST:
        parts = [*parts[: _MOST - 1], f"{len(parts) - _MOST + 1} more"]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _parts(spec: MaskSpec) -> Iterator[str]:
    yield from _genes(spec)
    yield from _cells(spec)
    drawn = f"(seed {spec.seed})"
    if spec.entries and spec.entries.fraction:
        kind = "expressed" if spec.entries.eligible == "expressed" else "all"
        yield f"{_percent(spec.entries.fraction)} of {kind} entries {drawn}"
    if spec.dropout and spec.dropout.fraction:
        lost = spec.dropout
        rule = "low counts first" if lost.rule == "exp" else "all counts alike"
        part = ", for validation" if lost.part == "validation" else ""
        share = _percent(lost.fraction)
        yield f"{share} of each cell's counts, {rule}{part} {drawn}"
    for block in spec.blocks:
        yield _block(block)
    single = sum(len(cells) for cells in spec.single.values())
    if single:
        genes = sum(1 for cells in spec.single.values() if cells)
        of = f"of {counted(genes, 'gene')}"
        yield f"{counted(single, 'named entry', 'named entries')} {of}"


def _genes(spec: MaskSpec) -> Iterator[str]:
    drawn = f"(seed {spec.seed})"
    if spec.genes:
        yield _names(spec.genes, "gene")
    if spec.patterns:
        yield f"genes like {named(spec.patterns, 8)}"
    if spec.strata:
        yield f"all genes of {_joined(spec.strata)} sparsity"
    if spec.gene_count:
        yield f"{counted(spec.gene_count, 'random gene')} {drawn}"
    if spec.gene_fraction:
        yield f"{_percent(spec.gene_fraction)} of the genes {drawn}"
    if spec.per_stratum:
        yield f"{counted(spec.per_stratum, 'gene')} of each sparsity stratum {drawn}"


def _cells(spec: MaskSpec) -> Iterator[str]:
    drawn = f"(seed {spec.seed})"
    if spec.cells:
        yield _names(spec.cells, "cell")
    if spec.fovs:
        yield f"all cells of {named(spec.fovs)}"
    for column, values in spec.obs.items():
        if values:
            yield f"cells with {column} {named(values)}"
    if spec.every_nth:
        nth = _ordinal(spec.every_nth)
        yield "every cell" if spec.every_nth == 1 else f"every {nth} cell"
    yield from map(_disc, spec.discs)
    yield from map(_stripe, spec.stripes)
    if spec.cell_fraction:
        yield f"{_percent(spec.cell_fraction)} of the cells {drawn}"
    if spec.of_each_bag:
        yield f"{counted(spec.of_each_bag, 'cell')} of each field of view {drawn}"


def _names(names: Sequence[str], kind: str) -> str:
    if len(names) <= _NAMED:
        return named(names) if kind == "gene" else f"{kind} {named(names)}"
    return f"{len(names)} named {kind}s"


def _disc(disc: Disc) -> str:
    return (
        f"a disc of {disc.radius:g} um around ({disc.x:g}, {disc.y:g})"
        f"{f' of {disc.fov}' if disc.fov else ''}"
    )


def _stripe(stripe: Stripe) -> str:
    return (
        f"a stripe of {stripe.width:g} um from ({stripe.x0:g}, {stripe.y0:g}) to "
        f"({stripe.x1:g}, {stripe.y1:g}){f' of {stripe.fov}' if stripe.fov else ''}"
    )


def _block(block: Block) -> str:
    genes = _side(block.genes, block.gene_count, "gene")
    cells = _side(block.cells, block.cell_count, "cell")
    drawn = f" (seed {block.seed})" if block.gene_count or block.cell_count else ""
    return f"a block of {genes} in {cells}{drawn}"


def _side(names: Sequence[str], number: int, kind: str) -> str:
    return _names(names, kind) if names else counted(number, f"random {kind}")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _ordinal(number: int) -> str:
    tens = number % 100
    ending = (
        "th" if 10 < tens < 14 else {1: "st", 2: "nd", 3: "rd"}.get(tens % 10, "th")
    )
    return f"{number}{ending}"
