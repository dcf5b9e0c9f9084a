"""CELLxGENE itself opens what was written, where its command is installed.

python3.10 -m venv cellxgene && cellxgene/bin/pip install cellxgene
PATH=$PATH:$PWD/cellxgene/bin pytest tests/interop
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import anndata as ad
import pytest

COMMAND = shutil.which("cellxgene")
pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="the command cellxgene is not installed"
)
PATIENCE = 120


@contextmanager
def served(path, log):
    """Launch it on a file; yield a function that asks its server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [COMMAND, "launch", path, "--port", str(port), "--disable-annotations"]
    with log.open("w") as said:
        server = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT)

    def ask(what: str, kind: str = "application/json") -> bytes:
        headers = {"Accept": kind, "Accept-Encoding": "gzip"}
        url = f"http://127.0.0.1:{port}/api/v0.2/{what}"
        asked = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()

    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                ask("config")
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.2)
        yield ask
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize(
    ("which", "columns", "layouts"),
    [
        ("by_command", ["pca_cluster", "markers_cell_type"], {"umap", "tissue", "pca"}),
        ("by_window", ["hand"], {"tissue", "mini"}),
    ],
)
def test_it_offers_classes_colours_and_layouts(
    which, columns, layouts, request, tmp_path
):
    path = request.getfixturevalue(which)
    table = ad.read_h5ad(path)
    with served(path, tmp_path / "log") as ask:
        schema, colours = (
            json.loads(_text(ask(what))) for what in ("schema", "colors")
        )
        cells = ask("layout/obs", "application/octet-stream")
    shown = schema["schema"]
    assert {one["name"] for one in shown["layout"]["obs"]} == layouts
    assert shown["dataframe"]["nObs"] == table.n_obs
    assert len(cells) > table.n_obs
    kinds = {one["name"]: one for one in shown["annotations"]["obs"]["columns"]}
    for column in columns:
        names = list(table.obs[column].cat.categories)
        assert kinds[column]["type"] == "categorical"
        assert set(names) <= set(kinds[column]["categories"])
        ours = dict(zip(names, table.uns[f"{column}_colors"], strict=True))
        assert {name: colours[column][name] for name in names} == ours


def _text(answer: bytes) -> bytes:
    """Return an answer, unpacked where it was packed."""
    import gzip

    return gzip.decompress(answer) if answer[:2] == b"\x1f\x8b" else answer
