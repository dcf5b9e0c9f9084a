"""``inspect --model``: how a slide's genes meet a model's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_panel_as_text_and_as_json(cli, sample) -> None:
    text = cli("inspect", sample, "--model", "cellplm-mini")
    assert text.status == 0
    assert "Values: counts." in text.out
    assert "Model cellplm-mini knows" in text.out
    found = json.loads(cli("inspect", sample, "--model", "cellplm-mini", "--json").out)
    assert found["fovs"]
    panel = found["panel"]
    assert panel["counts"]["matched"] == found["genes"] > 100
    assert panel["counts"]["unmatched"] == 0
    assert (panel["values"], panel["note"]) == ("counts", "")


def test_logarithms_and_unknown_genes_are_told(cli, tmp_path: Path) -> None:
    from napari_scfm.models.hub import load_model

    genes = [*load_model("cellplm-mini", "cpu").config.symbols[:30], "NOTAGENE"]
    counts = np.random.default_rng(0).poisson(3, (20, 31)).astype(np.float32)
    table = anndata.AnnData(np.log1p(counts))
    table.var_names = genes
    table.obsm["spatial"] = np.random.default_rng(1).uniform(0, 90, (20, 2))
    table.write_h5ad(tmp_path / "logs.h5ad")
    said = cli("inspect", tmp_path / "logs.h5ad", "--model", "cellplm-mini")
    assert said.status == 0, said.err
    assert "Values: log1p of counts. " in said.out
    assert "logarithm would be taken twice" in said.out
    assert "NOTAGENE" in said.out.partition("Unmatched:")[2]
    done = cli("embed", tmp_path / "logs.h5ad", "-o", tmp_path / "out.h5ad")
    assert done.status == 0
    assert "logarithm would be taken twice" in done.err


@pytest.mark.parametrize("word", ["ridge", "no-such-model"])
def test_models_without_genes_and_models_that_are_not(cli, sample, word) -> None:
    said = cli("inspect", sample, "--model", word)
    if word == "ridge":
        assert "takes any genes" in said.out
    else:
        assert said.status == 1
        assert "no model 'no-such-model'" in said.err
