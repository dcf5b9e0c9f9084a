"""What two processes say to each other: a line of JSON, then the bytes of arrays.

Nothing that is read can run code: arrays are plain numbers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from numpy.typing import NDArray

_KINDS = "biuf"


def send(
    sink: IO[bytes], head: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()
) -> None:
    """Write plain values and arrays of numbers.

    Raises
    ------
    TypeError
        If an array holds something else.
    """
    solid = [np.ascontiguousarray(one) for one in arrays]
    if any(one.dtype.kind not in _KINDS for one in solid):
        raise TypeError("Only arrays of numbers are sent.")
    forms = [[one.dtype.str, list(one.shape)] for one in solid]
    sink.write(json.dumps(head | {"arrays": forms}).encode() + b"\n")
    for one in solid:
        if one.size:
            sink.write(one.data.cast("B"))
    sink.flush()


def receive(source: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read what :func:`send` wrote.

    Raises
    ------
    EOFError
        If the other side has ended.
    """
    line = source.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    return head, [_array(source, *form) for form in head.pop("arrays")]


def _array(source: IO[bytes], dtype: str, shape: list[int]) -> NDArray[Any]:
    form = np.dtype(dtype)
    if form.kind not in _KINDS:
        raise EOFError
    size = form.itemsize * int(np.prod(shape, dtype=np.int64))
    values = source.read(size)
    if len(values) < size:
        raise EOFError
    return np.frombuffer(bytearray(values), form).reshape(shape)
