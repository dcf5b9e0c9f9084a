"""Time ``import napari_scfm`` and ``napari-scfm --help``; show what they import.

Usage: python benchmarks/imports.py [runs]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import napari_scfm": [sys.executable, "-c", "import napari_scfm"],
    "napari-scfm --help": [sys.executable, "-m", "napari_scfm", "--help"],
}


def seconds(command: list[str], runs: int) -> list[float]:
    """Return wall seconds of whole processes, after one warm-up."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return times[1:]


def slowest_imports(command: list[str], most: int = 8) -> list[tuple[float, str]]:
    """Return the modules with the largest cumulative import time, in seconds."""
    profile = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    rows = re.findall(r"import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)", profile)
    top = [(int(us) / 1e6, name) for us, _, name in rows]
    return sorted(top, reverse=True)[:most]


def main() -> None:
    """Print a table of medians, then each import profile."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| what | median s | min s | max s |")
    print("| --- | --- | --- | --- |")
    for name, command in COMMANDS.items():
        times = seconds(command, runs)
        middle = statistics.median(times)
        print(f"| {name} | {middle:.3f} | {min(times):.3f} | {max(times):.3f} |")
    for name, command in list(COMMANDS.items())[1:]:
        print(f"\n{name}, slowest imports (cumulative seconds):")
        for cumulative, module in slowest_imports(command):
            print(f"  {cumulative:.3f}  {module}")


if __name__ == "__main__":
    main()
