"""Models by name, devices and bags."""

from __future__ import annotations

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.models.bags import bags
from napari_scfm.models.devices import available_devices, pick_device


def test_list_has_the_baselines_and_costs_no_torch() -> None:
    names = [info.name for info in scfm.list_models()]
    assert "gene-mean" in names
    code = (
        "import sys, napari_scfm as s; s.list_models(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(ModelError, match="Did you mean 'gene-mean'") as caught:
        scfm.load_model("gene-maen")
    assert "cellplm-mini" in str(caught.value)


def test_path_without_a_model(tmp_path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        scfm.load_model(tmp_path)


def test_devices() -> None:
    assert str(pick_device("cpu")) == "cpu"
    assert str(pick_device()) == available_devices()[0]
    with pytest.raises(ModelError, match="'tpu' is not available; this machine has"):
        pick_device("tpu")


def test_bags_keep_the_order_of_the_table() -> None:
    obs = pd.DataFrame({"fov": pd.Categorical(["b", "a", "b", None, "a"])})
    obs.index = obs.index.astype(str)
    table = anndata.AnnData(np.zeros((5, 1), dtype=np.float32), obs=obs)
    assert [list(rows) for rows in bags(table)] == [[0, 2], [1, 4], [3]]
    del table.obs["fov"]
    assert [list(rows) for rows in bags(table)] == [[0, 1, 2, 3, 4]]
    assert bags(table[:0]) == []
