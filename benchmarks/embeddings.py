"""What every embedding knows of cell types in sections that it has never seen.

Run: python benchmarks/embeddings.py [merfish-155] [types] [--seeds 0 1 2 3 4]
     [--objectives masked supcon annotate] [--models FOLDER ...]

Each section (FOV) in turn is held out, and networks are trained on all others by
"masked", "supcon" and "annotate"; labels of the held-out section are read only to
score. "PCA" and "cellplm-mini" (as it ships) stand beside. Two questions:

* clusters: Leiden in the held-out section alone, at resolution 1 ("fixed"), at the one
  whose number of clusters is nearest to that of the labels elsewhere ("matched"), and
  at the one that suits the labels best ("oracle": it looks at the truth, as published
  tables do), over several seeds;
* types: the labels of the 5 nearest cells of the other sections.

One row per embedding: means over sections, SD over the seeds of Leiden.
"""

from __future__ import annotations

import argparse
import time
import warnings
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sections import RESOLUTIONS, principal, trained
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.celltypes.agreement import agreement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

EPOCHS = {"merfish-155": 10, "types": 40}
OBJECTIVES = ("masked", "supcon", "annotate")
LABELS = keys.CELL_TYPE
NEAREST = 5
SHOWN = [
    *("macro_f1", "macro_f1_shared", "accuracy", "balanced_accuracy"),
    *("ari_fixed", "sd", "nmi_fixed", "ari_matched", "ari_oracle", "nmi_oracle"),
    *("clusters", "seconds"),
]


def main() -> None:
    """Print one table per slide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slides", nargs="*", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--fov", nargs="*", help="sections to hold out; all if none")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--objectives", nargs="*", default=list(OBJECTIVES))
    parser.add_argument("--models", nargs="*", default=[], help="further models")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in asked.slides:
        table = slide(name)
        table.X = np.rint(table.X.toarray()) if name == "types" else table.X
        sections = asked.fov or list(dict.fromkeys(table.obs[keys.FOV]))
        print(f"\n{date.today()}, {name}: {len(sections)} held out, one at a time")
        rows = []
        for held in sections:
            tested = (table.obs[keys.FOV] == held).to_numpy()
            found = pd.DataFrame(one_section(table, tested, name, asked))
            print(f"\n{held} ({tested.sum()} cells)")
            print(found.set_index("embedding")[SHOWN].round(3).to_string(), flush=True)
            rows.append(found)
        groups = pd.concat(rows).groupby("embedding", sort=False)
        print(f"\n{name}: means over {len(sections)} sections")
        print(groups[SHOWN].mean().round(3).to_string(), flush=True)


def one_section(
    table: AnnData, tested: np.ndarray, name: str, asked: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """Yield one row per embedding, for one held-out section."""
    truth = table.obs[LABELS].astype(str).to_numpy()
    yield {"embedding": "majority class"} | majority(truth, tested)
    for embedding, z, seconds in embeddings(table, tested, name, asked):
        said = KNeighborsClassifier(NEAREST).fit(z[~tested], truth[~tested])
        yield {
            "embedding": embedding,
            "seconds": seconds,
            **told(truth, tested, said.predict(z[tested])),
            **leiden(z[tested], truth[tested], len(set(truth[~tested])), asked.seeds),
        }


def embeddings(
    table: AnnData, tested: np.ndarray, name: str, asked: argparse.Namespace
) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yield name, (cells, d) embedding and CPU seconds."""
    start = time.process_time()
    components = principal(table)[1]
    yield "PCA", components, time.process_time() - start
    for path in ("cellplm-mini", *asked.models):
        start = time.process_time()
        z = scfm.load_model(path, "cpu").embed(table)
        yield Path(path).name, unit(z), time.process_time() - start
    training = table[~tested].copy()
    for objective in asked.objectives:
        start = time.process_time()
        model = trained(training, objective, LABELS, 0, EPOCHS[name])
        z = model.embed(table)
        yield objective, unit(z), time.process_time() - start


def unit(z: np.ndarray) -> np.ndarray:
    """Return rows of length 1: angles tell cells apart, lengths their depth."""
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def told(truth: np.ndarray, tested: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Return what the told types of the held-out section score."""
    found = agreement(truth[tested], said, set(truth[~tested]))
    return found.summary.loc["told"].to_dict()


def majority(truth: np.ndarray, tested: np.ndarray) -> dict[str, float]:
    """Return what the most common type of the other sections scores."""
    names, counts = np.unique(truth[~tested], return_counts=True)
    said = np.full(int(tested.sum()), names[counts.argmax()], dtype=object)
    return told(truth, tested, said)


def leiden(
    z: np.ndarray, truth: np.ndarray, classes: int, seeds: list[int]
) -> dict[str, float]:
    """Return ARI and NMI at the fixed, the matched and the oracle resolution."""
    rows = []
    for seed in seeds:
        found = {r: scfm.cluster(z, resolution=r, seed=seed) for r in RESOLUTIONS}
        ari = {r: adjusted_rand_score(truth, found[r]) for r in RESOLUTIONS}
        nmi = {r: normalized_mutual_info_score(truth, found[r]) for r in RESOLUTIONS}
        number = {r: len(np.unique(found[r])) for r in RESOLUTIONS}
        matched = min(RESOLUTIONS, key=lambda r: abs(number[r] - classes))
        rows.append(
            {
                "ari_fixed": ari[1.0],
                "nmi_fixed": nmi[1.0],
                "ari_matched": ari[matched],
                "ari_oracle": max(ari.values()),
                "nmi_oracle": max(nmi.values()),
                "clusters": number[1.0],
            }
        )
    frame = pd.DataFrame(rows)
    return frame.mean().to_dict() | {"sd": float(frame["ari_fixed"].std(ddof=0))}


if __name__ == "__main__":
    main()
