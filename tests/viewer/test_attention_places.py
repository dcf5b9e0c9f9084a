"""Attention of a model that ignores coordinates is drawn with a word about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.models.attention import Attention
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.places_probe import reads_positions
from napari_scfm.viewer.attention.compute import attention_stream
from napari_scfm.viewer.tasks import Work
from napari_scfm.widgets.attention.step import BLIND, verdict

SLIDE = Path(__file__).parents[2] / "sample_data" / "cosmx_synthetic"


class Looks(CellModel):
    """Attends to neighbours; whether its embedding holds places can be chosen."""

    def __init__(self, places: bool) -> None:
        self.info = ModelInfo("looks", capabilities=frozenset({"embed", "attend"}))
        self.places = places

    def embed(self, table, *, mask=None, progress=None) -> np.ndarray:
        values = table.X.toarray() if not self.places else table.obsm["spatial"]
        return np.asarray(values, dtype=np.float32)

    def impute(self, table, genes, **_) -> np.ndarray:
        raise AssertionError("nothing is predicted here")

    def attend(self, table, *, mask=None, layer=-1, progress=None) -> Attention:
        xy = np.asarray(table.obsm["spatial"])
        far = np.square(xy[:, None] - xy[None]).sum(axis=2)
        return Attention.from_matrix(np.exp(-far / 5000))

    def reads_positions(self, table) -> bool:
        return reads_positions(self, table)


@pytest.mark.parametrize("places", [True, False])
def test_the_verdict_says_when_places_play_no_part(places: bool) -> None:
    slide = scfm.read_slide(SLIDE)
    model = Looks(places)
    work = Work(slide, slide.fov(slide.fovs[0]), model, "", "cpu", None)
    stream = attention_stream(work, FieldOptions(permutations=9))
    assert stream.about["reads_positions"] is places
    assert (BLIND in verdict(stream)) is not places


def test_streams_of_older_sessions_say_nothing() -> None:
    field = SimpleNamespace(
        p_value=0.5, significant=False, permutations=9, shares=(0, 0, 1)
    )
    assert BLIND not in verdict(SimpleNamespace(field=field, about={}))
