"""Masks in words of the command line: what each says, and the way back."""

from __future__ import annotations

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.errors import ScfmError, SpecError
from napari_scfm.masks.as_options import options_of
from napari_scfm.masks.options import FLAGS, MaskOptions, spec_of
from napari_scfm.masks.parts import Block, Disc, Dropout, RandomEntries, Stripe
from napari_scfm.masks.spec import MaskSpec

GENES = ["KRT8", "KRT18", "EPCAM", "CD3E", "HLA-A", "20"]
CELLS = [f"c_{i}" for i in range(30)]


def make_table():
    counts = np.random.default_rng(0).poisson(1.0, (len(CELLS), len(GENES))) + 1
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names, table.var_names = CELLS, GENES
    table.obs["fov"] = pd.Categorical(np.repeat(["F1", "F2"], 15))
    table.obs["cell_type"] = pd.Categorical(np.tile(["T cell", "tumor", "B"], 10))
    table.obs["leiden"] = np.arange(30) % 4
    table.obsm["spatial"] = np.random.default_rng(1).uniform(0, 100, (30, 2))
    return table


TABLE = make_table()


def no_draw(text):
    raise SpecError(f"drew {text}")


def spec(draw=no_draw, seed=0, **options):
    return spec_of(MaskOptions(**options), seed, GENES, CELLS, draw)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"genes": ("EPCAM,CD3E",)}, {"genes": ("EPCAM", "CD3E")}),
        ({"genes": ("KRT*, EPCAM",)}, {"genes": ("EPCAM",), "patterns": ("KRT*",)}),
        ({"genes": ("20",)}, {"genes": ("20",)}),
        ({"genes": ("stratum:very high",)}, {"strata": ("very high",)}),
        ({"cells": ("c_1,c_2",)}, {"cells": ("c_1", "c_2")}),
        ({"cells": ("10%", "every:5")}, {"cell_fraction": 0.1, "every_nth": 5}),
        (
            {"cells": ("type:T cell,tumor",)},
            {"obs": {"cell_type": ("T cell", "tumor")}},
        ),
        (
            {"cells": ("leiden=3", "fov:F1")},
            {"obs": {"leiden": ("3",)}, "fovs": ("F1",)},
        ),
        ({"cells": ("each:4",)}, {"of_each_bag": 4}),
        ({"strata": 25}, {"per_stratum": 25}),
        ({"dropout": "exp"}, {"dropout": Dropout()}),
        (
            {"dropout": "uniform:20%"},
            {"dropout": Dropout(rule="uniform", fraction=0.2)},
        ),
        (
            {"entries": 0.15, "eligible": "expressed"},
            {"entries": RandomEntries(fraction=0.15, eligible="expressed")},
        ),
        (
            {"discs": ("120,-80.5,50", "1,2,3@F2")},
            {
                "discs": (
                    Disc(x=120, y=-80.5, radius=50),
                    Disc(x=1, y=2, radius=3, fov="F2"),
                )
            },
        ),
        (
            {"stripes": ("0,0,10,20,5",)},
            {"stripes": (Stripe(x0=0, y0=0, x1=10, y1=20, width=5),)},
        ),
        (
            {"blocks": ("EPCAM,CD3E x 5", "2x3")},
            {
                "blocks": (
                    Block(genes=("EPCAM", "CD3E"), cell_count=5),
                    Block(gene_count=2, cell_count=3),
                )
            },
        ),
        (
            {
                "genes": ("KRT*",),
                "unmask_genes": ("KRT8",),
                "unmask_cells": ("fov:F1",),
            },
            {
                "patterns": ("KRT*",),
                "minus": (MaskSpec(genes=("KRT8",), fovs=("F1",)),),
            },
        ),
        (
            {"json": '{"genes":["EPCAM"]}', "strata": 1},
            {"genes": ("EPCAM",), "per_stratum": 1},
        ),
    ],
)
def test_what_options_say(options, meant):
    assert spec(**options) == MaskSpec(**meant)


def test_numbers_of_genes_are_drawn_and_the_mask_may_have_its_own_seed():
    drawn = []

    def draw(text):
        drawn.append(text)
        return ("EPCAM",)

    assert spec(draw, genes=("3",)).genes == ("EPCAM",)
    assert spec(draw, genes=("10%",)).genes == ("EPCAM",)
    assert drawn == ["3", "10%"]
    assert spec(seed=4, cells=("10%",)).seed == 4
    assert spec_of(MaskOptions(cells=("10%",), seed=7), 4, GENES, CELLS, draw).seed == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"genes": ("-5",)}, "--mask-genes -5 is no name, and not how many genes"),
        ({"genes": ("3.5",)}, "such as 20"),
        ({"cells": ("10",)}, "such as 10%"),
        ({"cells": ("200%",)}, "200% is no share of cells"),
        ({"cells": ("every:none",)}, "every:none is no number"),
        ({"cells": ("every:2", "every:3")}, "two numbers of one kind (2 and 3)"),
        ({"cells": ("type:",)}, "type: names nothing"),
        ({"genes": ("stratum:odd",)}, "low, moderate, high, very high"),
        ({"dropout": "10%"}, "Give exp or uniform."),
        ({"entries": 0.1, "eligible": "some"}, "Give all or expressed."),
        ({"discs": ("1,2",)}, "x,y,radius in um"),
        ({"discs": ("1,2,0",)}, "holds no tissue"),
        ({"discs": ("1,nan,3",)}, "no place"),
        ({"stripes": ("1,2,1,2,5",)}, "holds no tissue"),
        ({"blocks": ("EPCAM",)}, "genes x cells"),
        ({"blocks": (", x 5",)}, "genes x cells"),
        ({"unmask_genes": ("20%",)}, "cannot be drawn here"),
        ({"json": '{"gene": []}'}, "gene"),
    ],
)
def test_what_cannot_be_understood_is_said(options, said):
    with pytest.raises(ScfmError, match=re.escape(said)):
        spec(**options)


def test_all_faults_are_told_together():
    with pytest.raises(SpecError) as raised:
        spec(genes=("-5",), cells=("200%",), dropout="log")
    assert len(raised.value.problems) == 3


names = st.sampled_from
genes = st.lists(names(GENES), unique=True, max_size=3).map(tuple)
cells = st.lists(names(CELLS), unique=True, max_size=3).map(tuple)
share = st.one_of(st.just(0.0), st.integers(1, 99).map(lambda n: n / 100))
where = st.floats(-500, 500)
size = st.floats(0.001, 500)
discs = st.builds(Disc, x=where, y=where, radius=size, fov=names(["", "F1"]))
blocks = st.builds(Block, gene_count=st.integers(1, 3), cells=st.just(("c_1",)))
plain = st.fixed_dictionaries(
    {},
    optional={
        "genes": genes,
        "cells": cells,
        "cell_fraction": share,
        "per_stratum": st.integers(0, 2),
        "entries": st.builds(
            RandomEntries, fraction=share, eligible=names(["all", "expressed"])
        ),
        "dropout": st.builds(Dropout, rule=names(["exp", "uniform"]), fraction=share),
        "seed": st.integers(0, 5),
        "patterns": st.just(("KRT*",)),
        "strata": st.just(("low",)),
        "obs": st.sampled_from([{"cell_type": ("T cell",)}, {"leiden": ("1", "3")}]),
        "fovs": st.just(("F1",)),
        "every_nth": st.integers(0, 7),
        "discs": st.lists(discs, max_size=2).map(tuple),
        "blocks": st.lists(blocks, max_size=1).map(tuple),
        "of_each_bag": st.integers(0, 3),
        "gene_count": st.integers(0, 1),
    },
)
specs = plain.map(lambda fields: MaskSpec(**fields))


def read_back(words, seed):
    """Return the options that a command line would have got."""
    fields = {flag: name for name, flag in FLAGS.items()}
    given = {}
    for flag, text in zip(words[::2], words[1::2], strict=True):
        name = fields[flag]
        kind = type(getattr(MaskOptions(), name))
        if kind is tuple:
            given[name] = (*given.get(name, ()), text)
        else:
            given[name] = {float: float, int: int, type(None): int}.get(kind, str)(text)
    return spec_of(MaskOptions(**given), seed, GENES, CELLS, no_draw)


@given(specs, specs, st.integers(0, 9))
@settings(max_examples=200)
def test_options_and_back_hide_the_same(own, less, seed):
    said = own - less
    words = options_of(said)
    if words is None:
        odd = {"20"} & {*said.genes, *(n for part in said.minus for n in part.genes)}
        assert odd or said.gene_count or said.minus or said.dropout or said.blocks
        return
    assert read_back(words, seed).resolve(TABLE) == said.resolve(TABLE)
    short = options_of(said, seed=said.seed)
    assert "--mask-seed" not in short
    assert read_back(short, said.seed).resolve(TABLE) == said.resolve(TABLE)


def test_plain_specs_can_be_said_and_trees_cannot():
    assert options_of(MaskSpec(genes=("EPCAM",), cell_fraction=0.1, seed=3)) == [
        *("--mask-genes", "EPCAM", "--mask-cells", "10%", "--mask-seed", "3"),
    ]
    assert options_of(MaskSpec(gene_count=3)) is None
    assert options_of(MaskSpec(single={"EPCAM": ("c_1",)})) is None
    assert options_of(MaskSpec(also=(MaskSpec(gene_count=1),))) is None
    assert options_of(MaskSpec(obs={"cell_type": ("T cell, CD8",)})) is None
    assert options_of(MaskSpec(dropout=Dropout(part="validation"))) is None
    assert options_of(MaskSpec(genes=("A,B", "C"))) is None
    assert options_of(MaskSpec(genes=("20",))) is None
    assert options_of(MaskSpec(genes=("A*", "C"))) is None
