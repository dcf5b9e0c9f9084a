"""sCT at full size (random weights): CPU seconds, memory, and sequences per second.

One sequence of 50 cells x 19,968 gene positions, 6 % of them expressed, three pads per
cell, through the network of the released configuration. Every case runs in a process of
its own and its second call is quoted: user and system seconds of all threads, and the
largest memory of the whole process. A matrix product of the same minute is timed
beside it, since seconds on a busy machine stretch. With ``--gpu`` sequences per second
on the GPU, and the share of the matrix products that it reaches alone.

Usage: python benchmarks/sct_speed.py [--jobs embed logits some attend]
       [--precision float32 bfloat16] [--cells 50] [--threads 1] [--differ] [--gpu]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.network import SCTNetwork

GENES, POSITIONS = 19_965, 19_968
RELEASED = {
    "num_downsamples": 8,
    "attention_heads": 16,
    "key_size": 64,
    "token_embed_dim": 64,
    "embed_dim": 1024,
    "ffn_embed_dim": 2048,
    "num_layers": 4,
    "positions": POSITIONS,
}
ORIGINAL = {"embed": (47.0, 5.1), "logits": (72.0, 11.2)}
"""CPU seconds and GB of the released program, one float32 sequence of 50 cells."""
JOBS = {
    "embed": "up to the transformer",
    "logits": "scores at every position",
    "some": "scores at 15 % of the positions",
    "attend": "attention between cells, all layers",
}


def make_network(precision: str, device: str) -> SCTNetwork:
    """Return the released network with seeded random weights."""
    import torch

    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.network import SCTNetwork

    torch.manual_seed(0)
    network = SCTNetwork(SCTConfig(**RELEASED)).to(device).eval()  # type: ignore[arg-type]
    network.precision = precision
    return network.requires_grad_(False)


def make_tokens(cells: int, sequences: int = 1) -> np.ndarray:
    """Return (sequences, cells x positions) tokens, 6 % of them a bin."""
    draw = np.random.default_rng(0)
    shape = (sequences, cells, POSITIONS)
    tokens = np.where(draw.random(shape) < 0.06, draw.integers(1, 5, shape), 0)
    tokens[..., GENES:] = 6
    return tokens.reshape(sequences, -1)


def gflop(config: SCTConfig, cells: int, job: str) -> float:
    """Return the products of a pass, 2 per multiply-add, in 10^9."""
    wide, n = config.channels, cells * config.positions
    total = 15 * wide[0] ** 2 * n
    for level in range(config.num_downsamples):
        a, b, at = wide[level], wide[level + 1], n >> level
        total += (5 * a * b + b * b) * at
        if job in ("logits", "some"):
            total += (5 * a * b // 2 + a * a) * at
    tokens, e = n >> config.num_downsamples, config.embed_dim
    inner = config.attention_heads * config.key_size
    layer = 4 * e * inner * tokens + 2 * tokens**2 * inner
    layer += 3 * e * config.ffn_embed_dim * tokens
    total += config.num_layers * layer
    if job == "attend":
        total += config.num_layers * tokens**2 * inner
    asked = {"logits": 1.0, "some": 0.15}.get(job, 0.0)
    total += int(asked * n) * e * (wide[0] + config.alphabet_size)
    return 2 * total / 1e9


def act_of(network: SCTNetwork, tokens: torch.Tensor, job: str) -> Callable[[], object]:
    """Return what a job does."""
    import torch

    layers = tuple(range(network.config.num_layers))
    draw = torch.Generator().manual_seed(0)
    some = torch.randperm(tokens.shape[1], generator=draw)
    some = some[: int(0.15 * len(some))].to(tokens.device)
    return {
        "embed": lambda: network.encode(tokens),
        "logits": lambda: network(tokens),
        "some": lambda: network.logits_at(tokens, some),
        "attend": lambda: network.cell_attention(tokens, layers=layers),
    }[job]


def memory() -> float:
    """Return the largest memory of this process in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def product_rate() -> float:
    """Return GFLOP per CPU second of a float32 matrix product, now."""
    import torch

    a = torch.randn(2048, 2048)
    best = 0.0
    for _ in range(4):
        started = time.process_time()
        _ = a @ a
        best = max(best, 2 * 2048**3 / 1e9 / (time.process_time() - started))
    return best


def run_case(job: str, precision: str, cells: int, threads: int, calls: int) -> None:
    """Measure one case in this process; print the figures as JSON."""
    import torch

    torch.set_num_threads(threads)
    network = make_network(precision, "cpu")
    act = act_of(network, torch.as_tensor(make_tokens(cells)), job)
    figures: list[tuple[float, float]] = []
    for _ in range(calls):
        started, wall = time.process_time(), time.perf_counter()
        act()
        took = time.process_time() - started, time.perf_counter() - wall
        figures.append(took)
    peak, rate = memory(), product_rate()
    cpu, wall = min(figures[1:] or figures)
    done = gflop(network.config, cells, job)
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "rate": rate, "g": done}))


def measure(job: str, precision: str, asked: argparse.Namespace) -> str:
    """Run one case in its own process; return its row of the table."""
    words = [job, precision, str(asked.cells), str(asked.threads), str(asked.calls)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(asked.threads))
    threads["OMP_WAIT_POLICY"] = "PASSIVE"  # a thread that waits is not at work
    command = [sys.executable, __file__, "--one", *words]
    done = subprocess.run(
        command, check=True, env=os.environ | threads, capture_output=True, text=True
    )
    f = json.loads(done.stdout.splitlines()[-1])
    theirs = ORIGINAL.get(job) if asked.cells == 50 else None
    of = f"{theirs[0]:.0f} | {theirs[1]:.1f}" if theirs else "- | -"
    return (
        f"| {JOBS[job]} | {precision} | {of} | {f['cpu']:.1f} | {f['wall']:.1f} "
        f"| {f['peak']:.2f} | {f['g']:.0f} | {f['g'] / f['cpu']:.0f} "
        f"| {f['rate']:.0f} |"
    )


def measure_gpu(cells: int, precisions: list[str], jobs: list[str]) -> None:
    """Print sequences per second on the GPU, and the share of its products' limit."""
    import torch

    if not torch.cuda.is_available():
        print("\nNo GPU here: sequences per second were not measured.")
        return

    def seconds(act: Callable[[], object], calls: int) -> float:
        act()
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(calls):
            act()
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / calls

    print(f"\n{torch.cuda.get_device_name()}, {cells} cells x {POSITIONS} positions")
    print("| job | precision | sequences/s | TFLOP/s | of the products' limit | GB |")
    print("| --- " * 6 + "|")
    tokens = torch.as_tensor(make_tokens(cells), device="cuda")
    for precision in precisions:
        a = torch.randn(8192, 8192, device="cuda", dtype=getattr(torch, precision))
        limit = 2 * 8192**3 / 1e12 / seconds(lambda a=a: a @ a, 20)  # type: ignore[misc]
        network = make_network(precision, "cuda")
        for job in jobs:
            torch.cuda.reset_peak_memory_stats()
            took = seconds(act_of(network, tokens, job), 10)
            rate = gflop(network.config, cells, job) / 1e3 / took
            peak = torch.cuda.max_memory_allocated() / 2**30
            print(
                f"| {JOBS[job]} | {precision} | {1 / took:.1f} | {rate:.0f} "
                f"| {rate / limit:.0%} of {limit:.0f} | {peak:.1f} |",
                flush=True,
            )


def print_difference(cells: int) -> None:
    """Print how far bfloat16 moves scores, bins and embeddings of some cells."""
    import torch

    network, tokens = (
        make_network("float32", "cpu"),
        torch.as_tensor(make_tokens(cells)),
    )
    exact = network(tokens)
    network.precision = "bfloat16"
    near = network(tokens)
    off, bins = (near.logits - exact.logits).abs(), network.config.bins
    same = [out.logits[..., :bins].argmax(-1) for out in (exact, near)]
    vectors = [network.cell_vectors(out.transformer_out) for out in (exact, near)]
    print(
        f"bfloat16 against float32, {cells} cells: scores differ by {off.mean():.3f} "
        f"on average and {off.max():.2f} at most (they spread by "
        f"{exact.logits.std():.2f}); {(same[0] == same[1]).float().mean():.1%} of the "
        "bins are the same; least cosine of an embedding "
        f"{torch.cosine_similarity(*vectors, dim=-1).min():.5f}."
    )


def main() -> None:
    """Print one row per job and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--calls", type=int, default=2, help="the first is left out")
    parser.add_argument("--gpu", action="store_true", help="only the GPU")
    parser.add_argument("--differ", action="store_true", help="only what bf16 changes")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        job, precision, *numbers = asked.one
        run_case(job, precision, *map(int, numbers))
        return
    if asked.differ:
        print_difference(asked.cells)
        return
    if asked.gpu:
        measure_gpu(asked.cells, asked.precision, asked.jobs)
        return
    print(
        "| job | precision | released, CPU s | released, GB | ours, CPU s | wall, s "
        "| GB | GFLOP | GFLOP per CPU s | a plain product's |"
    )
    print("| --- " * 10 + "|")
    for job in asked.jobs:
        for precision in asked.precision:
            print(measure(job, precision, asked), flush=True)


if __name__ == "__main__":
    main()
