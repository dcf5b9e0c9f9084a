"""Families of a panel, patterns, and lists as people paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_scfm.errors import MaskError
from napari_scfm.masks.families import families
from napari_scfm.masks.groups import matching
from napari_scfm.masks.paste import parse_genes
from napari_scfm.slides.read import read_slide

PANEL = [
    *("KRT8", "KRT18", "KRT19", "HLA-A", "HLA-B", "HLA-DRA", "COL1A1", "COL1A2"),
    *("COL3A1", "CD3E", "CD4", "MT-ND1", "IGHG1", "IGKC", "IGHM", "IGF1", "VIM"),
    *("CCL3/L1/L3", "CCL4", "CCL5", "CDH1"),
]


def test_families_are_stems_before_a_number_or_hyphen():
    assert families(PANEL) == {
        "CCL": ["CCL3/L1/L3", "CCL4", "CCL5"],
        "COL": ["COL1A1", "COL1A2", "COL3A1"],
        "HLA-": ["HLA-A", "HLA-B", "HLA-DRA"],
        "IG": ["IGHG1", "IGKC", "IGHM"],
        "KRT": ["KRT8", "KRT18", "KRT19"],
    }
    assert families(PANEL, fewest=2)["CD"] == ["CD3E", "CD4"]
    assert "CDH" not in families(PANEL, fewest=2)


def test_larger_families_come_first_and_mouse_names_are_no_different():
    found = families(["Krt8", "Krt18", "Krt5", "Cd4", "Cd3e", "CD8a", "Cd19"])
    assert found == {
        "Cd": ["Cd4", "Cd3e", "CD8a", "Cd19"],
        "Krt": ["Krt8", "Krt18", "Krt5"],
    }
    assert families([f"ENSG{n:011}" for n in range(5)]) == {}
    assert families([]) == {}


def test_a_real_panel_has_the_families_one_expects(real_data):
    slide = read_slide(real_data / "cosmx_nsclc_lung5_rep1_labelled")
    found = families(slide.table.var_names)
    assert {"KRT", "COL", "HLA.", "CD", "IL", "IG", "CXCL"} <= set(found)
    assert "KRT8" in found["KRT"]
    assert set(found["HLA."]) >= {"HLA.A", "HLA.DRA"}, "as this file spells them"


def test_patterns_know_no_letter_case():
    assert matching(PANEL, "krt*") == ["KRT8", "KRT18", "KRT19"]
    assert matching(PANEL, "HLA-?") == ["HLA-A", "HLA-B"]
    assert matching(PANEL, "CD[34]*") == ["CD3E", "CD4"]
    assert matching(PANEL, "nothing*") == []


def test_a_list_as_people_paste_it():
    text = (
        "“EPCAM”, 'krt8';KRT18\tHLA-A\nVIM  vim (CD4)\r\nKRT8, HLA-*, CDE3, nonsense."
    )
    found = parse_genes(text, [*PANEL, "EPCAM"])
    assert found.genes == ("EPCAM", "KRT8", "KRT18", "HLA-A", "VIM", "CD4")
    assert found.patterns == ("HLA-*",)
    assert found.repeated == ("VIM", "KRT8")
    assert [name for name, _ in found.unknown] == ["CDE3", "nonsense"]
    assert "CD3E" in dict(found.unknown)["CDE3"]
    assert found.describe() == (
        "6 genes; genes like HLA-*; 2 named twice (VIM, KRT8); "
        "2 not on this panel (CDE3, nonsense)"
    )
    with pytest.raises(
        MaskError, match="2 pasted names are not on this panel"
    ) as raised:
        found.require()
    assert raised.value.problems[0].startswith("no gene CDE3, but CD3E")


def test_nothing_doubtful_is_guessed():
    assert parse_genes("ab", ["AB", "Ab"]).unknown[0][0] == "ab"
    assert parse_genes("AB", ["AB", "Ab"]).genes == ("AB",)
    assert parse_genes("long name,B", ["long name", "B"]).genes == ("long name", "B")
    assert parse_genes(" ,; \n", PANEL).describe() == "0 genes"
    parse_genes("VIM", PANEL).require()


@given(
    st.lists(st.sampled_from(PANEL), unique=True),
    st.lists(
        st.sampled_from([", ", ";", "\n", " ", "\t", " ,\r\n", '" "']), min_size=30
    ),
)
def test_any_separators_give_the_same_list(names, between):
    text = "".join(a + b for a, b in zip(names, between, strict=False))
    assert parse_genes(text, PANEL).genes == tuple(names[: len(between)])
