"""A mask spec written as options of the command line, where they can say it.

What these words cannot say without doubt is left to ``--mask`` and JSON: words are only
returned that give the very same spec again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ScfmError
from napari_scfm.masks.combine import draws
from napari_scfm.masks.options import FLAGS, TYPE, MaskOptions, no_draw, spec_of

if TYPE_CHECKING:
    from napari_scfm.masks.spec import MaskSpec


def options_of(spec: MaskSpec, seed: int | None = None) -> list[str] | None:
    """Return the options that say a spec, or None where they cannot.

    Parameters
    ----------
    spec
        What to hide.
    seed
        The ``--seed`` that stands beside them; None: not known, so that anything drawn
        is written with ``--mask-seed``.

    Returns
    -------
    Words such as ``["--mask-genes", "EPCAM", "--mask-cells", "10%"]``.
    """
    options = _as_options(spec)
    if options is None:
        return None
    try:  # no name is known, so that one that looks like a number is not written
        again = spec_of(options, 0, (), (), no_draw)
    except (ScfmError, ValueError):
        return None
    if _settled(again) != _settled(spec):
        return None
    if not any(draws(part) for part in (spec, *spec.minus)) or spec.seed == seed:
        options = replace(options, seed=None)
    return _written(options)


def _settled(spec: MaskSpec) -> MaskSpec:
    """Return the spec with seed 0 where nothing is drawn, without empty parts."""
    from napari_scfm.masks.spec import MaskSpec

    kept = {name: getattr(spec, name) for name in MaskSpec.model_fields}
    kept["minus"] = tuple(_settled(less) for less in spec.minus)
    for name in ("entries", "dropout"):
        if kept[name] and not kept[name].fraction:
            kept[name] = None
    kept["seed"] = spec.seed if draws(spec) else 0
    return MaskSpec(**kept)


def _written(options: MaskOptions) -> list[str]:
    said: list[str] = []
    for name, flag in FLAGS.items():
        value = getattr(options, name)
        if name == "eligible" and not options.entries:
            continue
        if value != getattr(MaskOptions, name):
            for one in value if isinstance(value, tuple) else (value,):
                said += [flag, str(one)]
    return said


_UNSAID = ("gene_count", "gene_fraction", "single", "also")


def _as_options(spec: MaskSpec) -> MaskOptions | None:
    """Return options that may say a spec; None where there are none at all."""
    if any(getattr(spec, name) for name in _UNSAID) or len(spec.minus) > 1:
        return None
    more: dict[str, Any] = {}
    for less in spec.minus:
        more["unmask_genes"] = _gene_texts(less)
        more["unmask_cells"] = _cell_texts(less)
    if spec.entries and spec.entries.fraction:
        more["entries"] = spec.entries.fraction
        more["eligible"] = spec.entries.eligible
    if spec.dropout and spec.dropout.fraction:
        share = f"{100 * spec.dropout.fraction:.12g}%"
        usual = spec.dropout.fraction == type(spec.dropout)().fraction
        more["dropout"] = spec.dropout.rule + ("" if usual else f":{share}")
    return MaskOptions(
        genes=_gene_texts(spec),
        cells=_cell_texts(spec),
        strata=spec.per_stratum,
        discs=tuple(_place((d.x, d.y, d.radius), d.fov) for d in spec.discs),
        stripes=tuple(
            _place((s.x0, s.y0, s.x1, s.y1, s.width), s.fov) for s in spec.stripes
        ),
        blocks=tuple(
            f"{','.join(b.genes) or b.gene_count} x {','.join(b.cells) or b.cell_count}"
            for b in spec.blocks
        ),
        seed=spec.seed,
        **more,
    )


def _gene_texts(spec: MaskSpec) -> tuple[str, ...]:
    strata = [f"stratum:{name}" for name in spec.strata]
    listed = [*spec.genes, *spec.patterns, *strata]
    return (",".join(listed),) if listed else ()


def _cell_texts(spec: MaskSpec) -> tuple[str, ...]:
    texts = [",".join(spec.cells)] if spec.cells else []
    if spec.cell_fraction:
        texts.append(f"{100 * spec.cell_fraction:.12g}%")
    if spec.every_nth:
        texts.append(f"every:{spec.every_nth}")
    if spec.of_each_bag:
        texts.append(f"each:{spec.of_each_bag}")
    if spec.fovs:
        texts.append(f"fov:{','.join(spec.fovs)}")
    for column, values in spec.obs.items():
        start = "type:" if column == TYPE else f"{column}="
        texts.append(start + ",".join(values))
    return tuple(texts)


def _place(numbers: tuple[float, ...], fov: str) -> str:
    text = ",".join(f"{n:g}" if float(f"{n:g}") == n else repr(n) for n in numbers)
    return f"{text}@{fov}" if fov else text
