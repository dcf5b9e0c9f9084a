"""A run may be stopped or killed at any time and goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file

import napari_scfm as scfm
from napari_scfm.errors import SpecError
from napari_scfm.progress import Cancelled
from napari_scfm.training.checkpoints import FOLDER, epochs_done, found

EPOCHS = 4
PER_EPOCH = 2 * 6  # two FOVs that are trained on, six draws


def run(table, small, out, **changes):
    asked = {"epochs": EPOCHS, "validation": ["F003"], "settings": small, "seed": 5}
    return scfm.train("cellplm", table, out=out, device="cpu", **asked | changes)


def stop_at(step: int, error: type[BaseException] = Cancelled):
    def stop(progress) -> None:
        if progress.done == step:
            raise error

    return stop


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same(first, second) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("objective", ["masked", "impute", "supcon", "annotate"])
def test_a_resumed_run_gives_the_same_bits(table, small, tmp_path, objective) -> None:
    run(table, small, tmp_path / "whole", objective=objective)
    torn = tmp_path / "torn"
    with pytest.raises(Cancelled, match="2 of 4 epochs are kept"):
        run(
            table,
            small,
            torn,
            objective=objective,
            progress=stop_at(2 * PER_EPOCH + 5),
        )
    seen = []
    run(table, small, torn, objective=objective, resume=True, progress=seen.append)
    assert seen[0].done == 2 * PER_EPOCH
    assert_same(weights(tmp_path / "whole"), weights(torn))
    assert (tmp_path / "whole" / "metrics.json").read_text() == (
        torn / "metrics.json"
    ).read_text()
    assert not (torn / FOLDER).exists()


def test_a_killed_run_goes_on(table, small, tmp_path) -> None:
    run(table, small, tmp_path / "whole")
    torn = tmp_path / "torn"
    with pytest.raises(KeyboardInterrupt):
        run(table, small, torn, progress=stop_at(PER_EPOCH + 1, KeyboardInterrupt))
    assert not (torn / "model.safetensors").exists()
    (torn / FOLDER / "tmpabc.part").write_bytes(b"half a file")
    run(table, small, torn, resume=True)
    assert_same(weights(tmp_path / "whole"), weights(torn))
    assert not (torn / FOLDER).exists()


KILLED = """
import os, signal, sys
import anndata
import napari_scfm as scfm
from napari_scfm.training.settings import TrainSettings

def kill(progress):
    if progress.done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

settings = TrainSettings(**eval(sys.argv[4]))
scfm.train("cellplm", anndata.read_h5ad(sys.argv[1]), out=sys.argv[2], epochs=4, seed=5,
           validation=["F003"], settings=settings, device="cpu", progress=kill)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_process_that_was_killed_goes_on_in_another(table, small, tmp_path) -> None:
    run(table, small, tmp_path / "whole")
    table.write_h5ad(tmp_path / "table.h5ad")
    torn = tmp_path / "torn"
    words = [tmp_path / "table.h5ad", torn, 2 * PER_EPOCH + 3, asdict(small)]
    command = [sys.executable, "-c", KILLED, *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert epochs_done(torn) == 2
    run(table, small, torn, resume=True)
    assert_same(weights(tmp_path / "whole"), weights(torn))


@pytest.mark.parametrize("left", [0, 7, 1000, -1])
def test_a_torn_checkpoint_is_passed_over(table, small, tmp_path, left) -> None:
    run(table, small, tmp_path / "whole")
    torn = tmp_path / "torn"
    with pytest.raises(Cancelled):
        run(table, small, torn, progress=stop_at(3 * PER_EPOCH + 1))
    newest, before = found(torn)
    assert (newest.name, before.name) == (
        "epoch-000003.safetensors",
        "epoch-000002.safetensors",
    )
    newest.write_bytes(newest.read_bytes()[:left])
    assert epochs_done(torn) == 2
    seen = []
    run(table, small, torn, resume=True, progress=seen.append)
    assert seen[0].done == 2 * PER_EPOCH
    assert_same(weights(tmp_path / "whole"), weights(torn))


def test_only_damaged_checkpoints_are_refused(table, small, tmp_path) -> None:
    with pytest.raises(Cancelled):
        run(table, small, tmp_path, progress=stop_at(3 * PER_EPOCH + 1))
    for path in found(tmp_path):
        path.write_bytes(b"nothing")
    with pytest.raises(SpecError, match=r"None of the 2 checkpoints .* can be read"):
        run(table, small, tmp_path, resume=True)


def test_another_run_is_not_gone_on_with(table, small, tmp_path) -> None:
    with pytest.raises(Cancelled):
        run(table, small, tmp_path, progress=stop_at(PER_EPOCH + 1))
    fewer = table[:-1].copy()
    for changes, what in (
        ({"settings": replace(small, learning_rate=1e-4)}, "settings"),
        ({"epochs": 9}, "number of epochs"),
        ({"seed": 6}, "seed"),
        ({"validation": []}, "held-out FOVs"),
        ({"objective": "impute"}, "objective"),
    ):
        with pytest.raises(SpecError, match=rf"not as they were: .*{what}"):
            run(table, small, tmp_path, resume=True, **changes)
    with pytest.raises(SpecError, match=r"cannot be resumed, since .*: table"):
        run(fewer, small, tmp_path, resume=True)
    assert epochs_done(tmp_path) == 1


def test_resuming_a_complete_run_trains_nothing(table, small, tmp_path) -> None:
    run(table, small, tmp_path)
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    seen = []
    model = run(table, small, tmp_path, resume=True, progress=seen.append)
    assert not seen
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before
    assert any("was complete" in note for note in model.notes)
    with pytest.raises(SpecError, match="not as they were: seed"):
        run(table, small, tmp_path, resume=True, seed=1)


def test_resuming_nothing_begins(table, small, tmp_path) -> None:
    run(table, small, tmp_path / "whole", epochs=1)
    run(table, small, tmp_path / "new", epochs=1, resume=True)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "new"))


def test_beginning_anew_leaves_old_checkpoints_behind(table, small, tmp_path) -> None:
    with pytest.raises(Cancelled):
        run(table, small, tmp_path, progress=stop_at(3 * PER_EPOCH + 1))
    with pytest.raises(Cancelled) as stopped:
        run(table, small, tmp_path, seed=1, progress=stop_at(3))
    assert not str(stopped.value)
    assert not found(tmp_path)


def test_no_code_is_run_from_a_checkpoint(table, small, tmp_path) -> None:
    with pytest.raises(Cancelled):
        run(table, small, tmp_path, progress=stop_at(2 * PER_EPOCH + 1))
    for path in found(tmp_path):
        assert set(load_file(path)) > {"random.torch", "optimiser.0.exp_avg"}
