"""Streams in a session: their fields in a part, how they are drawn in the file.

Decides: lines are not kept, they are drawn again from the field, which gives the same
ones; so a slider that moved changes the file and not the part. The attention itself is
not kept either: it is the model's to say, and as large as the model makes it.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import counted
from napari_scfm.viewer.session import Stream
from napari_scfm.viewer.sessions import parts
from napari_scfm.viewer.sessions.file import SessionError, StreamRecord

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.slides.slide import Slide

_ALWAYS = ("vectors", "residual", "shares", "grid_x", "grid_y", "grid_u", "grid_v")
"""What a field cannot do without; older sessions hold no more than they knew."""

_NOT_KEPT = ("covariance",)
_SETS = ("whole", "fields")


def write_stream(folder: Path, made: Stream) -> str:
    """Write the fields of a stream and what belongs to its cells, once."""
    arrays: dict[str, Any] = {"codes": made.codes, "palette": made.palette}
    for name in _SETS if made.pair is not None else ("whole",):
        for direction, field in (getattr(made, name) or _alone(made)).items():
            arrays |= _as_arrays(field, f"{name}_{direction}_")
    for direction, excess in made.senders.items():
        arrays[f"senders_{direction}"] = excess
    if made.table is not None:
        names = made.table.columns.difference(["receiver", "sender"])
        arrays |= {f"table_{name}": made.table[name].to_numpy() for name in names}
    return parts.write_arrays(folder, "stream", _kept_by(made), arrays)


def _alone(made: Stream) -> dict[str, AttentionField]:
    return {str(made.field.direction): made.field}


def _kept_by(made: Stream) -> Any:
    """Return what lives as long as the part says the same, however it is drawn."""
    return next(iter(made.fields.values()), made.field)


def _as_arrays(field: AttentionField, prefix: str) -> dict[str, np.ndarray]:
    given = {one.name: getattr(field, one.name) for one in fields(field)}
    return {
        prefix + name: np.asarray(value)
        for name, value in given.items()
        if value is not None and name not in _NOT_KEPT
    }


def written(part: str, made: Stream, about: dict[str, Any]) -> dict[str, Any]:
    """Return what the file says of a stream, beside :class:`StreamRecord`'s part."""
    checks = None if made.checks is None else made.checks.to_dict("records")
    return {
        "part": part,
        "fov": made.fov,
        "model": made.model,
        "about": about,
        "direction": str(made.field.direction),
        "look": asdict(made.look),
        "options": {} if made.options is None else asdict(made.options),
        "kinds": made.kinds,
        "pair": made.pair,
        "checks": checks,
    }


def read_stream(record: StreamRecord, slide: Slide, path: Path) -> Stream:
    """Return a stream as it was drawn.

    Raises
    ------
    SessionError
        If the part is missing or damaged, or of other cells.
    """
    from napari_scfm.viewer.attention.compute import relooked

    arrays = parts.read_arrays(path)
    try:
        made = _stream(record, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SessionError(f"{path} is damaged.") from error
    cells = slide.fov(record.fov).table.n_obs
    if len(made.field.vectors) != cells:
        raise SessionError(
            f"It is of {counted(len(made.field.vectors), 'cell')}, {record.fov} has "
            f"{cells}."
        )
    parts.remember(_kept_by(made), path.name)
    return replace(relooked(made, made.look), checks=_checks(record))


def _stream(record: StreamRecord, arrays: dict[str, np.ndarray]) -> Stream:
    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.experiments.attention.asked import FieldOptions

    sets = {name: _fields(arrays, f"{name}_") for name in _SETS}
    whole = sets["whole"] or _older(arrays)
    shown = sets["fields"] or whole
    field = shown.get(record.direction) or next(iter(shown.values()))
    none = np.zeros(0, dtype=np.int64)
    senders = [name for name in arrays if name.startswith("senders_")]
    return Stream(
        record.fov,
        record.model,
        field,
        about=dict(record.about),
        kinds=record.kinds,
        palette=arrays.get("palette", np.zeros((0, 4))),
        codes=arrays.get("codes", none),
        look=StreamLook(**record.look),
        fields=shown,
        whole=whole,
        pair=record.pair,
        table=_table(arrays, record.kinds),
        options=FieldOptions(**record.options),
        xy=field.xy,
        senders={name.removeprefix("senders_"): arrays[name] for name in senders},
    )


def _fields(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, AttentionField]:
    names = [name for name in arrays if name.startswith(prefix)]
    directions = sorted({name.removeprefix(prefix).split("_")[0] for name in names})
    return {one: _field(arrays, f"{prefix}{one}_") for one in directions}


def _field(arrays: dict[str, np.ndarray], prefix: str) -> AttentionField:
    from napari_scfm.analysis.attention.attention_field import AttentionField, Shares

    given: dict[str, Any] = {
        one.name: _plain(arrays[prefix + one.name])
        for one in fields(AttentionField)
        if prefix + one.name in arrays or one.name in _ALWAYS
    }
    given["shares"] = Shares(*(float(share) for share in given["shares"]))
    return AttentionField(**given)


def _older(arrays: dict[str, np.ndarray]) -> dict[str, AttentionField]:
    """Return the one field of a session from before nodes were tested."""
    field = _field(arrays, "field_")
    if field.grid_p.shape != field.grid_u.shape:
        tissue = np.isfinite(field.grid_u)
        field = replace(field, grid_p=np.where(tissue, field.p_value, np.nan))
    return {str(field.direction): field}


def _table(
    arrays: dict[str, np.ndarray], kinds: tuple[str, ...]
) -> pd.DataFrame | None:
    import pandas as pd

    from napari_scfm.analysis.attention.type_table import COLUMNS

    if "table_times" not in arrays:
        return None
    count = len(kinds)
    given = {name: arrays.get(f"table_{name}") for name in COLUMNS}
    given["receiver"] = np.repeat(kinds, count)
    given["sender"] = np.tile(kinds, count)
    return pd.DataFrame(given)[list(COLUMNS)]


def _checks(record: StreamRecord) -> pd.DataFrame | None:
    import pandas as pd

    return None if record.checks is None else pd.DataFrame(list(record.checks))


def _plain(array: np.ndarray) -> Any:
    """Return a number or a text where an array holds just one."""
    return array.item() if array.ndim == 0 else array
