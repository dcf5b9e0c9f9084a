"""Spatial domains against known regions: what one weight of space gives.

For PCA of the counts and for models: Leiden on the graph of domains of a whole slide
at weights from 0 to 1 and at the resolutions that are named; adjusted Rand index with a
column of regions, mean and sd of five seeds. Weight "-" is plain clusters.

Usage: python benchmarks/domains.py SLIDE COLUMN [--model M ...] [--resolution R ...]
       [--not-fov F ...]
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import adjusted_rand_score

import napari_scfm as scfm
from napari_scfm.analysis.embedding import pca
from napari_scfm.experiments.grouping import cell_graph, grouped

if TYPE_CHECKING:
    from anndata import AnnData

WEIGHTS = (None, 0.2, 0.5, 0.8, 1.0)
SEEDS = range(5)


def rows(
    table: AnnData, known: np.ndarray, points: np.ndarray, name: str, args: object
) -> None:
    """Print the rows of one embedding."""
    scored = known & ~table.obs["fov"].isin(args.not_fov).to_numpy()
    truth = table.obs[args.column].astype(str).to_numpy()[scored]
    for weight in WEIGHTS:
        graph = cell_graph(table, points, name, domains=weight)
        for resolution in args.resolution:
            made = [grouped(graph, resolution, seed) for seed in SEEDS]
            score = [adjusted_rand_score(truth, one.labels[scored]) for one in made]
            classes = np.mean([len(one.names) for one in made])
            said = "-" if weight is None else weight
            mean, sd = np.mean(score), np.std(score)
            print(
                f"| {name} | {said} | {resolution} | {classes:.0f} | {mean:.3f} "
                f"({sd:.3f}) |",
                flush=True,
            )


def main() -> None:
    """Read the options, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide")
    parser.add_argument("column")
    parser.add_argument("--model", nargs="*", default=[])
    parser.add_argument("--resolution", nargs="*", type=float, default=[0.4])
    parser.add_argument("--not-fov", nargs="*", default=[], help="not scored")
    args = parser.parse_args()
    table = scfm.read_slide(args.slide).table
    known = table.obs[args.column].notna().to_numpy()
    print("| embedding | weight | resolution | classes | ARI (sd) |")
    print("| --- | --- | --- | --- | --- |")
    rows(table, known, pca(table), "PCA", args)
    for path in args.model:
        model = scfm.load_model(path, "cpu")
        rows(table, known, model.embed(table), model.info.name, args)


if __name__ == "__main__":
    main()
