"""CellPLM at full size (random weights): CPU seconds on one thread, and memory.

Every case runs in a process of its own: build the network of the released
configuration, call it three times, take the best ``time.process_time`` and the
largest memory above the loaded model. The original's figures are those of its own
pipelines on the same kind of machine, measured in the same way. bfloat16 is compared
with float32 on the same table.

Usage: python benchmarks/cellplm_speed.py [--cases 2000x1000 ...]
       [--precision float32 bfloat16] [--runs 3] [--hide 2000x1000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from napari_scfm.models.cellplm.model import CellPLM

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GENES = 19_374
RELEASED = {
    "enc_mod": "flowformer",
    "enc_hid": 1024,
    "enc_layers": 4,
    "latent_mod": "vae",
    "post_latent_dim": 512,
    "dec_mod": "nbmlp",
    "dec_hid": 1024,
    "dec_layers": 2,
    "norm": "groupnorm",
    "model_dropout": 0.2,
    "out_dim": GENES,
    "batch_num": 12_596,
    "dataset_num": 484,
}
ORIGINAL = {
    "embed": {
        "500x500": (0.43, 0.1),
        "500x1000": (0.46, 0.1),
        "2000x500": (1.73, 0.2),
        "2000x1000": (1.78, 0.2),
        "8000x500": (7.42, 0.7),
        "8000x1000": (7.41, 0.9),
    },
    "impute": {
        "500x500": (0.68, 0.3),
        "500x1000": (0.72, 0.3),
        "2000x500": (2.49, 0.8),
        "2000x1000": (2.77, 0.9),
        "8000x500": (11.6, 3.1),
        "8000x1000": (11.1, 3.1),
    },
}
"""CPU seconds on one thread and GB above the loaded model, of the original, in the
session in which it was first measured."""
AGAIN = {
    "embed": {
        "500x500": 0.36,
        "500x1000": 0.37,
        "2000x500": 1.38,
        "2000x1000": 1.42,
        "8000x500": 5.65,
        "8000x1000": 5.91,
    },
    "impute": {
        "500x500": 0.52,
        "500x1000": 0.53,
        "2000x500": 2.00,
        "2000x1000": 2.01,
        "8000x500": 10.06,
        "8000x1000": 10.87,
    },
}
"""The original (cellplm 0.1.0.post2) once more, on the tables of this script and the
machine of the printed results, which is faster."""


def make_table(cells: int, genes: int) -> AnnData:
    """Return one bag of random counts, 20 % of them not zero, with coordinates."""
    import anndata
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(0)
    filled = max(1, genes // 5)
    columns = np.argsort(rng.random((min(cells, 2000), genes)), axis=1)[:, :filled]
    columns = np.sort(columns, axis=1)[rng.integers(len(columns), size=cells)]
    counts = sparse.csr_matrix(
        (
            rng.integers(1, 6, columns.size).astype("f4"),
            columns.ravel().astype("i4"),
            np.arange(cells + 1) * filled,
        ),
        shape=(cells, genes),
    )
    names = [f"G{i:05d}" for i in np.sort(rng.permutation(GENES)[:genes])]
    table = anndata.AnnData(
        counts,
        obs=pd.DataFrame(index=[f"c{i}" for i in range(cells)]),
        var=pd.DataFrame(index=names),
    )
    table.obsm["spatial"] = rng.uniform(0, 500, (cells, 2))
    return table


def make_model(precision: str) -> CellPLM:
    """Return the released network with seeded random weights."""
    import torch

    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.info import model_info
    from napari_scfm.models.cellplm.model import CellPLM
    from napari_scfm.models.cellplm.network import CellPLMNetwork

    torch.set_num_threads(1)
    torch.manual_seed(0)
    genes = [f"G{i:05d}" for i in range(GENES)]
    config = CellPLMConfig.from_dict(RELEASED | {"gene_list": genes}, "released")
    network = CellPLMNetwork(config).eval().requires_grad_(False)
    size = sum(p.numel() for p in network.parameters())
    info = model_info(config, None, "random", size)
    more = {} if precision == "float32" else {"precision": precision}
    return CellPLM(network, info, device="cpu", **more)


def memory(field: str) -> float:
    """Return a field of this process's memory in GB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 2**20
    return float("nan")


def best(
    act: Callable[[AnnData], Any], runs: int, table: AnnData
) -> tuple[float, float, Any]:
    """Return (CPU seconds, GB above the start, what the act returned).

    Every run gets its own copy of the table, so that nothing kept for another
    table can help it.
    """
    seconds, peaks, out = [], [], None
    before = memory("VmRSS")
    for _ in range(runs):
        out, given = None, table.copy()
        Path("/proc/self/clear_refs").write_text("5")
        started = time.process_time()
        out = act(given)
        seconds.append(time.process_time() - started)
        peaks.append(memory("VmHWM") - before)
    return min(seconds), max(peaks), out


def run_case(case: str, task: str, precision: str, runs: int, out: Path) -> None:
    """Measure one case in this process; write figures and result."""
    cells, genes = map(int, case.split("x"))
    model = make_model(precision)
    table = make_table(cells, genes)

    def act(given: AnnData) -> np.ndarray:
        if task == "embed":
            return model.embed(given)
        return model.impute(given, list(given.var_names))

    seconds, peak, result = best(act, runs, table)
    np.save(out.with_suffix(".npy"), result)
    figures = {"seconds": seconds, "peak": peak, "whole": memory("VmHWM")}
    out.write_text(json.dumps(figures))


def measure_hiding(case: str, hidden: int = 20) -> None:
    """Print what hiding some genes costs: summed anew, and from what is kept."""
    import torch

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.cellplm.reading import TableReading
    from napari_scfm.models.cellplm.sums import GeneSums

    cells, genes = map(int, case.split("x"))
    model, table = make_model("float32"), make_table(cells, genes)
    weight = model.network.embedder.feat_enc.emb
    masks = [None]
    for start in (0, hidden, 2 * hidden):
        matrix = np.zeros(table.shape, dtype=bool)
        matrix[:, start : start + hidden] = True
        masks.append(Mask(matrix, table.obs_names, table.var_names))

    def sums(of: GeneSums, mask: Mask | None) -> tuple[float, np.ndarray]:
        reading = TableReading(table, mask, model.config, "random")
        bag = next(iter(reading))
        started = time.process_time()
        found = of.of(table, bag, reading.rows, weight, 1024)
        return time.process_time() - started, found.numpy()

    kept, times, off = GeneSums(), [], 0.0
    with torch.inference_mode():
        sums(kept, None)
        for mask in masks[1:]:
            anew, whole = sums(GeneSums(0), mask)
            again, part = sums(kept, mask)
            times.append((anew, again))
            off = max(off, float(np.abs(whole - part).max()))
    anew, again = np.min(times, axis=0) * 1e3
    print(
        f"\nHiding {hidden} genes of {case}: sums of gene embeddings anew {anew:.0f} "
        f"ms, from what is kept {again:.0f} ms; largest difference {off:.1e}."
    )


def error(made: np.ndarray, exact: np.ndarray) -> str:
    """Return RMS difference over RMS, largest difference, smallest cosine of a row."""
    off = made.astype("f8") - exact
    rms = np.sqrt(np.mean(off**2) / np.mean(exact.astype("f8") ** 2))
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(exact, axis=1)
    cosine = float(np.min((made * exact).sum(axis=1) / np.maximum(lengths, 1e-30)))
    return f"{rms:.1e}, {np.abs(off).max():.1e}, {cosine:.6f}"


def measure(case: str, task: str, precision: str, runs: int, folder: Path) -> str:
    """Run one case in its own process; return its row of the table."""
    out = folder / f"{case}-{task}-{precision}.json"
    words = [case, task, precision, str(runs), str(out)]
    single = dict.fromkeys(THREADS, "1")
    command = [sys.executable, __file__, "--one", *words]
    subprocess.run(command, check=True, env=os.environ | single)
    figures = json.loads(out.read_text())
    theirs, their_peak = ORIGINAL[task].get(case, (float("nan"), float("nan")))
    again = AGAIN[task].get(case, float("nan"))
    ours = figures["seconds"]
    exact = folder / f"{case}-{task}-float32.npy"
    off = "-"
    if precision != "float32" and exact.exists():
        off = error(np.load(out.with_suffix(".npy")), np.load(exact))
    return (
        f"| {case} | {task} | {precision} | {theirs:.2f} | {again:.2f} "
        f"| {ours:.2f} | {ours / theirs:.2f} | {ours / again:.2f} | {their_peak:.1f} "
        f"| {figures['peak']:.2f} | {figures['whole']:.2f} | {off} |"
    )


def main() -> None:
    """Print one row per case, task and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(ORIGINAL["embed"]))
    parser.add_argument("--tasks", nargs="+", default=["embed", "impute"])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hide", default="", metavar="CASE", help="also time hiding")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        case, task, precision, runs, out = asked.one
        run_case(case, task, precision, int(runs), Path(out))
        return
    print(
        "| cells x genes | call | precision | original, CPU s | again "
        "| ours, CPU s | ratio | to again | original, GB | ours, GB | whole, GB "
        "| RMS, largest error, least cosine |"
    )
    print("| --- " * 12 + "|")
    with tempfile.TemporaryDirectory() as name:
        for case in asked.cases:
            for task in asked.tasks:
                for precision in asked.precision:
                    row = measure(case, task, precision, asked.runs, Path(name))
                    print(row, flush=True)
    if asked.hide:
        measure_hiding(asked.hide)


if __name__ == "__main__":
    main()
