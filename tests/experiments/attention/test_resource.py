"""Ligand-receptor resources: a user's file, and LIANA's where it is installed."""

from __future__ import annotations

import importlib.util
import sys

import anndata as ad
import numpy as np
import pytest

from napari_scfm.errors import MissingExtraError, ScfmError
from napari_scfm.experiments.attention import resource as module
from napari_scfm.experiments.attention.resource import (
    liana_installed,
    liana_resource,
    read_resource,
    resource_for,
)

ROWS = (
    '"","source_genesymbol","target_genesymbol","resource"\n'
    '"1","CXCL12","CXCR4","consensus"\n'
    '"2","VCAM1","ITGA4_ITGB1","consensus"\n'
    '"3","Cxcl12","Cxcr4","mouseconsensus"\n'
    '"4","CXCL12","CD4","cellphonedb"\n'
)


def panel(*genes: str) -> ad.AnnData:
    table = ad.AnnData(np.ones((3, len(genes)), np.float32))
    table.var_names = list(genes)
    return table


@pytest.fixture
def fake_liana(tmp_path, monkeypatch):
    """Return the folder of a package of LIANA's shape that must not be imported."""
    package = tmp_path / "liana"
    (package / "resource").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "resource" / "omni_resource.csv").write_text(ROWS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "liana", raising=False)
    return package


def test_the_consensus_is_read_from_the_package_without_importing_it(fake_liana):
    found = resource_for(panel("CXCL12", "CXCR4", "ITGA4", "VCAM1", "CD4"))
    assert found.pairs == (("CXCL12", "CXCR4"), ("VCAM1", "ITGA4_ITGB1"))
    assert "human" in found.name
    assert "liana" not in sys.modules


def test_a_mouse_panel_gets_the_mouse_consensus(fake_liana):
    found = resource_for(panel("Cxcl12", "Cxcr4", "Gad1", "Slc17a6"))
    assert found.pairs == (("Cxcl12", "Cxcr4"),)
    assert "mouse" in found.name


def test_a_version_without_the_file_is_told(fake_liana):
    (fake_liana / "resource" / "omni_resource.csv").unlink()
    assert not liana_installed()
    with pytest.raises(ScfmError, match="Name a CSV file"):
        liana_resource()


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert not liana_installed()
    with pytest.raises(MissingExtraError, match=r"napari-scfm\[liana\]"):
        resource_for(panel("CXCL12"))


@pytest.mark.skipif(
    importlib.util.find_spec("liana") is None,
    reason="liana is not installed: pip install napari-scfm[liana]",
)
@pytest.mark.parametrize("species", ["human", "mouse"])
def test_the_installed_liana_holds_thousands_of_pairs(species):
    found = liana_resource(species)
    assert len(found.pairs) > 3000
    known = ("CXCL12", "CXCR4") if species == "human" else ("Cxcl12", "Cxcr4")
    assert known in found.pairs
    assert any("_" in receptor for _, receptor in found.pairs)


@pytest.mark.parametrize("join", [",", "\t", ";"])
def test_a_users_file_is_read_whatever_parts_its_columns(tmp_path, join):
    rows = [("n", "Ligand", "receptor "), ("1", " A", "B_C"), ("2", "A", "B_C")]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(join.join(row) for row in rows))
    found = resource_for(panel("A", "B"), path)
    assert found.pairs == (("A", "B_C"),)
    assert found.name == "pairs.csv"


def test_only_pairs_that_the_panel_holds_whole_are_held(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("ligand,receptor\nCXCL12,CXCR4\nVCAM1,ITGA4_ITGB1\nCCL3,CCR1\n")
    found = read_resource(path)
    # CosMx joins probes that it cannot tell apart
    table = panel("CXCL12", "CXCR4", "VCAM1", "ITGA4", "CCL3/L1/L3", "CCR1")
    assert found.held(table) == [("CXCL12", "CXCR4"), ("CCL3", "CCR1")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from,to\nA,B\n", "columns from, to"),
        ("ligand,receptor\nA,B\nC,\n,D\n", "row 3, 4"),
        ("ligand,receptor\n", "holds no pairs"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_is_no_resource_is_refused(tmp_path, text, said):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(ScfmError, match=said):
        read_resource(path)
    with pytest.raises(ScfmError, match="cannot be read"):
        read_resource(tmp_path / "absent.csv")
