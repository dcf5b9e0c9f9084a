"""Union and difference of mask specs, written as flat as they plainly can be.

Clicking cells one by one makes one list of names, not a tree of a hundred specs. What
is drawn at random is never redrawn: two draws of one kind, or with different seeds,
stay two specs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_scfm.masks.spec import MaskSpec

_LISTS = (
    *("genes", "cells", "patterns", "strata"),
    *("fovs", "discs", "stripes", "blocks"),
)
"""Fields whose values hide on their own, in any order."""
_GROUPS = ("single", "obs")
"""Fields of lists by a name."""
_DRAWN = (
    *("gene_count", "gene_fraction", "cell_fraction", "per_stratum"),
    *("entries", "dropout", "of_each_bag"),
)
"""Fields whose values depend on the seed."""
DEEPEST = 30
"""Readers of JSON refuse what stands in itself a hundred times."""
_OWN = (*_LISTS, *_GROUPS, *_DRAWN, "every_nth")


def is_empty(spec: MaskSpec) -> bool:
    """Return whether a spec hides nothing of any table."""
    own = any(_says(spec, name) for name in _OWN)
    return not own and all(is_empty(part) for part in spec.also)


def draws(spec: MaskSpec) -> bool:
    """Return whether the seed of a spec matters, that of its parts aside."""
    drawn = any(_says(spec, name) for name in _DRAWN)
    return drawn or any(part.gene_count or part.cell_count for part in spec.blocks)


def union(a: MaskSpec, b: MaskSpec) -> MaskSpec:
    """Return the spec that hides what either hides."""
    if is_empty(b) or a == b:
        return a
    if is_empty(a):
        return b
    if a.minus:
        # (own - minus) | b == (own | b) - (minus - b), worth it where that is short
        left = [_plain_difference(part, b) for part in a.minus]
        if any(part is None for part in left):
            return _nested(a, b)
        own = union(a.model_copy(update={"minus": ()}), b)
        kept = tuple(part for part in left if part is not None and not is_empty(part))
        if own.minus and kept:
            return _nested(a, b)
        return own.model_copy(update={"minus": own.minus + kept})
    if b.minus:
        return _with_part(a, b)
    parts = (b.model_copy(update={"also": ()}), *b.also)
    for part in parts:
        if not is_empty(part):
            a = _with_part(a, part)
    return a


def difference(a: MaskSpec, b: MaskSpec) -> MaskSpec:
    """Return the spec that hides what ``a`` hides and ``b`` does not."""
    if is_empty(b) or is_empty(a):
        return a
    plain = _plain_difference(a, b)
    if plain is not None:
        return plain
    if a.minus and not a.minus[-1].minus and not b.minus:
        merged = _merged(a.minus[-1], b)
        if merged is not None:
            return a.model_copy(update={"minus": (*a.minus[:-1], merged)})
    return a.model_copy(update={"minus": (*a.minus, b)})


def _with_part(a: MaskSpec, part: MaskSpec) -> MaskSpec:
    """Return ``a``, which has no minus, with one more spec."""
    if part == a or part in a.also:
        return a
    if not part.minus:
        merged = _merged(a.model_copy(update={"also": ()}), part)
        if merged is not None:
            return merged.model_copy(update={"also": a.also + merged.also})
    return a.model_copy(update={"also": (*a.also, part)})


def _nested(a: MaskSpec, b: MaskSpec) -> MaskSpec:
    """Return both under one roof, which is rebuilt before it gets too high."""
    made = type(a)(also=(a, b))
    return made if depth(made) <= DEEPEST else _levelled(made)


def depth(spec: MaskSpec) -> int:
    """Return how many specs stand in one another, 1 for a plain one."""
    return 1 + max(map(depth, (*spec.also, *spec.minus)), default=0)


def _levelled(spec: MaskSpec) -> MaskSpec:
    """Return the same as one union: (a | b) - c == (a - c) | (b - c)."""
    return type(spec)(also=tuple(_terms(spec)))


def _terms(spec: MaskSpec) -> list[MaskSpec]:
    """Return specs without ``also`` that together hide the same."""
    own = spec.model_copy(update={"also": (), "minus": ()})
    found = [own, *(term for part in spec.also for term in _terms(part))]
    for less in spec.minus:
        parts = _terms(less) if depth(less) > 1 else [less]
        for part in parts:
            found = [difference(term, part) for term in found]
    return [term for term in found if not is_empty(term)]


def _says(spec: MaskSpec, name: str) -> bool:
    value = getattr(spec, name)
    if name in ("entries", "dropout"):
        return value is not None and value.fraction > 0
    return bool(any(value.values()) if name in _GROUPS else value)


def _merged(a: MaskSpec, b: MaskSpec) -> MaskSpec | None:
    """Return the fields of both in one spec, or None where they would disagree."""
    if a.minus or b.minus or (a.also and b.also):
        return None
    drawn = [{name for name in _DRAWN if _says(spec, name)} for spec in (a, b)]
    if all(drawn) and a.seed != b.seed:
        return None
    single = (*_DRAWN, "every_nth")
    both = [name for name in single if _says(a, name) and _says(b, name)]
    if any(getattr(a, name) != getattr(b, name) for name in both):
        return None
    changed: dict[str, Any] = {
        name: getattr(b, name) for name in single if _says(b, name)
    }
    if not drawn[0]:
        changed["seed"] = b.seed if drawn[1] else a.seed
    for name in _LISTS:
        changed[name] = _joined(getattr(a, name), getattr(b, name))
    for name in _GROUPS:
        own, other = getattr(a, name), getattr(b, name)
        keys = _joined(tuple(own), tuple(other))
        changed[name] = {k: _joined(own.get(k, ()), other.get(k, ())) for k in keys}
    return a.model_copy(update=changed | {"also": a.also + b.also})


def _joined(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*a, *b)))


def _plain_difference(a: MaskSpec, b: MaskSpec) -> MaskSpec | None:
    """Return ``a - b`` where it is only names of one kind that fall away."""
    if a == b:
        return type(a)()
    for kind in ("genes", "cells"):
        if _only(a, kind) and _only(b, kind):
            gone = set(getattr(b, kind))
            left = tuple(name for name in getattr(a, kind) if name not in gone)
            return a.model_copy(update={kind: left})
    return None


def _only(spec: MaskSpec, kind: str) -> bool:
    """Return whether a spec says nothing but names of one kind."""
    others = (name for name in _OWN if name != kind)
    return not (spec.also or spec.minus or any(_says(spec, name) for name in others))
