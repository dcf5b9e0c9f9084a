"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "napari_scfm").rglob("*.py"))
HEAVY = {"torch", "napari", "qtpy", "pandas", "anndata", "scanpy", "squidpy", "umap"}


def _modules_after(code: str) -> set[str]:
    command = f"{code}; import sys; print(' '.join(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    ).stdout
    return {name.partition(".")[0] for name in printed.split()}


def test_importing_the_package_imports_nothing_heavy():
    assert not _modules_after("import napari_scfm") & (HEAVY | {"numpy", "scipy"})


def test_the_command_line_imports_nothing_heavy():
    assert not _modules_after("import napari_scfm.cli") & (HEAVY | {"numpy", "scipy"})


def test_every_public_name_is_importable():
    import napari_scfm

    for name in napari_scfm.__all__:
        assert getattr(napari_scfm, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_scfm.no_such_name


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_file_keeps_the_rules(path: Path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400, "files stay under 400 lines"
    private = re.findall(
        r"(?:viewer|layer|window)\._[a-z]\w*|_qt_viewer|\.qt_viewer|_qt_window", text
    )
    assert not private, f"private napari access: {private}"
    loaders = re.findall(
        r"pickle\.load|joblib\.load|weights_only=False|allow_pickle=True", text
    )
    assert not loaders, f"runs code from a file: {loaders}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            start = node.body[0].lineno
            if isinstance(node.body[0], ast.Expr) and len(node.body) > 1:
                start = node.body[1].lineno
            length = (node.end_lineno or start) - start + 1
            assert length <= 40, f"{node.name} has {length} lines of body"
