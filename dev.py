"""Run napari-scfm from a fresh checkout: ``python dev.py demo`` or ``... test``.

Only Python 3.11 or newer and pip are needed. The first call makes ``.venv``, puts
PyTorch and the project into it, and on a headless Linux machine installs the OpenGL
and Xvfb packages (or prints the line that does). Later calls skip all of that.

``SCFM_TORCH`` replaces the choice of PyTorch, for example
``SCFM_TORCH='torch --index-url https://download.pytorch.org/whl/cu126'``.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")
STAMP = VENV / "scfm-stamp.txt"
CONSTRAINTS = ROOT / "constraints.txt"
TORCH = "2.13.0"

# Shared library -> Debian and Ubuntu package, for Qt, OpenGL in software and numba.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libgomp.so.1": "libgomp1",
}
PROGRAMS = {"Xvfb": "xvfb", "xauth": "xauth"}


def say(text: str) -> None:
    """Print a line at once, marked as ours."""
    print(f"[napari-scfm] {text}", flush=True)


def run(
    *command: object, quiet: bool = False, env: dict[str, str] | None = None
) -> int:
    """Run a command and return its exit status; its output is shown unless quiet."""
    words = [str(word) for word in command]
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        words, cwd=ROOT, stdout=output, stderr=output, env=env, check=False
    ).returncode


def must(*command: object) -> None:
    """Run a command; stop with its exit status when it fails."""
    status = run(*command)
    if status:
        say(f"failed ({status}): {' '.join(str(word) for word in command)}")
        raise SystemExit(status)


def stamp_text() -> str:
    """Return what the environment was made from."""
    parts = [sys.version, os.environ.get("SCFM_TORCH", "")]
    for name in ("pyproject.toml", "napari.yaml", "constraints.txt", "dev.py"):
        path = ROOT / name
        parts.append(path.read_text("utf-8") if path.exists() else "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_environment() -> None:
    """Create ``.venv`` with pip, also where ``ensurepip`` is missing (bare Debian)."""
    if PYTHON.exists() and run(PYTHON, "-m", "pip", "--version", quiet=True) == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    say("making the environment .venv")
    if run(sys.executable, "-m", "venv", VENV, quiet=True) == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    must(sys.executable, "-m", "venv", "--without-pip", VENV)
    must(sys.executable, "-m", "pip", "--python", PYTHON, "install", "-q", "pip")


def has_nvidia_gpu() -> bool:
    """Tell whether an NVIDIA GPU answers."""
    smi = shutil.which("nvidia-smi")
    return bool(smi) and run(smi, "-L", quiet=True) == 0


def torch_choices() -> list[list[str]]:
    """Return pip's arguments for PyTorch, best first.

    Without an NVIDIA GPU a Linux or Windows machine gets a CPU build or nothing:
    the plain Linux wheel would bring gigabytes of CUDA along.
    """
    wish = os.environ.get("SCFM_TORCH")
    if wish:
        return [shlex.split(wish)]
    if sys.platform == "darwin":
        return [[f"torch=={TORCH}"], ["torch>=2.6"]]
    if has_nvidia_gpu():
        if not WINDOWS:
            return [[f"torch=={TORCH}"], ["torch>=2.6"]]
        index = "https://download.pytorch.org/whl/cu130"
        return [[f"torch=={TORCH}", "--index-url", index]]
    index = "https://download.pytorch.org/whl/cpu"
    return [
        [f"torch=={TORCH}+cpu"],
        [f"torch=={TORCH}", "--index-url", index],
        ["torch>=2.6", "--index-url", index],
    ]


def install_torch() -> None:
    """Install PyTorch for this machine, unless it is there."""
    if run(PYTHON, "-c", "import torch", quiet=True) == 0:
        return
    kind = "for the NVIDIA GPU" if has_nvidia_gpu() else "for the CPU"
    say(f"installing PyTorch {kind}")
    for choice in torch_choices():
        command = [PYTHON, "-m", "pip", "install", "--progress-bar", "on", *choice]
        if run(*command) == 0:
            return
        say(f"not to be had as {' '.join(choice)}; trying the next source")
    say("no PyTorch could be installed; set SCFM_TORCH to pip's arguments for yours")
    raise SystemExit(1)


def torch_constraint() -> Path:
    """Write the installed PyTorch as a constraint, so that nothing replaces it."""
    code = "import importlib.metadata as m; print(m.version('torch'))"
    version = subprocess.check_output([str(PYTHON), "-c", code], text=True).strip()
    path = VENV / "torch-constraint.txt"
    path.write_text(f"torch=={version}\n", "utf-8")
    return path


def install_project() -> None:
    """Install the project with its test tools; uv where it works, else pip."""
    say("installing napari-scfm and what it needs")
    torch = torch_constraint()
    have_uv = run(PYTHON, "-m", "pip", "install", "-q", "uv") == 0
    uv = [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON]
    pip = [PYTHON, "-m", "pip", "install"]
    for tool in [uv, pip] if have_uv else [pip]:
        for pins in (["-c", CONSTRAINTS], []):
            if run(*tool, "-c", torch, *pins, "-e", f"{ROOT}[dev]") == 0:
                return
            say("that did not resolve; trying another way")
    say("the project's dependencies could not be installed; see the messages above")
    raise SystemExit(1)


def headless() -> bool:
    """Tell whether this is Linux without a screen."""
    return sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def missing_packages() -> list[str]:
    """Return the system packages that Qt and OpenGL need and this Linux lacks."""
    missing = []
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if headless():
        missing += [name for tool, name in PROGRAMS.items() if not shutil.which(tool)]
        if not any(Path("/usr/lib").glob("*/dri/*_dri.so")):
            missing.append("libgl1-mesa-dri")
    return missing


def install_system_packages() -> None:
    """Install what :func:`missing_packages` lists, or print the line that does."""
    if not sys.platform.startswith("linux"):
        return
    packages = missing_packages()
    if not packages:
        return
    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() or not shutil.which("apt-get"):
        say("Qt and OpenGL need system packages that are missing here. Please run:")
        say(f"  sudo apt-get update && sudo {line}")
        raise SystemExit(1)
    say(f"installing system packages: {' '.join(packages)}")
    run("apt-get", "update", "-qq")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if run(*line.split(), quiet=False, env=env):
        say(f"these packages could not be installed; try: {line}")
        raise SystemExit(1)


def set_up() -> None:
    """Make everything that the demo and the tests need; a second call does nothing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - run by any Python
        say(f"Python 3.11 or newer is needed; this is {platform.python_version()}")
        raise SystemExit(1)
    started = time.monotonic()
    install_system_packages()
    wanted = stamp_text()
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted:
        return
    make_environment()
    install_torch()
    install_project()
    STAMP.write_text(wanted, "utf-8")
    say(f"set-up took {time.monotonic() - started:.0f} s")


def demo(arguments: list[str]) -> int:
    """Open the sample slide with a model and its overlays, and write ``demo/``."""
    command: list[object] = [PYTHON, "-m", "napari_scfm", "demo", "-o", ROOT / "demo"]
    if headless():
        say("no screen: running under Xvfb, pictures go to demo/")
        screen = ["-screen", "0", "1920x1200x24"]
        command = ["xvfb-run", "-a", "-s", " ".join(screen), *command, "--close"]
    return run(*command, *arguments)


def test(arguments: list[str]) -> int:
    """Run the tests; widgets in a real window, under Xvfb where there is no screen."""
    workers = str(min(4, os.cpu_count() or 1))
    return run(PYTHON, "-m", "pytest", "-n", workers, "--dist=worksteal", *arguments)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["demo", "test", "setup"])
    options, rest = parser.parse_known_args()
    set_up()
    if options.command == "setup":
        return 0
    return (demo if options.command == "demo" else test)(rest)


if __name__ == "__main__":
    raise SystemExit(main())
