"""Mask specs: what each field hides, trees of them, JSON, and their sentence."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from napari_scfm.errors import MaskError
from napari_scfm.masks import combine
from napari_scfm.masks.describe import describe
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.parts import Block, Disc, Dropout, RandomEntries, Stripe
from napari_scfm.masks.spec import MaskSpec

CELLS, GENES = 24, 70


def make_table():
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.geomspace(0.04, 3, GENES), (CELLS, GENES)) + np.eye(
        CELLS, GENES
    )
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.var_names = [f"{'KRT' if i % 3 else 'Cd'}{i}" for i in range(GENES)]
    table.obs["fov"] = pd.Categorical(np.repeat(["F1", "F2"], CELLS // 2))
    table.obs["cell_type"] = pd.Categorical(np.tile(["T", "B", None], CELLS // 3))
    table.obs["leiden"] = np.arange(CELLS) % 4
    table.obsm["spatial"] = rng.uniform(0, 100, (CELLS, 2))
    return table


TABLE = make_table()
NAMES, VARS = list(TABLE.obs_names), list(TABLE.var_names)

some = st.sampled_from
share = some([0.1, 0.33, 0.5])
place = st.floats(-20, 120)
genes = st.lists(some(VARS), unique=True, max_size=4).map(tuple)
cells = st.lists(some(NAMES), unique=True, max_size=4).map(tuple)
shape = {"x": place, "y": place, "radius": st.floats(1, 60)}
ends = {"x0": place, "y0": place, "x1": st.floats(130, 200), "y1": place}
block = st.one_of(
    st.builds(Block, genes=some([("KRT1", "Cd3")]), cell_count=st.integers(1, 5)),
    st.builds(Block, gene_count=st.integers(1, 5), cells=some([("c3",), ("c1", "c9")])),
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "genes": genes,
        "cells": cells,
        "gene_count": st.integers(0, 5),
        "cell_fraction": share,
        "per_stratum": st.integers(0, 3),
        "entries": st.builds(
            RandomEntries, fraction=share, eligible=some(["all", "expressed"])
        ),
        "dropout": st.builds(
            Dropout,
            rule=some(["exp", "uniform"]),
            fraction=share,
            part=some(["test", "validation"]),
        ),
        "single": st.dictionaries(some(VARS), cells, max_size=3),
        "seed": st.integers(0, 3),
        "patterns": some([("krt1*",), ("CD?", "KRT2*")]),
        "gene_fraction": share,
        "strata": some([("low",), ("high", "very high")]),
        "obs": some(
            [{"cell_type": ("T",)}, {"leiden": ("1", "3"), "cell_type": ("B",)}]
        ),
        "fovs": some([("F1",), ("F2",)]),
        "every_nth": st.integers(0, 9),
        "discs": st.lists(st.builds(Disc, **shape, fov=some(["", "F2"])), max_size=2),
        "stripes": st.lists(
            st.builds(Stripe, **ends, width=st.floats(1, 50)), max_size=2
        ),
        "blocks": st.lists(block, max_size=2),
        "of_each_bag": st.integers(0, 4),
    },
)
leaves = fields.map(lambda given: MaskSpec(**given))
named = st.one_of(
    st.builds(MaskSpec, genes=genes), st.builds(MaskSpec, cells=cells), leaves
)
trees = st.recursive(
    named,
    lambda inner: st.tuples(some("|-"), inner, inner),
    max_leaves=6,
)


def built(tree):
    """Return the spec of a tree of operations, and what it hides as booleans."""
    if isinstance(tree, MaskSpec):
        return tree, tree.resolve(TABLE).dense()
    sign, left, right = tree
    (a, x), (b, y) = built(left), built(right)
    return (a | b, x | y) if sign == "|" else (a - b, x & ~y)


@given(trees)
@settings(max_examples=150)
def test_a_tree_hides_the_set_algebra_of_its_parts(tree):
    spec, hidden = built(tree)
    assert np.array_equal(spec.resolve(TABLE).dense(), hidden)
    assert not (spec.is_empty and hidden.any())


@given(trees)
@settings(max_examples=60)
def test_a_tree_that_is_levelled_hides_the_same(tree):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combine, "DEEPEST", 2)
        spec, hidden = built(tree)
    assert np.array_equal(spec.resolve(TABLE).dense(), hidden)


def test_hiding_and_showing_in_turn_for_hours_can_still_be_written():
    spec, hidden = MaskSpec(), Mask.empty(TABLE)
    for turn in range(150):
        more = MaskSpec(gene_count=3, seed=turn)
        less = MaskSpec(cells=(NAMES[turn % CELLS], NAMES[(3 * turn + 1) % CELLS]))
        spec, hidden = (
            (spec | more) - less,
            (hidden | more.resolve(TABLE)) - less.resolve(TABLE),
        )
    assert spec.resolve(TABLE) == hidden
    again = MaskSpec.from_json(spec.to_json())
    assert again == spec
    assert combine.depth(spec) <= combine.DEEPEST + 2


@given(trees)
@settings(max_examples=100)
def test_json_and_back_is_the_same_spec_and_mask(tree):
    spec, hidden = built(tree)
    for text in (
        spec.to_json(),
        spec.model_dump_json(),
        spec.model_dump_json(indent=1),
    ):
        again = MaskSpec.from_json(text)
        assert again == spec
        assert again.to_json() == spec.to_json()
        assert np.array_equal(again.resolve(TABLE).dense(), hidden)


@given(fields)
@settings(max_examples=100)
def test_fields_hide_together_and_their_order_is_that_of_the_class(given_fields):
    spec = MaskSpec(**given_fields)
    whole = Mask.empty(TABLE)
    seed = spec.seed
    for name in MaskSpec.model_fields:
        if name != "seed":
            whole = whole | MaskSpec(
                **{name: getattr(spec, name), "seed": seed}
            ).resolve(TABLE)
    assert spec.resolve(TABLE) == whole
    order = list(MaskSpec.model_fields)
    written = list(json.loads(spec.to_json()))
    assert written == sorted(written, key=order.index)


def test_the_written_form_never_changes():
    spec = MaskSpec(
        genes=("EPCAM",),
        entries=RandomEntries(fraction=0.3),
        seed=7,
        obs={"cell_type": ("T",)},
        discs=(Disc(x=1, y=2.5, radius=50),),
        stripes=(Stripe(x0=0, y0=0, x1=9, y1=9, width=3, fov="F1"),),
        blocks=(Block(gene_count=2, cells=("c1",)),),
        also=(MaskSpec(dropout=Dropout()),),
        minus=(MaskSpec(cells=("c1",)),),
    )
    assert spec.to_json() == (
        '{"genes":["EPCAM"],"entries":{"fraction":0.3},"seed":7,'
        '"obs":{"cell_type":["T"]},"discs":[{"x":1.0,"y":2.5,"radius":50.0}],'
        '"stripes":[{"x0":0.0,"y0":0.0,"x1":9.0,"y1":9.0,"width":3.0,"fov":"F1"}],'
        '"blocks":[{"cells":["c1"],"gene_count":2}],"also":[{"dropout":{}}],'
        '"minus":[{"cells":["c1"]}]}'
    )
    assert MaskSpec().to_json() == "{}"
    old = (
        '{"genes":["A"],"cells":[],"gene_count":0,"cell_fraction":0.0,"per_stratum":0,'
    )
    old += (
        '"entries":null,"dropout":{"rule":"exp","fraction":0.1},"single":{},"seed":0}'
    )
    assert MaskSpec.from_json(old) == MaskSpec(genes=("A",), dropout=Dropout())


def test_clicking_cells_one_by_one_makes_one_flat_list():
    spec = MaskSpec(gene_count=3, seed=4)
    for cell in ("c1", "c2", "c3", "c2"):
        spec = spec | MaskSpec(cells=(cell,))
    assert spec == MaskSpec(gene_count=3, seed=4, cells=("c1", "c2", "c3"))
    plain = MaskSpec(cells=("c1", "c2")) - MaskSpec(cells=("c2", "c9"))
    assert plain == MaskSpec(cells=("c1",))
    shown = MaskSpec(every_nth=2) - MaskSpec(cells=("c2",)) - MaskSpec(cells=("c4",))
    assert shown.minus == (MaskSpec(cells=("c2", "c4")),)
    assert shown | MaskSpec(cells=("c4", "c2")) == MaskSpec(
        every_nth=2, cells=("c4", "c2")
    )
    assert MaskSpec(genes=("KRT1",)) - MaskSpec(genes=("KRT1",)) == MaskSpec()


def test_draws_are_never_drawn_again_by_adding_to_them():
    twice = MaskSpec(gene_count=3, seed=1) | MaskSpec(gene_count=3, seed=2)
    assert len(twice.also) == 1
    merged = MaskSpec(gene_count=3, seed=1) | MaskSpec(cell_fraction=0.1, seed=1)
    assert merged == MaskSpec(gene_count=3, cell_fraction=0.1, seed=1)
    seeded = MaskSpec(genes=("KRT1",)) | MaskSpec(gene_count=3, seed=2)
    assert seeded == MaskSpec(genes=("KRT1",), gene_count=3, seed=2)


def test_a_mask_written_out_names_exactly_what_it_hides():
    spec = MaskSpec(genes=("KRT1",), cells=("c3",), entries=RandomEntries(fraction=0.2))
    mask = spec.resolve(TABLE)
    written = MaskSpec.from_mask(mask)
    assert written.genes == ("KRT1",)
    assert written.cells == ("c3",)
    assert written.resolve(TABLE) == mask
    whole = MaskSpec.from_mask(MaskSpec(every_nth=1).resolve(TABLE))
    assert len(whole.genes) == GENES
    assert whole.cells == ()
    assert whole.single == {}


def test_places_and_groups_are_those_of_the_table():
    xy = TABLE.obsm["spatial"]
    away = np.hypot(xy[:, 0] - 50, xy[:, 1] - 40)
    disc = Disc(x=50, y=40, radius=float(away[5]))
    rows = MaskSpec(discs=(disc,)).resolve(TABLE).whole_cells
    assert np.array_equal(rows, away <= away[5]), "the edge belongs to it"
    diagonal = Stripe(x0=0, y0=0, x1=60, y1=60, width=20)
    along, aside = (
        (xy[:, 0] + xy[:, 1]) / np.sqrt(2),
        (xy[:, 0] - xy[:, 1]) / np.sqrt(2),
    )
    rows = MaskSpec(stripes=(diagonal,)).resolve(TABLE).whole_cells
    expected = (along >= 0) & (along <= 60 * np.sqrt(2)) & (abs(aside) <= 10)
    assert np.array_equal(rows, expected)
    in_f2 = MaskSpec(discs=(Disc(x=0, y=0, radius=500, fov="F2"),)).resolve(TABLE)
    assert in_f2 == MaskSpec(fovs=("F2",)).resolve(TABLE)
    rows = MaskSpec(obs={"cell_type": ("B",)}).resolve(TABLE).hidden_cells
    assert rows == [f"c{i}" for i in range(1, CELLS, 3)]
    assert MaskSpec(every_nth=5).resolve(TABLE).hidden_cells == NAMES[::5]
    hidden = MaskSpec(patterns=("krt1?",)).resolve(TABLE).hidden_genes
    assert hidden == [
        name for name in VARS if name.startswith("KRT1") and len(name) == 5
    ]


def test_a_block_hides_its_genes_in_its_cells_only():
    block = Block(genes=("KRT1", "KRT2"), cells=("c0", "c5"))
    mask = MaskSpec(blocks=(block,)).resolve(TABLE)
    assert mask.n_hidden == 4
    assert list(np.flatnonzero(mask.hidden_in("KRT2"))) == [0, 5]
    drawn = MaskSpec(blocks=(Block(gene_count=7, cell_count=4, seed=3),))
    mask = drawn.resolve(TABLE)
    assert mask.n_hidden == 28
    assert (mask.hidden_per_gene > 0).sum() == 7
    assert mask == drawn.resolve(TABLE)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (MaskSpec(patterns=("XIST*", "KRT*", "MT-*")), r"fits XIST\*, MT-\*"),
        (MaskSpec(obs={"cell_type": ("b", "T")}), "no cell_type b, but B, T"),
        (MaskSpec(obs={"cell_typ": ("T",)}), "no column cell_typ, but cell_type"),
        (MaskSpec(fovs=("F3",)), "no fov F3, but F1, F2"),
        (MaskSpec(blocks=(Block(gene_count=99, cell_count=1),)), "block of 99 genes"),
        (MaskSpec(discs=(Disc(x=0, y=0, radius=5, fov="F9"),)), "no fov F9"),
        (MaskSpec(minus=(MaskSpec(cells=("c99",)),)), "no cell c99"),
    ],
)
def test_what_a_table_cannot_give_is_said(spec, said):
    with pytest.raises(MaskError, match=said):
        spec.resolve(TABLE)


def test_all_faults_of_a_spec_are_told_together():
    spec = MaskSpec(genes=("XIST", "TP53"), patterns=("MT-*",), fovs=("F7",))
    with pytest.raises(MaskError, match="3 parts of this mask") as raised:
        spec.resolve(TABLE)
    told = " ".join(raised.value.problems)
    for name in ("XIST", "TP53", "MT-*", "F7"):
        assert name in told


def test_a_table_without_coordinates_cannot_be_hidden_by_place():
    table = TABLE.copy()
    del table.obsm["spatial"]
    with pytest.raises(MaskError, match="no coordinates"):
        MaskSpec(discs=(Disc(x=0, y=0, radius=5),)).resolve(table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "text"),
        ('{"gene": ["A"]}', "gene"),
        ('{"cell_fraction": 2, "seed": "x"}', "cell_fraction"),
        ('{"discs": [{"x": 1, "y": 1, "radius": 0}]}', "discs.0.radius"),
        ('{"discs": [{"x": NaN, "y": 1, "radius": 1}]}', "discs.0.x"),
        ('{"stripes": [{"x0": 1, "y0": 1, "x1": 1, "y1": 1, "width": 1}]}', "two diff"),
        ('{"blocks": [{"genes": ["A"]}]}', "how many to draw"),
        ('{"strata": ["odd"]}', "strata"),
        ('{"also": [{"minus": [{"cell": []}]}]}', "also.0.minus.0.cell"),
    ],
)
def test_json_that_is_no_mask_is_refused_by_field(text, said):
    with pytest.raises(MaskError, match="This is no mask") as raised:
        MaskSpec.from_json(text)
    assert said in str(raised.value)


def test_a_spec_is_a_value():
    spec = MaskSpec(genes=("A",))
    with pytest.raises(ValidationError):
        spec.genes = ("B",)
    assert spec == MaskSpec(genes=["A"])
    assert MaskSpec(seed=9).is_empty
    assert MaskSpec(single={"A": ()}, entries=RandomEntries(fraction=0)).is_empty
    assert MaskSpec(also=(MaskSpec(), MaskSpec(seed=3)), minus=(spec,)).is_empty
    assert not MaskSpec(also=(spec,)).is_empty


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (MaskSpec(), "nothing"),
        (
            MaskSpec(gene_count=20, cells=tuple(f"c{i}" for i in range(34)))
            - MaskSpec(genes=("KRT8",)),
            "20 random genes (seed 0) and 34 named cells, except KRT8",
        ),
        (MaskSpec(genes=("A", "B"), cells=("c1",)), "A, B and cell c1"),
        (
            MaskSpec(patterns=("KRT*",), strata=("high",)),
            "genes like KRT* and all genes of high sparsity",
        ),
        (MaskSpec(every_nth=2, fovs=("F1",)), "all cells of F1 and every 2nd cell"),
        (MaskSpec(every_nth=11), "every 11th cell"),
        (MaskSpec(obs={"cell_type": ("T", "B")}), "cells with cell_type T, B"),
        (
            MaskSpec(
                entries=RandomEntries(fraction=0.15, eligible="expressed"), seed=3
            ),
            "15 % of expressed entries (seed 3)",
        ),
        (
            MaskSpec(dropout=Dropout()),
            "10 % of each cell's counts, low counts first (seed 0)",
        ),
        (
            MaskSpec(discs=(Disc(x=120, y=80, radius=50),)),
            "a disc of 50 um around (120, 80)",
        ),
        (
            MaskSpec(blocks=(Block(gene_count=20, cells=("c1",), seed=2),)),
            "a block of 20 random genes in cell c1 (seed 2)",
        ),
        (MaskSpec(single={"A": ("c1", "c2")}), "2 named entries of 1 gene"),
        (MaskSpec(of_each_bag=10), "10 cells of each field of view (seed 0)"),
        (
            MaskSpec(gene_count=1) | MaskSpec(gene_count=2, seed=5),
            "1 random gene (seed 0) and 2 random genes (seed 5)",
        ),
    ],
)
def test_one_sentence_says_what_is_hidden(spec, said):
    assert describe(spec) == said


def test_a_long_recipe_ends_with_how_much_more_there_is():
    spec = MaskSpec()
    for seed in range(12):
        spec = spec | MaskSpec(gene_count=2, seed=seed)
    assert describe(spec).endswith("2 random genes (seed 6) and 5 more")
