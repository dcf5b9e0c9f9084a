"""How a panel meets a model, told in full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata
import pandas as pd
import pytest

from napari_scfm.genes.panel import panel_report

if TYPE_CHECKING:
    from pathlib import Path

MODEL = (
    "ENSG00000141510",  # TP53
    "ENSG00000198851",  # CD3E
    "ENSG00000119888",  # EPCAM
    "ENSG00000169429",  # CXCL8
)


def report(*names: str):
    return panel_report(pd.DataFrame(index=list(names)), "model", MODEL)


def test_human_symbols() -> None:
    found = report("EPCAM", "NOTAGENE", "IL8", "CD3E").to_dict()
    assert found["counts"]["matched"] == 3
    assert found["names"]["unmatched"] == ["NOTAGENE"]
    assert found["names"]["guessed"] == ["IL8"]
    assert found["pairs"] == {"EPCAM": MODEL[2], "IL8": MODEL[3], "CD3E": MODEL[1]}
    assert found["species"] == {"table": "human", "model": "human"}
    assert json.loads(json.dumps(found)) == found


def test_ensembl_ids_and_duplicates() -> None:
    found = report("ENSG00000119888.13", "EPCAM", "TP53").to_dict()
    assert found["names"]["duplicates"] == ["EPCAM"]
    assert found["pairs"] == {"ENSG00000119888.13": MODEL[2], "TP53": MODEL[0]}


def test_mouse_symbols_meet_by_ortholog() -> None:
    text = report("Epcam", "Cd3e", "Trp53", "Gm1992").to_text()
    assert "(mouse table, human model)" in text
    lines = [line.split()[:2] for line in text.splitlines()]
    assert ["3", "matched"] in lines
    assert ["3", "orthologs"] in lines
    assert ["1", "unmatched"] in lines
    assert f"Trp53 = {MODEL[0]}" in text
    assert text.rstrip().endswith("Gm1992")


def test_a_model_that_takes_any_gene() -> None:
    found = panel_report(pd.DataFrame(index=["A", "B"]), "ridge", ())
    assert found.to_text() == "Model ridge takes any genes: all 2 genes of the table."


@pytest.mark.parametrize(
    ("file", "share", "species"),
    [
        ("cosmx_nsclc_lung5_rep3/cosmx_nsclc_lung5_rep3_4fov.h5ad", 0.98, "human"),
        (
            "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_135g.h5ad",
            0.95,
            "mouse",
        ),
        ("merscope_mousebrain_mini/merscope_mousebrain_mini.h5ad", 0.85, "mouse"),
    ],
)
def test_real_panels_meet_the_released_genes(
    shared: Path, file: str, share: float, species: str
) -> None:
    released = shared / "reference" / "cellplm_20230926_85M.config.json"
    genes = json.loads(released.read_text())["gene_list"]
    table = anndata.read_h5ad(shared / "data" / file, backed="r")
    found = panel_report(table.var, "released", genes).to_dict()
    table.file.close()
    counts = found["counts"]
    assert counts["matched"] > share * table.n_vars
    assert (
        counts["matched"] + counts["unmatched"] + counts["duplicates"]
        == (found["table_genes"])
    )
    assert found["species"] == {"table": species, "model": "human"}
    assert (counts["orthologs"] > 0) == (species == "mouse")
