"""What every embedding knows of cell types in sections that it has never seen.

Run: python benchmarks/embeddings.py [merfish-155] [types] [--seeds 0 1 2 3 4]
     [--objectives masked supcon annotate] [--models FOLDER ...]

Each section (FOV) in turn is held out, and networks are trained on all others by
"masked", "supcon" and "annotate" as in sections.py; labels of the held-out section are
read only to score. "PCA" and "cellplm-mini" (as it ships) stand beside. Questions:

* clusters: Leiden in the held-out section alone, at resolution 1 ("fixed"), at the one
  whose number of clusters is nearest to that of the labels elsewhere ("matched"), and
  at the one that suits the labels best ("oracle": it looks at the truth, as published
  tables do), over several seeds;
* types: the labels of the 5 nearest cells of the other sections;
* "told by": what `annotate` says of the held-out section, by the trained head, by the
  other sections as a reference, and by marker lists, the 10 genes of each type that
  stand out most in the other sections.

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
from sections import leiden, principal, trained
from sklearn.neighbors import KNeighborsClassifier
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.celltypes.agreement import agreement
from napari_scfm.analysis.celltypes.lognormal import QUIET, log_normalised
from napari_scfm.analysis.clusters import neighbour_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from napari_scfm.models.base import CellModel

EPOCHS = {"merfish-155": 10, "types": 40}
OBJECTIVES = ("masked", "supcon", "annotate")
LABELS = keys.CELL_TYPE
NEAREST = 5
MARKERS = 10
LEAST = 5
"""Cells of a type in the other sections from which it gets a marker list."""
SHOWN = [
    *("macro_f1", "macro_f1_shared", "accuracy", "balanced_accuracy"),
    *("ari_1.0", "sd", "nmi_1.0", "ari_matched", "ari_oracle", "nmi_oracle"),
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
    """Yield one row per embedding and per way to annotate one held-out section."""
    truth = table.obs[LABELS].astype(str).to_numpy()
    yield {"embedding": "majority class"} | majority(truth, tested)
    models: dict[str, CellModel] = {}
    for embedding, z, seconds in embeddings(table, tested, name, asked, models):
        said = KNeighborsClassifier(NEAREST).fit(z[~tested], truth[~tested])
        yield {
            "embedding": embedding,
            "seconds": seconds,
            **told(truth, tested, said.predict(z[tested])),
            **clusters(z[tested], truth[tested], len(set(truth[~tested])), asked.seeds),
        }
    cells, others = table[tested].copy(), table[~tested].copy()
    ways = {
        "told by reference": {"by": "reference", "reference": others},
        "told by markers": {"by": "markers", "markers": markers(others)},
    }
    if "annotate" in models:
        ways["told by head"] = {"by": "head", "model": models["annotate"]}
    for way, how in ways.items():
        start = time.process_time()
        labels = scfm.annotate(cells, **how).labels
        row = {"embedding": way} | told(truth, tested, np.asarray(labels))
        yield row | {"seconds": time.process_time() - start}


def embeddings(
    table: AnnData,
    tested: np.ndarray,
    name: str,
    asked: argparse.Namespace,
    models: dict[str, CellModel],
) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yield name, (cells, d) embedding and CPU seconds; keep the trained models."""
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
        models[objective] = trained(training, objective, LABELS, 0, EPOCHS[name])
        z = models[objective].embed(table)
        yield objective, unit(z), time.process_time() - start


def markers(others: AnnData) -> dict[str, list[str]]:
    """Return the genes of each type that stand out most in the other sections."""
    values = log_normalised(others.X).toarray()
    spread = values.std(0) + QUIET
    truth = others.obs[LABELS].astype(str).to_numpy()
    found = {}
    for kind in np.unique(truth):
        inside = truth == kind
        if inside.sum() >= LEAST:
            step = values[inside].mean(0) - values[~inside].mean(0)
            best = np.argsort(-step / spread)[:MARKERS]
            found[kind] = list(others.var_names[best])
    return found


def unit(z: np.ndarray) -> np.ndarray:
    """Return rows of length 1: angles tell cells apart, lengths their depth."""
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def told(truth: np.ndarray, tested: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Return what the told types of the held-out section score."""
    return agreement(truth[tested], said, set(truth[~tested])).scores


def majority(truth: np.ndarray, tested: np.ndarray) -> dict[str, float]:
    """Return what the most common type of the other sections scores."""
    names, counts = np.unique(truth[~tested], return_counts=True)
    said = np.full(int(tested.sum()), names[counts.argmax()], dtype=object)
    return told(truth, tested, said)


def clusters(
    z: np.ndarray, truth: np.ndarray, classes: int, seeds: list[int]
) -> dict[str, float]:
    """Return ARI and NMI of Leiden, means over seeds, and the SD of the fixed ARI."""
    graph = neighbour_graph(z)
    frame = pd.DataFrame([leiden(graph, truth, classes, seed) for seed in seeds])
    return frame.mean().to_dict() | {"sd": float(frame["ari_1.0"].std(ddof=0))}


if __name__ == "__main__":
    main()
