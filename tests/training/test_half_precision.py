"""Steps in bfloat16, on the CPU since every machine has one, against float32."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

import napari_scfm as scfm
from napari_scfm.training.trainer import Trainer


@pytest.mark.parametrize("objective", ["masked", "impute", "supcon", "annotate"])
def test_losses_stay_close(table, small, monkeypatch, objective) -> None:
    dtypes = set()

    def losses(precision) -> list[float]:
        monkeypatch.setattr(Trainer, "_precision", lambda _: precision())
        seen = []
        model = scfm.train(
            "cellplm",
            table,
            objective=objective,
            epochs=2,
            settings=replace(small, dropout=0.0),
            device="cpu",
            progress=seen.append,
        )
        dtypes.update(p.dtype for p in model.network.parameters())
        return [p.figures["train_loss"] for p in seen if "train_loss" in p.figures]

    full = losses(nullcontext)
    half = losses(lambda: torch.autocast("cpu", dtype=torch.bfloat16))
    assert half != full
    assert half == pytest.approx(full, rel=0.05, abs=0.01)
    assert dtypes == {torch.float32}
