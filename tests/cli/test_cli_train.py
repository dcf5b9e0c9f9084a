"""``train`` on the sample slide: every objective, stopped, resumed and refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import anndata
import pytest

import napari_scfm as scfm
from napari_scfm.cli.bar import training_words
from napari_scfm.cli.train import gene_list
from napari_scfm.errors import SpecError
from napari_scfm.training.checkpoints import epochs_done
from napari_scfm.training.settings import TrainSettings

TINY = ["--size", "width=16,layers=1,heads=4,latent=8,draws=1", "--device", "cpu"]
TWO = ["--fov", "F001,F004", "--validation", "F004"]


def figures(printed: str) -> dict[str, float]:
    return {k: float(v) for k, v in re.findall(r"(\w+) (-?\d+\.\d+)", printed)}


def test_annotate(cli, sample, tmp_path):
    out = tmp_path / "types"
    words = ["--objective", "annotate", "--labels", "cell_type", "--epochs", 2]
    ended = cli("train", sample, *words, *TINY, *TWO, "-o", out)
    assert ended.status == 0, ended.err
    assert set(figures(ended.out)) == {"loss", "accuracy", "macro_f1"}
    model = scfm.load_model(out, device="cpu")
    table = scfm.read_slide(sample).fov("F004").table
    classes = sorted(table.obs["cell_type"].astype(str).unique())
    assert set(classes) <= set(model.config.extra["classes"])
    assert model.annotate(table).index.equals(table.obs_names)


def test_supcon(cli, sample, tmp_path):
    words = ["--objective", "supcon", "--epochs", 1, "-o", tmp_path]
    ended = cli("train", sample, *words, *TINY, *TWO)
    assert ended.status == 0, ended.err
    assert set(figures(ended.out)) == {"loss", "knn_macro_f1"}


def test_sct_panel(cli, sample, tmp_path):
    words = ["--model", "sct-panel", "--epochs", 1, "-o", tmp_path / "panel"]
    size = ["--size", "width=32,layers=1,heads=2,draws=1", "--device", "cpu"]
    ended = cli("train", sample, *words, *size, *TWO)
    assert ended.status == 0, ended.err
    assert set(figures(ended.out)) == {"loss", "loss_cells", "loss_entries"}
    model = scfm.load_model(tmp_path / "panel", device="cpu")
    assert model.info.name == "panel"
    assert len(model.info.genes) == scfm.read_slide(sample).table.n_vars
    ended = cli("train", sample, *words, *size, *TWO, "--objective", "annotate")
    assert ended.status != 0
    assert "does not learn by 'annotate'" in ended.err


def test_impute_from_single_cells_and_from_a_model(cli, sample, tmp_path):
    table = scfm.read_slide(sample).fov("F002").table
    cells = anndata.AnnData(table.X, var=table.var)
    cells.obs_names = [f"sc{i}" for i in range(cells.n_obs)]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    genes = tmp_path / "genes.txt"
    genes.write_text("\n".join(table.var_names[:3]) + "\n")
    words = ["--objective", "impute", "--genes", genes, "--epochs", 1]
    words += ["--reference", tmp_path / "cells.h5ad", "--from", "cellplm-mini"]
    out = tmp_path / "targets"
    ended = cli("train", sample, *words, *TINY, *TWO, "-o", out)
    assert ended.status == 0, ended.err
    found = json.loads((out / "metrics.json").read_text())
    assert len(found["targets"]) == 3
    assert any(name.startswith("reference") for name in found["fovs"])


def test_a_stopped_training_goes_on(cli, sample, tmp_path, monkeypatch):
    out = tmp_path / "mine"
    words = ["train", sample, *TINY, *TWO, "--epochs", 3, "-o", out]
    calls = []

    def interrupted(trainer, bag):
        calls.append(bag)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(trainer, bag)

    from napari_scfm.training.trainer import Trainer

    step = Trainer.step
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        ended = cli(*words)
    assert ended.status == 1
    assert f"2 of 3 epochs are kept in {out}" in ended.err
    assert "--resume" in ended.err
    again = cli(*words)
    assert again.status == 1
    assert "stopped after 2 epochs" in again.err
    assert epochs_done(out) == 2
    resumed = cli(*words, "--resume")
    assert resumed.status == 0, resumed.err
    assert len(json.loads((out / "metrics.json").read_text())["epochs"]) == 3
    assert not (out / "checkpoints").exists()


def test_ctrl_c_leaves_a_folder_to_go_on_from(sample, tmp_path):
    out = tmp_path / "mine"
    words = ["train", sample, *TINY, *TWO, "--epochs", 100000, "-o", out]
    # a shell lets its background jobs ignore Ctrl-C, and children inherit that
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from napari_scfm.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not epochs_done(out):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert re.search(r"Stopped; \d+ of 100000 epochs are kept", said), said
    assert "Traceback" not in said
    assert epochs_done(out) >= 1
    assert not list((out / "checkpoints").glob("*.part"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "huge"], "'huge' is no size"),
        (["--size", "width=30"], "not divisible by 4"),
        (["--objective", "clip"], "no training objective"),
        (["--objective", "annotate", "--labels", "nothing"], "no labels 'nothing'"),
        (["--genes", "EPCAM"], "reads no target genes"),
        (["--objective", "impute", "--reference", "no.h5ad"], "does not exist"),
        (["--validation", "F009"], "no FOV F009"),
        (["--from", "no-such-model"], "no model 'no-such-model'"),
    ],
)
def test_what_is_refused(cli, sample, tmp_path, words, said):
    out = tmp_path / "mine"
    ended = cli("train", sample, *words, "-o", out)
    assert ended.status == 1
    assert said in ended.err
    assert not out.exists()


def test_a_reference_that_is_no_table(cli, sample, tmp_path):
    path = tmp_path / "cells.h5ad"
    path.write_text("cells")
    words = ["--objective", "impute", "--reference", path, "-o", tmp_path / "m"]
    ended = cli("train", sample, *words)
    assert ended.status == 1
    assert "is no .h5ad file" in ended.err


def test_sizes():
    assert TrainSettings.of_size("small") == TrainSettings()
    assert TrainSettings.of_size("base").width > TrainSettings().width
    chosen = TrainSettings.of_size("width=128, layers=3", draws=2)
    assert (chosen.width, chosen.layers, chosen.draws) == (128, 3, 2)
    for text in ("", "width", "width=0", "depth=3", "width=-8"):
        with pytest.raises(SpecError, match="is no size"):
            TrainSettings.of_size(text)


def test_gene_lists(tmp_path):
    path = tmp_path / "genes.txt"
    path.write_text("A\nB, C\n\n")
    assert gene_list(str(path)) == gene_list("A,B, C") == ["A", "B", "C"]
    assert gene_list("") == []


def test_words_beside_the_bar():
    told = {"epoch": 3.0, "epochs": 50.0, "loss": 1.23456, "rate": 14.2}
    told |= {"seconds_left": 95.2, "validation_loss": 1.5}
    assert training_words(told) == (
        "epoch 3/50, loss 1.235, held out 1.5, 14.2 steps/s, 1:35 left"
    )
    assert training_words({"rate": 0.5, "seconds_left": 7384.0}) == (
        "0.5 steps/s, 2:03:04 left"
    )
    assert training_words({}) == ""
