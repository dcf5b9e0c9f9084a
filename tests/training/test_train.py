"""Training as a user meets it: what is learned, kept, repeated and refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.progress import Cancelled
from napari_scfm.training.lesson import Lesson
from napari_scfm.training.objectives.masked import MaskedObjective
from napari_scfm.training.settings import TrainSettings


@pytest.fixture(scope="module")
def folder(make_tissue, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "two-types"
    scfm.train(
        "cellplm",
        make_tissue(),
        validation=["F003"],
        epochs=12,
        out=out,
        settings=small,
        device="cpu",
    )
    return out


def test_hidden_genes_are_learned(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F003"].copy()
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[:, :6] = True
    mask = Mask(hidden, test.obs_names, test.var_names)
    got = model.impute(test, list(test.var_names[:6]), mask=mask)
    truth = test.X.toarray()[:, :6]
    for gene in range(6):
        r = np.corrcoef(np.log1p(got[:, gene]), np.log1p(truth[:, gene]))[0, 1]
        assert r > 0.6
    assert 0.5 < got.sum() / truth.sum() < 2


def test_hidden_cells_are_guessed_from_where_they_are(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F003"].copy()
    xy = test.obsm["spatial"]
    rows = np.flatnonzero(np.abs(xy[:, 0] - 100) > 25)[::6]
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[rows] = True
    mask = Mask(hidden, test.obs_names, test.var_names)
    got = model.impute(test, list(test.var_names), mask=mask)[rows]
    right = xy[rows, 0] > 100
    odd = got[:, 1::2].sum(1) > got[:, ::2].sum(1)
    assert (odd == right).mean() > 0.8


def test_files_and_history(folder) -> None:
    assert {p.name for p in folder.iterdir()} == {
        "config.json",
        "metrics.json",
        "model.safetensors",
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["validation"] == ["F003"]
    assert metrics["fovs"] == ["F001", "F002"]
    losses = [epoch["loss"] for epoch in metrics["epochs"]]
    assert losses[metrics["best_epoch"]] == min(losses) < losses[0]
    assert metrics["scores"]["loss"] == min(losses)
    info = scfm.load_model(folder, device="cpu").info
    assert info.name == "two-types"
    assert (
        info.parameters
        == json.loads((folder / "config.json").read_text())["parameters"]
    )


def test_coordinates_matter_to_a_model_that_reads_them(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F001"].copy()
    first = model.embed(test)
    test.obsm["spatial"] = np.random.default_rng(0).permutation(test.obsm["spatial"])
    assert np.abs(model.embed(test) - first).max() > 1e-3
    moved = model.embed(test)
    test.obsm["spatial"] = test.obsm["spatial"] + 1000.0
    np.testing.assert_allclose(model.embed(test), moved, atol=1e-3)
    del test.obsm["spatial"]
    assert np.isfinite(model.embed(test)).all()
    assert any("no obsm['spatial']" in note for note in model.notes)


def test_the_same_seed_gives_the_same_weights(table, small) -> None:
    def run(seed: int) -> np.ndarray:
        model = scfm.train(
            "cellplm", table, epochs=1, seed=seed, settings=small, device="cpu"
        )
        return model.embed(table)

    first = run(3)
    np.testing.assert_array_equal(run(3), first)
    assert np.abs(run(4) - first).max() > 1e-3


def test_going_on_from_a_model_leaves_it_as_it_was(folder, table, small) -> None:
    model = scfm.load_model(folder, device="cpu")
    before = model.embed(table)
    more = scfm.train(model, table, epochs=1, settings=small, device="cpu")
    np.testing.assert_array_equal(model.embed(table), before)
    assert np.abs(more.embed(table) - before).max() > 1e-4


def test_cancelled_training_writes_nothing(table, small, tmp_path) -> None:
    seen = []

    def stop(progress) -> None:
        seen.append(progress)
        if progress.done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        scfm.train(
            "cellplm",
            table,
            epochs=2,
            out=tmp_path / "m",
            settings=small,
            device="cpu",
            progress=stop,
        )
    assert [p.done for p in seen] == [0, 1, 2, 3, 4]
    assert "loss" not in seen[0].figures
    assert {"loss", "epoch", "epochs", "rate", "seconds_left"} == set(seen[1].figures)
    assert seen[0].total == 2 * 3 * small.draws
    assert not (tmp_path / "m").exists()


def test_what_cannot_be_trained(table) -> None:
    with pytest.raises(SpecError, match="no training objective 'clip'") as caught:
        scfm.train("cellplm", table, objective="clip")
    assert "masked" in str(caught.value)
    with pytest.raises(SpecError, match="no FOV F009"):
        scfm.train("cellplm", table, validation=["F009"])
    with pytest.raises(SpecError, match="left to train on"):
        scfm.train("cellplm", table, validation=["F001", "F002", "F003"])
    with pytest.raises(SpecError, match="left to train on"):
        scfm.train("cellplm", table[:5].copy())
    with pytest.raises(SpecError, match="'masked' reads no target genes"):
        scfm.train("cellplm", table, genes=[table.var_names[0]])
    with pytest.raises(SpecError, match="0 epochs train nothing"):
        scfm.train("cellplm", table, epochs=0)
    with pytest.raises(SpecError, match="width of 30 is not divisible"):
        TrainSettings(width=30)
    with pytest.raises(SpecError, match="Nothing to resume"):
        scfm.train("cellplm", table, resume=True)
    with pytest.raises(ModelError, match="fitted to a table, not trained"):
        scfm.train("gene-mean", table)


def test_each_epoch_tells_its_losses(table, small) -> None:
    seen = []
    scfm.train(
        "cellplm",
        table,
        epochs=3,
        validation="F003",
        settings=small,
        device="cpu",
        progress=seen.append,
    )
    ends = [p for p in seen if "train_loss" in p.figures]
    assert [p.figures["epoch"] for p in ends] == [1, 2, 3]
    assert [p.done for p in ends] == [12, 24, 36]
    assert all("validation_loss" in p.figures for p in ends)
    assert seen[-1].done == seen[-1].total == 36


def test_bags_are_fovs_else_batches_else_everything(table, small) -> None:
    def names(shown) -> list[str]:
        model = scfm.train("cellplm", shown, epochs=1, settings=small, device="cpu")
        return model.config.extra["training"]["fovs"]

    assert names(table) == ["F001", "F002", "F003"]
    table.obs = table.obs.rename(columns={"fov": "batch"})
    assert names(table) == ["F001", "F002", "F003"]
    assert "fov" not in table.obs
    del table.obs["batch"]
    assert names(table) == ["all cells"]


def test_training_stops_when_held_out_fovs_get_no_better(table, small) -> None:
    settings = replace(small, patience=2, learning_rate=0.05, draws=2)
    seen = []
    scfm.train(
        "cellplm",
        table,
        epochs=60,
        validation=["F003"],
        settings=settings,
        device="cpu",
        progress=seen.append,
    )
    losses = [
        p.figures["validation_loss"] for p in seen if "validation_loss" in p.figures
    ]
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3


@dataclass
class Hungry(MaskedObjective):
    """Runs out of memory, as torch says it on CPUs, with more cells than it can."""

    most: int = 30
    sizes: list[int] = field(default_factory=list)

    def loss(self, network, step, rows, rng):
        self.sizes.append(len(step.truth))
        if len(step.truth) > self.most:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: not enough "
                "memory: you tried to allocate 8 bytes."
            )
        return super().loss(network, step, rows, rng)


def test_bags_are_halved_when_memory_runs_out(table, small, monkeypatch) -> None:
    hungry = Hungry(small)
    monkeypatch.setattr(Lesson, "objective", lambda self, wish: hungry)
    model = scfm.train("cellplm", table, epochs=1, settings=small, device="cpu")
    assert max(hungry.sizes) > 30
    assert max(hungry.sizes[2:]) <= 20
    assert len(hungry.sizes) == 3 * small.draws + 2
    assert any("at most 20 cells at once" in note for note in model.notes)


def test_memory_that_never_suffices_is_said(table, small, monkeypatch) -> None:
    monkeypatch.setattr(Lesson, "objective", lambda self, wish: Hungry(small, most=0))
    with pytest.raises(ModelError, match="Memory ran out even with bags of 20 cells"):
        scfm.train("cellplm", table, epochs=1, settings=small, device="cpu")


def test_other_errors_are_not_taken_for_memory(table, small, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(MaskedObjective, "loss", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        scfm.train("cellplm", table, epochs=1, settings=small, device="cpu")


def test_a_loss_that_is_no_number_stops_the_run(table, small, monkeypatch) -> None:
    true_loss = MaskedObjective.loss
    monkeypatch.setattr(
        MaskedObjective, "loss", lambda *args: true_loss(*args) * float("nan")
    )
    with pytest.raises(ModelError, match="no longer a number at step 1"):
        scfm.train("cellplm", table, epochs=1, settings=small, device="cpu")
