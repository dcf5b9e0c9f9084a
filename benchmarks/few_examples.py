"""What a few labelled cells of each kind tell of all others ("Learn these").

Run: python benchmarks/few_examples.py [types] [merfish-155] --models FOLDER FOLDER
     [--each 5 10] [--seeds 0 1 2] [--network] [--left-out] [--time nsclc ...]

So many cells of each kind are drawn as examples (kinds with at least twice as many),
and every other cell of these kinds is told its kind:

* "PCA, 5-NN" and "model, 5-NN": the 5 nearest examples vote;
* "head on examples": supervised contrastive learning from the examples alone, then
  the nearest kind;
* "whole network": ``train --objective supcon`` of the model from the examples alone,
  then 5-NN (with --network);
* "grown": the kinds grow from the examples, what `learn_examples` tells;
* "refined, 5-NN" and "refined, nearest kind": in the embedding that it refines.

ARI and macro-F1 of the told kinds; "Leiden" is the ARI of clusters at resolution 1 of
the embedding. --left-out: each kind in turn has no examples; how many of its cells are
unknown, and how many of the others. --time: seconds of a whole slide, read included.
"""

from __future__ import annotations

import argparse
import time
import warnings
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, f1_score
from sklearn.neighbors import KNeighborsClassifier
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.celltypes.components import components
from napari_scfm.analysis.clusters import cluster
from napari_scfm.experiments.examples import learn_examples
from napari_scfm.training.refine import refine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from napari_scfm.models.base import CellModel

LABELS = keys.CELL_TYPE


def main() -> None:
    """Print one table per slide and number of examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slides", nargs="*", default=["types", "merfish-155"])
    parser.add_argument("--models", nargs="+", required=True, help="one per slide")
    parser.add_argument("--each", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--left-out", action="store_true")
    parser.add_argument("--time", action="store_true", help="only seconds")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, folder in zip(asked.slides, asked.models, strict=True):
        if asked.time:
            print(f"{date.today()}, {name}: {timed(name, folder)}", flush=True)
            continue
        table, model = slide(name), scfm.load_model(folder)
        vectors = model.embed(table)
        for each in asked.each:
            one_slide(name, table, model, vectors, each, asked)


def one_slide(
    name: str,
    table: AnnData,
    model: CellModel,
    vectors: np.ndarray,
    each: int,
    asked: argparse.Namespace,
) -> None:
    """Print means and standard deviations over the seeds."""
    truth = table.obs[LABELS].astype(str).to_numpy()
    rows, lost = [], []
    for seed in asked.seeds:
        drawn = draw(truth, each, seed)
        rows += list(ways(table, model, vectors, truth, drawn, seed, asked.network))
        if asked.left_out:
            lost += list(left_out(table, model, vectors, truth, drawn, seed))
    found = pd.DataFrame(rows).groupby("way", sort=False)
    kinds = len(np.unique(truth[drawn]))
    print(f"\n{date.today()}, {name}: {each} examples of each of {kinds} kinds")
    mean, spread = found.mean(), found.std(ddof=0)
    mean.insert(1, "sd", spread["macro_f1"])
    print(mean.round(3).to_string(), flush=True)
    if lost:
        print(pd.DataFrame(lost).mean().round(3).to_string(), flush=True)


def draw(truth: np.ndarray, each: int, seed: int) -> np.ndarray:
    """Return rows of so many cells of each kind that has twice as many."""
    rng = np.random.default_rng(seed)
    names, counts = np.unique(truth, return_counts=True)
    kinds = names[counts >= 2 * each]
    of = [rng.choice(np.flatnonzero(truth == k), each, replace=False) for k in kinds]
    return np.sort(np.concatenate(of))


def ways(
    table: AnnData,
    model: CellModel,
    vectors: np.ndarray,
    truth: np.ndarray,
    drawn: np.ndarray,
    seed: int,
    network: bool,
) -> Iterator[dict[str, object]]:
    """Yield the scores of every way to tell the kinds."""
    names, codes = np.unique(truth[drawn], return_inverse=True)
    clusters = truth.size < 5000  # Leiden of a larger slide for each way takes long

    def row(way: str, said: np.ndarray, z: np.ndarray, seconds: float) -> dict:
        made = {"way": way} | scores(truth, drawn, said)
        made["leiden"] = adjusted_rand_score(truth, cluster(z)) if clusters else np.nan
        return made | {"seconds": seconds}

    for way, z in (("PCA, 5-NN", components(table)), ("model, 5-NN", vectors)):
        yield row(way, nearest(z, drawn, truth), z, 0.0)
    start = time.perf_counter()
    even = 8 * (vectors - vectors.mean(0)) / np.sqrt(vectors.var(0).sum())
    alone = refine(even, drawn, codes, np.ones(len(drawn)), seed=seed).vectors
    seconds = time.perf_counter() - start
    said = names[centred(alone, drawn, codes)]
    yield row("head on examples", said, alone, seconds)
    if network:
        start = time.perf_counter()
        z = whole_network(table, model, truth, drawn, seed)
        seconds = time.perf_counter() - start
        yield row("whole network, 5-NN", nearest(z, drawn, truth), z, seconds)
    start = time.perf_counter()
    examples = {name: drawn[codes == code] for code, name in enumerate(names)}
    made = learn_examples(model, table, examples, vectors=vectors, seed=seed)
    seconds = time.perf_counter() - start
    said = names[made.told.best]
    yield row("grown", said, vectors, seconds)
    yield row("refined, 5-NN", nearest(made.vectors, drawn, truth), made.vectors, 0.0)
    sure = np.flatnonzero(made.told.confidence >= 0.5)
    kind = names[centred(made.vectors, sure, made.told.best[sure])]
    yield row("refined, nearest kind", kind, made.vectors, 0.0)


def scores(truth: np.ndarray, drawn: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Return what is right of all other cells of the kinds with examples."""
    tested = np.isin(truth, truth[drawn])
    tested[drawn] = False
    right, told = truth[tested], said[tested]
    return {
        "macro_f1": float(f1_score(right, told, average="macro", zero_division=0)),
        "ari": float(adjusted_rand_score(right, told)),
        "accuracy": float((right == told).mean()),
    }


def nearest(z: np.ndarray, drawn: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return what the 5 nearest examples say."""
    found = KNeighborsClassifier(5).fit(z[drawn], truth[drawn]).predict(z)
    return np.asarray(found)


def centred(z: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the kind whose mean direction is nearest."""
    means = np.stack([z[rows[codes == k]].mean(0) for k in range(codes.max() + 1)])
    return np.asarray((z @ means.T / np.linalg.norm(means, axis=1)).argmax(1))


def whole_network(
    table: AnnData,
    model: CellModel,
    truth: np.ndarray,
    drawn: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the embedding of the network itself, trained on the examples."""
    made = table.copy()
    made.obs["examples"] = "unknown"
    made.obs.iloc[drawn, made.obs.columns.get_loc("examples")] = truth[drawn]
    trained = scfm.train(
        model, made, objective="supcon", labels="examples", epochs=5, seed=seed
    )
    return trained.embed(table)


def left_out(
    table: AnnData,
    model: CellModel,
    vectors: np.ndarray,
    truth: np.ndarray,
    drawn: np.ndarray,
    seed: int,
) -> Iterator[dict[str, float]]:
    """Yield the share of unknown cells where one kind has no examples."""
    kinds = list(np.unique(truth[drawn]))
    for new in kinds[::3]:
        rest = {k: drawn[truth[drawn] == k] for k in kinds if k != new}
        made = learn_examples(model, table, rest, vectors=vectors, seed=seed)
        unknown, others = ~made.told.told, np.isin(truth, list(rest))
        yield {
            "unknown of a kind without examples": unknown[truth == new].mean(),
            "unknown of the others": unknown[others].mean(),
        }


def timed(name: str, folder: str) -> str:
    """Return seconds of everything between the file and the told kinds."""
    start = time.perf_counter()
    table, model = slide(name), scfm.load_model(folder)
    read = time.perf_counter() - start
    vectors = model.embed(table)
    embedded = time.perf_counter() - start - read
    # kinds that need not be true: the clusters' first cells
    labels = cluster(vectors[:3000])
    examples = {
        str(k): np.flatnonzero(labels == k)[:5]
        for k in range(labels.max() + 1)
        if (labels == k).sum() >= 5
    }
    learn_examples(model, table, examples, vectors=vectors)
    total = time.perf_counter() - start
    return (
        f"{table.n_obs} cells, {len(examples)} kinds: {total:.1f} s in all, "
        f"{read:.1f} s to read, {embedded:.1f} s to embed"
    )


if __name__ == "__main__":
    main()
