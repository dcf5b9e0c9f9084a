"""Time the scoring of an experiment against a loop over genes with the libraries.

Usage: python benchmarks/metrics.py [cells] [genes] [share hidden] [models]

The loop is what metrics.md names: for every gene scikit-learn's errors and cosine and
scipy's correlation, for the levels numpy.digitize per cell and scikit-learn's MCC. Both
compute from the same table, mask and predictions in one process; the loop's numbers
must agree. One core: run with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from anndata import AnnData
from scipy import sparse
from scipy.stats import pearsonr
from sklearn.metrics import (
    matthews_corrcoef,
    mean_absolute_error,
    mean_squared_error,
    root_mean_squared_error,
)
from sklearn.metrics.pairwise import cosine_similarity

import napari_scfm as scfm
from napari_scfm.analysis.metrics import score_entries
from napari_scfm.experiments.result import Prediction
from napari_scfm.experiments.scoring import score
from napari_scfm.experiments.tested import hidden_entries

REPEATS = 5


def tissue(cells: int, genes: int, seed: int = 0) -> AnnData:
    """Return Poisson counts, three quarters of them zero."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.3, 1.5, genes) * rng.lognormal(0, 0.5, (cells, 1))
    table = AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.obs["fov"] = "F001"
    table.obsm["spatial"] = rng.uniform(0, 1000, (cells, 2))
    return table


def guesses(truth: np.ndarray, models: int) -> list[Prediction]:
    """Return predictions that know something of the truth."""
    rng = np.random.default_rng(1)
    return [
        Prediction(
            f"model-{number}",
            "model" if number == 0 else "baseline",
            ((truth + rng.gamma(0.5, 1.0, len(truth))) / 2).astype(np.float32),
        )
        for number in range(models)
    ]


def loop(
    counts: np.ndarray, hidden: np.ndarray, guess: np.ndarray
) -> tuple[dict[str, float], float]:
    """Return means over genes, and the MCC of all entries, with the libraries."""
    rows: list[tuple[float, ...]] = []
    for gene in range(counts.shape[1]):
        at = hidden[:, gene]
        y, x = np.log1p(counts[at, gene]), np.log1p(guess[at, gene])
        rows.append(
            (
                mean_squared_error(y, x),
                root_mean_squared_error(y, x),
                mean_absolute_error(y, x),
                pearsonr(y, x).statistic if y.std() else np.nan,
                cosine_similarity([y], [x])[0, 0] if y.any() else np.nan,
            )
        )
    names = ("mse", "rmse", "mae", "pearson", "cosine")
    means = dict(zip(names, np.nanmean(rows, axis=0), strict=True))
    return means, matthews_corrcoef(*levels(counts, hidden, guess))


def levels(
    counts: np.ndarray, hidden: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted levels of all hidden entries, cell by cell."""
    true, predicted = [], []
    for row, at, said in zip(counts, hidden, guess, strict=True):
        log = np.log1p(row.astype(np.float64))
        if not log.any():
            continue
        low, high = log[log > 0].min(), log.max()
        edges = [low / 2, *(low + np.arange(1, 4) * (high - low) / 4)]
        edges = edges if high > low else edges[:1]
        true.append(np.digitize(log[at], edges))
        predicted.append(np.digitize(np.log1p(said[at].astype(np.float64)), edges))
    return np.concatenate(true), np.concatenate(predicted)


def best(run: object, repeats: int = REPEATS) -> float:
    """Return the least CPU seconds of some calls."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        run()  # type: ignore[operator]
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Print seconds of both, and how much faster the one pass is."""
    given = [float(word) for word in sys.argv[1:]]
    cells, genes, share, models = (*given, *(20_000, 1_000, 0.2, 3)[len(given) :])
    table = tissue(int(cells), int(genes))
    mask = scfm.mask_entries(table, share)
    hidden = hidden_entries(table, mask)
    said = guesses(hidden.truth, int(models))
    spec = scfm.ExperimentSpec(model="ridge", mask={"genes": ("0",)})
    entries = f"{len(hidden):,} hidden entries of {int(cells):,} x {int(genes):,}"
    print(f"{entries}, {len(said)} models\n\n| what | CPU s |\n| --- | --- |")
    scoring = best(lambda: score(spec, table, mask, said))
    print(f"| score(): every table of the result | {scoring:.2f} |")

    def metrics() -> None:
        fresh = hidden_entries(table, mask)
        for one in said:
            score_entries(fresh, one.values)

    print(f"| of that, metrics per gene, per cell and in all | {best(metrics):.2f} |")
    counts, where = table.X.toarray(), mask.dense()
    guess = np.zeros(counts.shape, np.float32)
    guess[where] = said[0].values
    started = time.process_time()
    means, mcc = loop(counts, where, guess)
    slow = (time.process_time() - started) * len(said)
    print(f"| loop over genes and cells (one model, times {len(said)}) | {slow:.1f} |")
    print(f"| ratio to score() | {slow / scoring:.0f} |\n")
    ours = score(spec, table, mask, said).summary.iloc[0]
    for name, value in {**means, "mcc_all": mcc}.items():
        print(f"{name}: {ours[name]:.9f}, loop {value:.9f}")


if __name__ == "__main__":
    main()
