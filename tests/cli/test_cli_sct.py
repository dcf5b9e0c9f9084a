"""``napari-scfm sct``: the released weights are named once, their licence is read."""

from __future__ import annotations

import json
import shutil

import pytest

import napari_scfm as scfm
from napari_scfm.models.sct import kept, licence


@pytest.fixture
def weights(shared, tmp_path, monkeypatch):
    """A folder in the released layout, and nothing kept yet."""
    monkeypatch.delenv(licence.VARIABLE, raising=False)
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "config"))
    monkeypatch.setattr(licence, "_shown", set())
    here = tmp_path / "download" / "jax_params"
    here.mkdir(parents=True)
    for name in ("params.joblib", "config.json"):
        shutil.copy(shared / "parity" / "sct" / "tiny" / "nonspatial" / name, here)
    return here.parent


def test_weights_are_read_once_the_notice_was_accepted(cli, weights, tmp_path):
    refused = cli("sct", weights)
    assert refused.status == 1
    assert "not for commercial use" in refused.err
    assert "were not read" in refused.err
    assert kept.weights() is None

    first = cli("sct", weights, "--accept-licence")
    assert first.status == 0
    assert "Licence CC BY-NC-SA 4.0" in first.out
    assert "cells a second" in first.out
    assert "add --genes FILE" in first.out

    genes = tmp_path / "mine.csv"
    rows = "".join(f"{i},ENSG{i:011d}\n" for i in range(93))
    genes.write_text(f"position,ensembl_id\n{rows}")
    assert "93 genes" in cli("sct", weights, "--genes", genes).out
    listed = json.loads(cli("models", "--json").out)[-1]
    assert listed["name"] == "sct"
    assert listed["capabilities"] == ["attend", "embed", "impute"]
    model = scfm.load_model("sct", device="cpu")
    assert model.info.name == "sct"
    assert model.info.genes[0] == "ENSG00000000000"
    assert "93 genes" in cli("sct").out


def test_what_to_do_while_it_is_not_known_where_they_lie(cli, weights, tmp_path):
    assert "napari-scfm sct PATH" in cli("sct").err
    with pytest.raises(scfm.ScfmError, match="not known where the sCT weights lie"):
        scfm.load_model("sct")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no sCT weights" in cli("sct", empty, "--accept-licence").err
    shutil.rmtree(weights)
    assert kept.weights() is None
    assert "sct" not in [info.name for info in scfm.list_models()]
