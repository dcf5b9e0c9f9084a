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
from napari_scfm.viewer.attention.compute import attention_stream
from napari_scfm.viewer.tasks import Work
from napari_scfm.widgets.attention.words import BLIND, REFUSED, banner

SLIDE = Path(__file__).parents[2] / "sample_data" / "cosmx_synthetic"


class Looks(CellModel):
    """Attends to cells like oneself: in their places, or in some genes."""

    def __init__(self, places: bool) -> None:
        self.info = ModelInfo("looks", capabilities=frozenset({"embed", "attend"}))
        self.places = places

    def embed(self, table, *, mask=None, progress=None) -> np.ndarray:
        values = table.obsm["spatial"] if self.places else table.X[:, :3].toarray()
        return np.asarray(values, dtype=np.float32)

    def impute(self, table, genes, **_) -> np.ndarray:
        raise AssertionError("nothing is predicted here")

    def attend(self, table, *, mask=None, progress=None, **_) -> Attention:
        values = self.embed(table).astype(float)
        far = np.square(values[:, None] - values[None]).sum(axis=2)
        return Attention.from_matrix(np.exp(-far / 5000))


@pytest.mark.parametrize("places", [True, False])
def test_the_banner_says_when_places_play_no_part(places: bool) -> None:
    slide = scfm.read_slide(SLIDE)
    model = Looks(places)
    work = Work(slide, slide.fov(slide.fovs[0]), model, "", "cpu", None)
    stream = attention_stream(work, FieldOptions(permutations=9))
    assert stream.about["reads_positions"] is places
    assert (BLIND in banner(stream)) is not places
    near = attention_stream(work, FieldOptions(neighbours=10, permutations=9))
    assert near.field.regime == ("local" if places else "global")
    assert (REFUSED in banner(near)) is not places


def test_streams_of_older_sessions_have_no_banner() -> None:
    assert banner(SimpleNamespace(about={})) == ""
