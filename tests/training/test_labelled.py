"""Objectives that learn from labels: what they compute, learn, tell and refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

import napari_scfm as scfm
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.training.labels import read_labels
from napari_scfm.training.objectives.annotate import AnnotateObjective, macro_f1
from napari_scfm.training.objectives.supcon import contrastive, draw_anchors, vote


def test_contrastive_loss_as_it_is_written() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(9, 4))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    labels = np.array([0, 0, 0, 1, 1, 2, 3, 3, 1])
    losses = []
    for i in range(9):
        positives = [p for p in range(9) if p != i and labels[p] == labels[i]]
        if not positives:
            continue
        every = sum(np.exp(z[i] @ z[a] / 0.3) for a in range(9) if a != i)
        terms = [np.log(np.exp(z[i] @ z[p] / 0.3) / every) for p in positives]
        losses.append(-sum(terms) / len(positives))
    got = contrastive(torch.tensor(z), torch.tensor(labels), 0.3)
    assert float(got) == pytest.approx(np.mean(losses))


def test_contrastive_loss_without_positives_has_no_gradient() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    loss = contrastive(z, torch.tensor([0, 1, 2]), 0.1)
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(z.grad.abs().sum()) == 0


def test_anchors_are_labelled_and_rare_classes_among_them() -> None:
    labels = np.array([0] * 900 + [1] * 20 + [-1] * 500)
    drawn = [draw_anchors(labels, 64, np.random.default_rng(i)) for i in range(20)]
    assert all(len(set(d)) == 64 and (labels[d] >= 0).all() for d in drawn)
    assert np.mean([(labels[d] == 1).sum() for d in drawn]) > 3 * 64 * 20 / 920
    few = draw_anchors(labels[880:], 64, np.random.default_rng(0))
    np.testing.assert_array_equal(few, np.arange(40))


def test_neighbours_vote() -> None:
    reference = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.0]] * 20 + [[0.0, 1.0]] * 20)
    )
    labels = torch.tensor([2] * 20 + [0] * 20)
    asked = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.1, 1.0]]))
    assert vote(asked, reference, labels).tolist() == [2, 0]


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, told = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    want = f1_score(truth, told, average="macro")
    assert macro_f1(truth, told) == pytest.approx(want)
    assert np.isnan(macro_f1(truth[:0], told[:0]))


def test_rarer_classes_weigh_more(small) -> None:
    weights = AnnotateObjective(small, np.array([400, 100, 25])).weights()
    np.testing.assert_allclose(weights / weights[0], [1, 2, 4], rtol=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_labels_that_say_nothing_are_no_labels(table) -> None:
    text = table.obs["cell_type"].astype(object)
    text.iloc[:4] = [None, "unknown", "Unknown", np.nan]
    table.obs["cell_type"] = text
    codes, names = read_labels(table, None)
    assert names == ["even", "odd"]
    assert (codes[:4] == -1).all()
    assert (codes[4:] >= 0).all()


@pytest.fixture(scope="module")
def annotated(make_tissue, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "types"
    table = make_tissue()
    table.obs.loc[table.obs_names[:20], "cell_type"] = "unknown"
    model = scfm.train(
        "cellplm",
        table,
        objective="annotate",
        validation=["F003"],
        epochs=10,
        out=out,
        settings=replace(small, class_weights=True, label_smoothing=0.05),
        device="cpu",
    )
    assert any("20 training cells have no label" in note for note in model.notes)
    return out


def test_labels_are_told(annotated, table) -> None:
    model = scfm.load_model(annotated, device="cpu")
    assert model.config.head_type == "annotation"
    assert model.config.extra["classes"] == ["even", "odd"]
    assert model.info.capabilities == {"embed", "attend", "annotate"}
    test = table[table.obs["fov"] == "F003"].copy()
    told = model.annotate(test)
    assert list(told.columns) == ["label", "probability", "margin"]
    assert (told.index == test.obs_names).all()
    right = told["label"].astype(str) == test.obs["cell_type"].astype(str)
    assert right.mean() > 0.95
    assert told["probability"].between(0.5, 1).all()
    np.testing.assert_allclose(told["margin"], 2 * told["probability"] - 1, atol=1e-6)
    metrics = json.loads((annotated / "metrics.json").read_text())
    assert metrics["epochs"][metrics["best_epoch"]]["accuracy"] == pytest.approx(
        right.mean(), abs=1e-6
    )
    with pytest.raises(ModelError, match="cannot impute"):
        model.impute(test, list(test.var_names[:2]))


def test_hidden_counts_do_not_reach_a_label(annotated, table) -> None:
    model = scfm.load_model(annotated, device="cpu")
    test = table[table.obs["fov"] == "F003"].copy()
    mask = scfm.mask_genes(test, list(test.var_names[:6]))
    first = model.annotate(test, mask=mask)
    changed = test.X.toarray()
    changed[:, :6] += 9
    test.X = changed
    assert first.equals(model.annotate(test, mask=mask))


def test_models_without_a_head_tell_no_labels(table) -> None:
    with pytest.raises(ModelError, match="cannot annotate"):
        scfm.load_model("cellplm-mini", device="cpu").annotate(table)


def test_embeddings_keep_labels_apart(table, small, tmp_path) -> None:
    model = scfm.train(
        "cellplm",
        table,
        objective="supcon",
        validation=["F003"],
        epochs=10,
        out=tmp_path,
        settings=small,
        device="cpu",
    )
    assert model.info.capabilities == {"embed", "attend"}
    assert not any("head" in name for name in model.network.state_dict())
    best = json.loads((tmp_path / "metrics.json").read_text())
    figures = best["epochs"][best["best_epoch"]]
    assert figures["knn_macro_f1"] > 0.9
    assert figures["loss"] < best["epochs"][0]["loss"]
    z = scfm.load_model(tmp_path, device="cpu").embed(table)
    assert z.shape == (table.n_obs, small.latent)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    odd = (table.obs["cell_type"] == "odd").to_numpy()
    inside = (z[odd] @ z[odd].T).mean() + (z[~odd] @ z[~odd].T).mean()
    assert inside / 2 > (z[odd] @ z[~odd].T).mean() + 0.5


def test_weights_of_a_model_are_kept_and_the_head_is_new(
    table, small, annotated
) -> None:
    first = scfm.load_model(annotated, device="cpu")
    still = replace(small, learning_rate=0.0, weight_decay=0.0)

    def go_on(objective: str, labels: str = "cell_type"):
        return scfm.train(
            first,
            table,
            objective=objective,
            labels=labels,
            epochs=1,
            settings=still,
            device="cpu",
        )

    same = go_on("annotate")
    np.testing.assert_array_equal(same.annotate(table), first.annotate(table))
    assert not any("new weights" in note for note in same.notes)
    table.obs["side"] = np.where(table.obsm["spatial"][:, 1] > 100, "up", "down")
    other = go_on("annotate", "side")
    assert other.config.extra["classes"] == ["down", "up"]
    assert any("no fitting head" in note for note in other.notes)
    np.testing.assert_array_equal(other.embed(table), first.embed(table))
    masked = go_on("masked")
    assert masked.impute(table, list(table.var_names[:2])).shape == (table.n_obs, 2)
    assert any("no fitting decoder" in note for note in masked.notes)
    assert "classes" not in masked.config.extra


def test_original_mixture_models_get_a_plain_latent(shared, table, small) -> None:
    folder = shared / "parity" / "cellplm" / "tiny"
    first = scfm.load_model(folder, device="cpu")
    genes = list(first.config.gene_list[:24])
    table.var_names = genes
    model = scfm.train(
        first, table, objective="annotate", epochs=1, settings=small, device="cpu"
    )
    assert model.config.latent_mod in ("ae", "vae")
    assert model.annotate(table)["label"].isin(["even", "odd"]).all()


def test_labels_that_cannot_be_learned(table, small) -> None:
    def train(**changes):
        scfm.train("cellplm", table, epochs=1, settings=small, **changes)

    table.obs["one"] = "all"
    table.obs["none"] = None
    table.obs["apart"] = table.obs["fov"].replace({"F002": "F001"})
    with pytest.raises(SpecError, match="no labels 'kind' in obs") as caught:
        train(objective="annotate", labels="kind")
    assert "cell_type" in str(caught.value)
    with pytest.raises(SpecError, match="hold 1 class: 'all'"):
        train(objective="supcon", labels="one")
    with pytest.raises(SpecError, match="No cell has a label"):
        train(objective="annotate", labels="none")
    with pytest.raises(SpecError, match="hold 1 class: 'F001'"):
        train(objective="annotate", labels="apart", validation=["F003"])
    with pytest.raises(SpecError, match="no FOV F009"):
        train(objective="annotate", validation=["F009"])
    table.obs["name"] = table.obs_names
    with pytest.raises(SpecError, match=r"240 different values .* names no classes"):
        train(objective="annotate", labels="name")
    table.obs.loc[table.obs["fov"] == "F003", "cell_type"] = "unknown"
    with pytest.raises(SpecError, match="No cell of the FOVs to validate on"):
        train(objective="annotate", validation=["F003"])


def test_classes_only_in_held_out_fovs_are_left_out(table, small) -> None:
    table.obs.loc[table.obs_names[-5:], "cell_type"] = "rare"
    model = scfm.train(
        "cellplm",
        table,
        objective="annotate",
        validation=["F003"],
        epochs=1,
        settings=small,
        device="cpu",
    )
    assert model.config.extra["classes"] == ["even", "odd"]
    assert any("only in held-out FOVs" in n and "rare" in n for n in model.notes)
