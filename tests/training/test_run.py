"""What a run leaves, and when it is returned as it is: the same in both families."""

from __future__ import annotations

import json

import pytest

import napari_scfm as scfm
from napari_scfm.errors import SpecError
from napari_scfm.training.sct.settings import SCTSettings

TINY = SCTSettings(
    width=32, layers=1, heads=2, hidden=32, halvings=3, cells=16, draws=2, scored=2
)
FAMILIES = pytest.mark.parametrize(
    ("name", "objective"), [("cellplm", "masked"), ("sct-panel", "sct")]
)


@pytest.fixture
def run(table, small, tmp_path):
    def trained(name, **changes):
        settings = TINY if name == "sct-panel" else small
        asked = {"epochs": 1, "validation": ["F003"], "device": "cpu"} | changes
        return scfm.train(name, table, settings=settings, out=tmp_path / "m", **asked)

    return trained


@FAMILIES
def test_a_complete_run_leaves_model_figures_and_terms(run, tmp_path, name, objective):
    model = run(name)
    left = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert left == ["config.json", "metrics.json", "model.safetensors"]
    metrics, config = (
        json.loads((tmp_path / "m" / file).read_text())
        for file in ("metrics.json", "config.json")
    )
    assert metrics["fovs"] == ["F001", "F002"]
    assert metrics["validation"] == metrics["terms"]["held-out FOVs"] == ["F003"]
    assert metrics["objective"] == metrics["terms"]["objective"] == objective
    assert len(metrics["epochs"]) == 1
    assert config["training"]["scores"] == metrics["scores"]
    again = scfm.load_model(tmp_path / "m")
    assert config["parameters"] == model.info.parameters == again.info.parameters
    assert model.info == again.info
    assert again.info.name == "m"


@FAMILIES
def test_a_complete_run_is_returned_on_the_same_terms_only(run, name, objective):
    first, seen = run(name), []
    again = run(name, resume=True, progress=seen.append)
    assert not seen
    assert again.info.sha256 == first.info.sha256
    assert any("was complete" in note for note in again.notes)
    with pytest.raises(SpecError, match="not as they were: number of epochs, seed"):
        run(name, resume=True, seed=1, epochs=2)
