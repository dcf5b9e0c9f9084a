"""What embeddings and annotation models know of held-out sections.

Run: python benchmarks/sections.py merfish-155|types --labels cell_type|domain
     [--fov F ...] [--seeds 0 1 2]

One section is tested, all others are trained on; the labels of the tested section are
read only to score. Embeddings: PCA of log-normalised scaled counts, an untrained
network, and networks trained by "masked", "supcon" and "annotate". Each is scored by
the labels of the 15 nearest training cells (accuracy, macro-F1, ARI) and by Leiden in
the tested section alone: at resolution 1, at the resolution that gives as many clusters
as the training sections have labels, and at the one that suits the labels best
("oracle": it looks at the truth, as published tables do). "annotate" is scored by what
it tells, too. Beside it: logistic regression on PCA of own and neighbourhood counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    f1_score,
    normalized_mutual_info_score,
)
from sklearn.neighbors import KNeighborsClassifier
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.clusters import cluster_graph, neighbour_graph
from napari_scfm.training.settings import TrainSettings

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse import csr_array

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4)
RINGS = {"cell_type": (), "domain": (30, 100, 300)}
SETTINGS = {
    "cell_type": {"width": 256, "latent": 128, "own_width": 128},
    "domain": {"neighbours": (5, 30, 100, 300), "bandwidths": (12.0, 25.0, 50.0)},
}
TOLD = ["accuracy", "macro_f1", "ari"]
LEIDEN = ["ari_1.0", "nmi_1.0", "ari_matched", "ari_oracle", "nmi_oracle"]


def main() -> None:
    """Print one table per tested section: mean over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["merfish-155", "types"])
    parser.add_argument("--labels", choices=list(RINGS), default="cell_type")
    parser.add_argument("--fov", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    table = slide(asked.slide)
    table.X = np.rint(table.X.toarray()) if asked.slide == "types" else table.X
    for fov in asked.fov:
        tested = (table.obs[keys.FOV] == fov).to_numpy()
        print(
            f"\n{date.today()}, {asked.slide}, {asked.labels}: {fov} tested "
            f"({tested.sum()} of {len(tested)} cells), seeds {asked.seeds}"
        )
        rows = [
            one_seed(table, tested, asked.labels, seed, asked.epochs)
            for seed in asked.seeds
        ]
        groups = pd.concat(rows).groupby("model", sort=False)
        out = groups.mean().round(3)
        out["sd ari"] = groups["ari"].std(ddof=0).round(3)
        print(out[[*TOLD, "sd ari", *LEIDEN, "clusters", "seconds"]].to_string())


def one_seed(
    table: AnnData, tested: np.ndarray, labels: str, seed: int, epochs: int
) -> pd.DataFrame:
    """Return one row per model."""
    truth = table.obs[labels].astype(str).to_numpy()
    rows = []

    def add(name: str, z: np.ndarray, seconds: float) -> None:
        knn = KNeighborsClassifier(15).fit(z[~tested], truth[~tested])
        row = {"model": name, "seconds": seconds} | told(
            truth[tested], knn.predict(z[tested])
        )
        graph = neighbour_graph(z[tested])
        rows.append(row | leiden(graph, truth[tested], len(set(truth)), seed))

    start = time.process_time()
    scaled, components = principal(table)
    add("PCA", components, time.process_time() - start)
    start = time.process_time()
    guess = logistic(table, scaled, components, tested, truth, RINGS[labels])
    seconds = time.process_time() - start
    name = "logistic regression"
    rows.append({"model": name, "seconds": seconds} | told(truth[tested], guess))
    training = table[~tested].copy()
    for objective in ("untrained", "masked", "supcon", "annotate"):
        start = time.process_time()
        model = trained(training, objective, labels, seed, epochs)
        seconds = time.process_time() - start
        z = model.embed(table)
        add(objective, z / np.linalg.norm(z, axis=1, keepdims=True), seconds)
        if objective == "annotate":
            guess = model.annotate(table[tested].copy())["label"].to_numpy()
            rows.append(
                {"model": "annotate, told", "seconds": seconds}
                | told(truth[tested], guess)
            )
    return pd.DataFrame(rows)


def trained(
    table: AnnData, objective: str, labels: str, seed: int, epochs: int
) -> scfm.CellModel:
    """Return a network trained on the training sections."""
    labelled = objective in ("supcon", "annotate")
    never = objective == "untrained"
    settings = TrainSettings(
        class_weights=True,
        label_smoothing=0.05,
        dropout=0.5 if labelled else 0.2,
        learning_rate=1e-9 if never else 2e-3,
        **SETTINGS[labels],
    )
    return scfm.train(
        "cellplm",
        table,
        objective=objective if labelled else "masked",
        labels=labels if labelled else None,
        epochs=1 if never else epochs,
        seed=seed,
        settings=settings,
    )


def principal(table: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled log-normalised counts and their 50 principal components."""
    counts = np.asarray(table.X.todense() if hasattr(table.X, "todense") else table.X)
    depth = counts.sum(1, keepdims=True)
    logs = np.log1p(counts / np.maximum(depth, 1e-9) * np.median(depth))
    scaled = (logs - logs.mean(0)) / (logs.std(0) + 1e-9)
    scaled = np.clip(scaled, -10, 10)
    return scaled, PCA(50, svd_solver="covariance_eigh").fit_transform(scaled)


def logistic(
    table: AnnData,
    scaled: np.ndarray,
    components: np.ndarray,
    tested: np.ndarray,
    truth: np.ndarray,
    rings: tuple[int, ...],
) -> np.ndarray:
    """Return what logistic regression tells of the tested cells."""
    blocks = [components if rings else scaled]
    for ring in rings:
        block = np.zeros((table.n_obs, 20))
        for fov in table.obs[keys.FOV].unique():
            at = np.flatnonzero(table.obs[keys.FOV] == fov)
            near = KDTree(table.obsm[keys.SPATIAL][at]).query(
                table.obsm[keys.SPATIAL][at], k=ring + 1
            )[1][:, 1:]
            block[at] = components[at][:, :20][near].mean(1)
        blocks.append(block / block.std())
    features = np.column_stack(blocks)
    model = LogisticRegression(C=0.1, max_iter=300)
    return model.fit(features[~tested], truth[~tested]).predict(features[tested])


def told(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Return accuracy, macro-F1 and ARI."""
    return {
        "accuracy": accuracy_score(truth, guess),
        "macro_f1": f1_score(truth, guess, average="macro", zero_division=0),
        "ari": adjusted_rand_score(truth, guess),
    }


def leiden(
    graph: csr_array, truth: np.ndarray, classes: int, seed: int
) -> dict[str, float]:
    """Return ARI and NMI at the three resolutions."""
    found = {r: cluster_graph(graph, r, seed) for r in RESOLUTIONS}
    ari = {r: adjusted_rand_score(truth, found[r]) for r in RESOLUTIONS}
    nmi = {r: normalized_mutual_info_score(truth, found[r]) for r in RESOLUTIONS}
    number = {r: len(set(found[r].tolist())) for r in RESOLUTIONS}
    matched = min(RESOLUTIONS, key=lambda r: abs(number[r] - classes))
    return {
        "ari_1.0": ari[1.0],
        "nmi_1.0": nmi[1.0],
        "ari_matched": ari[matched],
        "ari_oracle": max(ari.values()),
        "nmi_oracle": max(nmi.values()),
        "clusters": number[1.0],
    }


if __name__ == "__main__":
    main()
