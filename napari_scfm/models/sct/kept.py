"""What is kept between programs: where the user's sCT files lie, which notice was read.

The released weights do not come with this package, so a user says once where they are,
and from then on they are called "sct".
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from napari_scfm.models.files import write_json

NAME: Final = "sct"
"""The released model, once it is known where its files lie."""
VARIABLE: Final = "NAPARI_SCFM_CONFIG"
"""Environment variable: folder to keep this in, instead of the user's own."""
WHERE: Final = (
    "Download jax_params/params.joblib with its config.json, and the two gene maps, "
    "from the hub page InstaDeepAI/sCellTransformer (CC BY-NC-SA 4.0), then say where "
    "they are: napari-scfm sct PATH, or Model > sct in the window."
)

_FILE = "sct.json"


def folder() -> Path:
    """Return the folder in which things are kept."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    from platformdirs import user_config_path

    return user_config_path("napari-scfm", appauthor=False)


def read(name: str) -> dict[str, Any]:
    """Return what a file holds; nothing where it is missing or damaged."""
    try:
        found = json.loads((folder() / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(name: str, values: dict[str, Any]) -> None:
    """Write a file, whole or not at all."""
    folder().mkdir(parents=True, exist_ok=True)
    write_json(folder() / name, values)


def weights() -> Path | None:
    """Return the weights that are called "sct", if they are still there."""
    found = read(_FILE).get("weights")
    path = Path(found) if isinstance(found, str) else None
    return path if path is not None and path.exists() else None


def genes_of(path: Path) -> Path | None:
    """Return the gene table that was named for some weights, if it is still there."""
    tables = read(_FILE).get("genes")
    found = tables.get(str(path.resolve())) if isinstance(tables, dict) else None
    table = Path(found) if isinstance(found, str) else None
    return table if table is not None and table.exists() else None


def keep(path: Path, genes: Path | None = None) -> None:
    """Keep that some weights are "sct", and which table names their genes."""
    held = read(_FILE)
    tables = held.get("genes")
    tables = dict(tables) if isinstance(tables, dict) else {}
    if genes is not None:
        tables[str(path.resolve())] = str(genes.resolve())
    write(_FILE, {"weights": str(path.resolve()), "genes": tables})
