"""From guesses to a result: one table of all that was tested, its scores, its notes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import ModelError, SpecError, counted, named
from napari_scfm.experiments.guess import Guessed
from napari_scfm.experiments.provenance import recorded
from napari_scfm.experiments.scoring import score
from napari_scfm.masks.mask import Mask
from napari_scfm.models.scale import scale_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.experiments.guessers import Guesser
    from napari_scfm.experiments.result import ExperimentResult, Prediction
    from napari_scfm.experiments.spec import ExperimentSpec


def judge(
    spec: ExperimentSpec,
    found: Sequence[Guessed],
    guessers: Sequence[Guesser],
    notes: Sequence[str] = (),
) -> ExperimentResult:
    """Return the result of an experiment on one or more tables.

    Parameters
    ----------
    spec
        What was run.
    found
        What was said of each table; their cells differ, their genes do not.
    guessers
        Who said it.
    notes
        What is known already.

    Raises
    ------
    ModelError
        If nobody can predict anything.
    SpecError
        If the tables hold different genes.
    """
    whole = pooled(found)
    predictions, blind = _seeing(whole.predictions, whole.mask)
    spec, versions = recorded(spec, {one.source: one.model.info for one in guessers})
    said = [*notes, *versions, *whole.notes, *blind, *_notes(whole, predictions)]
    if spec.draws and spec.spread == "latent" and spec.baselines:
        said.append(
            "Baselines have no latent to draw from; their rows carry no spread."
        )
    more: dict[str, Any] = {}
    kept = {one.name for one in predictions}
    if draws := {name: one for name, one in whole.draws.items() if name in kept}:
        more["draws"] = draws
    said = list(dict.fromkeys(said))
    return score(spec, whole.table, whole.mask, predictions, said, **more)


def pooled(found: Sequence[Guessed]) -> Guessed:
    """Return what was said of several tables as if they were one.

    Raises
    ------
    SpecError
        If the tables hold different genes.
    """
    if len(found) == 1:
        return found[0]
    table = _stacked([one.table for one in found])
    hidden = sparse.vstack([one.mask.matrix for one in found], format="csr")
    return Guessed(
        table,
        Mask(hidden, table.obs_names, table.var_names),
        [_joined(parts) for parts in zip(*[f.predictions for f in found], strict=True)],
        {
            name: np.concatenate([one.draws[name] for one in found], axis=1)
            for name in found[0].draws
        },
        all(one.learnt for one in found),
        [note for one in found for note in one.notes],
    )


def _stacked(tables: Sequence[AnnData]) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    first = tables[0]
    for other in tables[1:]:
        if not np.array_equal(first.var_names, other.var_names):
            odd = first.var_names.symmetric_difference(other.var_names)
            raise SpecError(
                "The fields of view hold different genes "
                f"({named(odd) or 'in another order'}).",
                "Test them one by one.",
            )
    counts = [sparse.csr_array(one.X, dtype=np.float32) for one in tables]
    obs = pd.concat([one.obs[[keys.FOV]] for one in tables])
    again = obs.index.duplicated()
    if again.any():
        told = obs.index + " in " + obs[keys.FOV].astype(str)
        obs.index = np.where(obs.index.duplicated(keep=False), told, obs.index)
    obsm = {}
    if all(keys.SPATIAL in one.obsm for one in tables):
        xy = [np.asarray(one.obsm[keys.SPATIAL])[:, :2] for one in tables]
        obsm[keys.SPATIAL] = np.concatenate(xy)
    return AnnData(
        sparse.csr_matrix(sparse.vstack(counts, format="csr")),
        obs=obs,
        var=first.var[[]].copy(),
        obsm=obsm,
    )


def _joined(parts: Sequence[Prediction]) -> Prediction:
    lost = dict.fromkeys(gene for one in parts for gene in one.unlearnable)
    spread = [one.spread for one in parts if one.spread is not None]
    return replace(
        parts[0],
        values=np.concatenate([one.values for one in parts]),
        unlearnable=tuple(lost),
        spread=np.concatenate(spread) if spread else None,
    )


def _seeing(
    predictions: Sequence[Prediction], mask: Mask
) -> tuple[list[Prediction], list[str]]:
    """Return those who predicted anything, and who did not."""
    able = [one for one in predictions if np.isfinite(one.values).any()]
    genes = mask.touched_genes
    if not able:
        names = named([one.name for one in predictions])
        raise ModelError(
            f"{names} can predict none of the {counted(len(genes), 'hidden gene')} "
            f"({named(genes)}).",
            "Hide genes that it knows, leave more visible, or train a model on this "
            "slide.",
        )
    blind = [one.name for one in predictions if not np.isfinite(one.values).any()]
    return able, [
        f"{name} can predict none of the hidden entries and was left out: it knows "
        "none of the genes, or no count that it can read is left visible."
        for name in blind
    ]


def _notes(whole: Guessed, predictions: Sequence[Prediction]) -> list[str]:
    mask, table = whole.mask, whole.table
    scale = scale_note(table.X, list(table.var_names))
    notes = [scale] if scale else []
    if mask.hidden_genes and not whole.learnt:
        hidden = counted(len(mask.hidden_genes), "gene is", "genes are")
        notes.append(
            f"{hidden} hidden in every cell and there is no reference, so the "
            "baselines cannot learn them: their numbers say what guessing without any "
            "information gives."
        )
    for one in predictions:
        unknown = np.isnan(one.values)
        if unknown.any():
            genes = mask.genes[np.unique(mask.matrix.indices[unknown])]
            notes.append(
                f"{one.name} cannot predict {len(genes)} of the hidden genes "
                f"({named(genes)}); all rows are scored without them."
            )
    return notes
