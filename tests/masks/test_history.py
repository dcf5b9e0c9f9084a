"""Undo and redo walk the same way, whatever was hidden."""

from __future__ import annotations

import pickle

import anndata as ad
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.masks.history import DEPTH, MaskHistory
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.parts import RandomEntries
from napari_scfm.masks.spec import MaskSpec

CELLS, GENES = 12, 70


def make_table():
    counts = np.random.default_rng(0).poisson(0.7, (CELLS, GENES)) + np.eye(
        CELLS, GENES
    )
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"cell{i}" for i in range(CELLS)]
    table.var_names = [f"GENE{i}" for i in range(GENES)]
    return table


TABLE = make_table()

acts = st.one_of(
    st.builds(
        lambda names: MaskSpec(genes=tuple(names)),
        st.lists(st.sampled_from(list(TABLE.var_names)), min_size=1, max_size=3),
    ),
    st.builds(
        lambda names: MaskSpec(cells=tuple(names)),
        st.lists(st.sampled_from(list(TABLE.obs_names)), min_size=1, max_size=3),
    ),
    st.builds(
        lambda share, seed: MaskSpec(entries=RandomEntries(fraction=share), seed=seed),
        st.sampled_from([0.15, 0.8]),
        st.integers(0, 3),
    ),
    st.builds(
        lambda n, seed: MaskSpec(gene_count=n, seed=seed), *[st.integers(1, 4)] * 2
    ),
)
moves = st.lists(
    st.tuples(st.sampled_from(["hide", "show", "undo", "redo", "clear"]), acts),
    min_size=50,
    max_size=50,
)


@given(moves)
@settings(max_examples=25)
def test_fifty_random_acts_against_a_plain_list(steps):
    history = MaskHistory(MaskSpec(), Mask.empty(TABLE))
    past, future = [(MaskSpec(), Mask.empty(TABLE))], []
    for move, more in steps:
        spec, mask = past[-1]
        if move == "undo":
            assert history.can_undo == (len(past) > 1)
            history.undo()
            if len(past) > 1:
                future.append(past.pop())
        elif move == "redo":
            assert history.can_redo == bool(future)
            history.redo()
            if future:
                past.append(future.pop())
        else:
            if move == "clear":
                made = MaskSpec(), Mask.empty(TABLE)
            elif move == "hide":
                made = spec | more, mask | more.resolve(TABLE)
            else:
                made = spec - more, mask - more.resolve(TABLE)
            history.push(*made)
            if made[1] != mask:
                past, future = [*past, made], []
        assert (history.spec, history.mask) == past[-1]
        assert history.spec.resolve(TABLE) == history.mask
        assert (history.can_undo, history.can_redo) == (len(past) > 1, bool(future))
    assert [(step.spec, step.mask) for step in history.steps] == past + future[::-1]
    assert history.at == len(past) - 1


def test_a_new_act_forgets_what_was_undone():
    history = MaskHistory(MaskSpec(), Mask.empty(TABLE))
    for name in ("GENE0", "GENE1"):
        spec = MaskSpec(genes=(name,))
        history.push(spec, spec.resolve(TABLE))
        if name == "GENE0":
            history.undo()
    assert not history.can_redo
    assert history.mask.hidden_genes == ["GENE1"]
    history.undo()
    assert not history.can_undo
    assert history.undo().mask == history.mask == Mask.empty(TABLE)


def test_the_oldest_steps_are_forgotten():
    history = MaskHistory(MaskSpec(), Mask.empty(TABLE))
    for at in range(DEPTH + 20):
        spec = MaskSpec(single={f"GENE{at % GENES}": (f"cell{at // GENES}",)})
        history.push(spec, spec.resolve(TABLE))
    undone = 0
    while history.can_undo:
        history.undo()
        undone += 1
    assert undone == DEPTH - 1
    assert history.spec.single == {"GENE20": ("cell0",)}


def test_small_changes_of_a_large_mask_take_little_memory():
    names = [f"c{i}" for i in range(20_000)]
    genes = [f"g{i}" for i in range(1_000)]
    history = MaskHistory(
        MaskSpec(), Mask(np.zeros((20_000, 1_000), bool), names, genes)
    )
    one = len(pickle.dumps(history.mask))
    for cell in range(DEPTH - 1):
        rows = np.zeros((20_000, 1_000), bool)
        rows[cell] = True
        history.push(
            MaskSpec(cells=(names[cell],)), history.mask | Mask(rows, names, genes)
        )
    assert len(pickle.dumps(history)) < 1.2 * one
    while history.can_undo:
        history.undo()
    assert history.mask.n_hidden == 0
    while history.can_redo:
        history.redo()
    assert history.mask.hidden_cells == names[: DEPTH - 1]
