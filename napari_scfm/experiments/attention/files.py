"""Attention as data: streams as GeoJSON and npz, vectors and weights in a table.

What is written says in words what it is: um with y down, from key to query, residual
after cell-type layout. Files appear whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.analysis.streams.streamlines import Lines
    from napari_scfm.models.attention import Attention

TITLE: Final = "model attention"
CAVEAT: Final = (
    "Model attention, from key to query; the residual after geometry and cell-type "
    "layout. It is not evidence of communication."
)
RAW: Final = (
    "Model attention as it is, from key to query: mostly geometry. It is not evidence "
    "of communication."
)
SUFFIXES: Final = (".geojson", ".npz")


@dataclass(frozen=True, eq=False)
class FovStreams:
    """Streamlines of one field of view, with what they were drawn from.

    Attributes
    ----------
    fov
        Its name.
    lines
        From :func:`~napari_scfm.analysis.streams.streamlines.draw_streams`.
    field
        The field that they follow.
    kinds
        Names of the sender kinds.
    raw
        Whether they follow the raw field, which is not what was tested.
    """

    fov: str
    lines: Lines
    field: AttentionField
    kinds: Sequence[str] = ()
    raw: bool = False
    p_values: list[np.ndarray] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        found = [self._p_along(line) for line in self.lines.lines]
        object.__setattr__(self, "p_values", found)

    def _p_along(self, line: np.ndarray) -> np.ndarray:
        """Return (m,) family-wise p of the node nearest to each point."""
        made = self.field
        if self.raw or made.grid_p.size == 0:
            return np.full(len(line), np.nan)
        at = [
            np.abs(nodes[:, None] - line[:, axis]).argmin(axis=0)
            for axis, nodes in enumerate((made.grid_x, made.grid_y))
        ]
        return np.asarray(made.grid_p[at[1], at[0]])

    def sender(self, line: int) -> str | None:
        """Return the kind that sends most along a line; None for none."""
        codes = self.lines.sender[line] if self.lines.sender else np.zeros(0, int)
        codes = codes[codes >= 0]
        return self.kinds[int(np.bincount(codes).argmax())] if len(codes) else None


def save_streams(
    streams: Sequence[FovStreams],
    path: str | Path,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write streamlines as GeoJSON or npz; the file appears only when it is complete.

    Parameters
    ----------
    streams
        One per field of view.
    path
        ``.geojson``: one LineString per streamline, (x, y) in um, y down, with its
        FOV, mean strength, median p-value, share that beats chance and sender kind,
        and strength and p-value of every point. ``.npz``: ``points`` (N, 2), ``first``
        (lines + 1,) first point of each line and the end, ``strength``, ``p_value``,
        ``beats_chance``, ``sender`` (N,), ``fov`` (lines,) position in ``fovs``,
        ``kinds``, and ``about`` as JSON; read without pickle.
    about
        How they were made, plain values.

    Raises
    ------
    ScfmError
        If the name ends in neither, or nothing can be written there.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ScfmError(
            f"{path} is no file of streams.", f"Let it end in {' or '.join(SUFFIXES)}."
        )
    head = _head(streams, about)
    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            np.savez_compressed(temporary, **_arrays(streams, head))
        else:
            text = json.dumps(_geojson(streams, head), allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    return path


def plain(value: Any) -> Any:
    """Return a value as JSON holds it; NaN becomes None."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def _head(
    streams: Sequence[FovStreams], about: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "what": TITLE,
        "caveat": RAW if any(one.raw for one in streams) else CAVEAT,
        "unit": "um",
        "axes": "x to the right, y down",
        "frame": "that of obsm['spatial']: of one field of view its top-left pixel, of "
        "several the slide's",
        "orientation": "from key to query",
        "strength": "0 to 1; 1 is what one node of the grid in twenty exceeds",
        "p_value": "of the nearest node of the grid, family-wise over all nodes",
        "fields": [field_row(one.fov, one.field) for one in streams],
        "about": dict(about or {}),
    }


def _geojson(streams: Sequence[FovStreams], head: dict[str, Any]) -> dict[str, Any]:
    features = [
        _feature(one, number)
        for one in streams
        for number in range(len(one.lines.lines))
    ]
    whole = {"type": "FeatureCollection", "name": TITLE, **head, "features": features}
    return {name: plain(value) for name, value in whole.items()}


def _feature(one: FovStreams, number: int) -> dict[str, Any]:
    line, p = one.lines.lines[number], one.p_values[number]
    strength, beats = one.lines.strength[number], one.lines.beats[number]
    known = p[np.isfinite(p)]
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": np.round(line, 3).tolist()},
        "properties": {
            "fov": one.fov,
            "line": number,
            "direction": str(one.field.direction),
            "strength": round(float(strength.mean()), 4),
            "p_value": round(float(np.median(known)), 4) if len(known) else None,
            "beats_chance": round(float(np.mean(beats)), 4),
            "sender": one.sender(number),
            "strength_along": np.round(strength, 4).tolist(),
            "p_value_along": np.round(p, 4).tolist(),
        },
    }


def _arrays(streams: Sequence[FovStreams], head: dict[str, Any]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(name for one in streams for name in one.kinds))
    lines, fov, senders = [], [], []
    for number, one in enumerate(streams):
        lines += one.lines.lines
        fov += [number] * len(one.lines.lines)
        place = np.array([*(kinds.index(name) for name in one.kinds), -1])
        senders += [place[codes] for codes in one.lines.sender]
    lengths = [len(line) for line in lines]
    return {
        "points": np.concatenate([np.zeros((0, 2)), *lines]),
        "first": np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        "strength": _joined([s for one in streams for s in one.lines.strength]),
        "p_value": _joined([p for one in streams for p in one.p_values]),
        "beats_chance": _joined([b for o in streams for b in o.lines.beats], bool),
        "sender": _joined(senders, np.int64),
        "fov": np.array(fov, dtype=np.int64),
        "fovs": np.array([one.fov for one in streams], dtype=str),
        "kinds": np.array(kinds, dtype=str),
        "about": np.array(json.dumps(plain(head), allow_nan=False)),
    }


def _joined(parts: Sequence[np.ndarray], kind: type = np.float64) -> np.ndarray:
    return np.concatenate([np.zeros(0), *parts]).astype(kind)


def field_row(fov: str, made: AttentionField) -> dict[str, Any]:
    """Return what a table of fields says of one: shares, p-value, regime, null."""
    partners = np.nan if made.partners is None else float(np.mean(made.partners))
    return {
        "fov": fov,
        "direction": str(made.direction),
        "cells": len(made.vectors),
        **{name: float(share) for name, share in made.shares._asdict().items()},
        "p_value": float(made.p_value),
        "permutations": int(made.permutations),
        "null": made.null,
        "regime": made.regime,
        "partners": partners,
        "smoothing_um": float(made.smoothing_um),
    }


def store_attention(
    table: AnnData,
    name: str,
    attention: Attention | None,
    fields: Mapping[str, AttentionField],
    k: int = 10,
    *,
    kinds: np.ndarray | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write residual vectors, strongest weights and tables into a table of one FOV.

    Parameters
    ----------
    table
        Its cells; ``obsm`` and where given ``obsp``, ``obs`` and ``uns`` are written,
        under the names of :mod:`napari_scfm.keys`.
    name
        Of the model.
    attention
        (n, n); None where it is not known any more.
    fields
        By direction, "received" and "sent".
    k
        Strongest weights kept per cell.
    kinds
        (n,) name of each cell's kind.
    about
        Goes into ``uns``: plain values and data frames.
    """
    for direction, made in fields.items():
        table.obsm[keys.flow(name, direction)] = made.residual.astype(np.float32)
    if attention is not None:
        table.obsp[keys.attention(name)] = attention.top_k(k).tocsr()
    if kinds is not None:
        import pandas as pd

        table.obs[keys.kind(name)] = pd.Categorical(np.asarray(kinds).astype(str))
    table.uns[keys.UNS] = {
        name: value if not hasattr(value, "columns") else _writable(value)
        for name, value in (about or {}).items()
    }


def _writable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame whose columns an .h5ad file can hold."""
    mixed = [str(name) for name in rows if rows[name].dtype == object]
    texts = {name: rows[name].fillna("").astype(str) for name in mixed}
    return rows.assign(**texts)


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write tables as ``<name>.csv``; each appears only when it is complete."""
    written = []
    for name, rows in tables.items():
        written.append(folder / f"{name}.csv")
        with atomic_path(written[-1]) as temporary:
            rows.to_csv(temporary, index=False)
    return written
