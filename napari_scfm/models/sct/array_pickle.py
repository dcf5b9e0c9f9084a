"""Arrays out of a pickle, without unpickling it.

A pickle is a program. This reader knows the few instructions that a nested dict of
numpy arrays needs, reads the names of classes as mere words, and never imports or calls
what they name: anything but the words below is refused. It reads the file format of
joblib (a wrapper with shape and type, then the raw bytes; compressed or not), arrays
pickled by numpy itself, and the arrays of JAX, which carry one of numpy.
"""

from __future__ import annotations

import pickletools
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import IO

LARGEST = 4 * 2**30
"""Bytes of all arrays of one file."""
DEEPEST = 2
"""Dicts within one another: modules, and their parameters."""
_DAMAGE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(EOFError, OSError, OverflowError, MemoryError, zlib.error),
)
_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_ARRAY = ("numpy", "ndarray")
_TYPE = ("numpy", "dtype")
_REBUILD = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
_JAX = {
    ("jax._src.array", "_reconstruct_array"),
    ("jax._src.device_array", "reconstruct_device_array"),
}
_WORDS = {_WRAPPER, _ARRAY, _TYPE, *_REBUILD, *_JAX}
_KINDS = frozenset({"f2", "f4", "f8"})
_MARK = object()


class Refused(Exception):
    """What a file asks for that a file of arrays does not need."""


@dataclass(frozen=True)
class _Word:
    """The name of a class or function, which is never looked up."""

    module: str
    name: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.module, self.name


@dataclass
class _Object:
    """An instance that was asked for: its class by name, and its state."""

    word: tuple[str, str]
    values: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    array: np.ndarray | None = None


def read_arrays(stream: IO[bytes]) -> Any:
    """Read dicts of arrays from an uncompressed pickle stream.

    Parameters
    ----------
    stream
        Open at the first byte.

    Returns
    -------
    What the pickle holds: an array, or dicts of arrays; single texts and numbers.

    Raises
    ------
    Refused
        If the stream asks for anything else, or is damaged.
    """
    reader = _Reader(stream)
    try:
        for code, argument, _ in pickletools.genops(stream):
            if code.name == "STOP":
                return _plain(reader.stack.pop())
            reader.step(code.name, argument)
    except _DAMAGE as error:
        raise Refused(f"it is damaged ({error})") from error
    raise Refused("it ends too early")


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value with its objects replaced by their arrays.

    Deeper dicts are refused: one that holds itself, or one that is held by many that
    are held by many, would never end.
    """
    if isinstance(value, dict):
        if depth == DEEPEST:
            raise Refused(f"it is nested more than {DEEPEST} deep")
        return {key: _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, _Object) and value.array is not None:
        return value.array
    if isinstance(value, _Object | _Word | tuple) or value is _MARK:
        raise Refused("it holds something that is no array")
    return value


class _Reader:
    """The stack of a pickle, for the few instructions that arrays need."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = LARGEST

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _PLAIN:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _ACTS:
            _ACTS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it uses the instruction {name}")

    def since_mark(self) -> list[Any]:
        """Take what was pushed since the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise Refused("it is damaged (a mark is missing)")
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def last(self, number: int) -> tuple[Any, ...]:
        """Take the last values, in the order in which they were pushed."""
        found = tuple(self.stack[-number:])
        if len(found) < number:
            raise Refused("it is damaged (a value is missing)")
        del self.stack[-number:]
        return found

    def word(self, module: str, name: str) -> None:
        if (module, name) not in _WORDS:
            raise Refused(f"it asks for {module}.{name}")
        self.stack.append(_Word(module, name))

    def global_word(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.word(module, name)

    def stack_word(self) -> None:
        module, name = self.last(2)
        self.word(str(module), str(name))

    def call(self) -> None:
        """Note what is asked for with which values; nothing is called."""
        word, values = self.last(2)
        if not isinstance(word, _Word) or not isinstance(values, tuple):
            raise Refused("it asks for something to be run")
        made = _Object(word.pair, values)
        if word.pair in _JAX:
            made.array = self._array(values[2])
        elif word.pair == _ARRAY:
            raise Refused("it asks for an array to be made, not read")
        self.stack.append(made)

    def build(self) -> None:
        """Give an object its state; the bytes of a wrapped array follow here."""
        (state,) = self.last(1)
        made = self.stack[-1]
        if not isinstance(made, _Object):
            raise Refused("it sets the state of something that is no array")
        if made.word == _WRAPPER:
            made.state = dict(state)
            made.array = self._wrapped(made.state)
        elif made.word in _REBUILD:
            made.array = self._array(state)
        elif made.word == _TYPE:
            made.state = {"order": state[1]}
        else:
            raise Refused(f"it sets the state of {'.'.join(made.word)}")

    def set_items(self, pairs: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(pairs) % 2:
            raise Refused("it sets items of something that is no dict")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str | int):
                raise Refused("it holds a key that is no text")
            self.stack[-1][key] = value

    def _room(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> int:
        """Return the bytes of an array, if the file may hold so many."""
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise Refused("it holds an array of no shape")
        size = kind.itemsize
        for n in shape:
            size *= n
        self.left -= size
        if self.left < 0:
            raise Refused(f"its arrays take more than {LARGEST / 2**30:.0f} GiB")
        return size

    def _wrapped(self, state: dict[str, Any]) -> np.ndarray:
        """Read the raw bytes that follow a wrapper."""
        if state["subclass"] != _Word(*_ARRAY):
            raise Refused("it holds an array of another class")
        kind, shape = _type(state["dtype"]), tuple(state["shape"])
        size = self._room(shape, kind)
        if state.get("numpy_array_alignment_bytes") is not None:
            self._exactly(self._exactly(1)[0])
        flat = np.frombuffer(self._exactly(size), dtype=kind)
        return _native(flat.reshape(shape, order=_order(state["order"])))

    def _array(self, state: tuple[Any, ...]) -> np.ndarray:
        """Return the array of numpy's own state: version, shape, type, order, bytes."""
        _, shape, made, fortran, content = state
        kind = _type(made)
        if not isinstance(content, bytes):
            raise Refused("it holds an array without its bytes")
        if self._room(tuple(shape), kind) != len(content):
            raise Refused("it is damaged (an array of another size)")
        flat = np.frombuffer(content, dtype=kind)
        return _native(flat.reshape(shape, order="F" if fortran else "C"))

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.stream.read(min(size - len(parts), 2**24))
            if not part:
                raise Refused("it ends too early")
            parts += part
        return bytes(parts)


def _type(made: Any) -> np.dtype[Any]:
    """Return the floating type that a note of ``numpy.dtype`` means."""
    if not isinstance(made, _Object) or made.word != _TYPE:
        raise Refused("it holds an array of no type")
    name, order = made.values[0], made.state.get("order", "=")
    if name not in _KINDS or order not in ("<", ">", "="):
        raise Refused(f"it holds an array of type {name!r}")
    found: np.dtype[Any] = np.dtype(order + name)
    return found


def _order(name: Any) -> Any:
    if name not in ("C", "F"):
        raise Refused("it holds an array of no order")
    return name


def _native(array: np.ndarray) -> np.ndarray:
    """Return an own array in C order and the machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


_PLAIN = {
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("BININT", "BININT1", "BININT2", "LONG1", "INT", "BINFLOAT"),
}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "MARK": _MARK,
    "EMPTY_TUPLE": (),
}
_ACTS: dict[str, Any] = {
    "EMPTY_DICT": lambda r, _: r.stack.append({}),
    "TUPLE1": lambda r, _: r.stack.append(r.last(1)),
    "TUPLE2": lambda r, _: r.stack.append(r.last(2)),
    "TUPLE3": lambda r, _: r.stack.append(r.last(3)),
    "TUPLE": lambda r, _: r.stack.append(tuple(r.since_mark())),
    "MEMOIZE": lambda r, _: r.memo.__setitem__(len(r.memo), r.stack[-1]),
    "BINPUT": lambda r, place: r.memo.__setitem__(place, r.stack[-1]),
    "LONG_BINPUT": lambda r, place: r.memo.__setitem__(place, r.stack[-1]),
    "BINGET": lambda r, place: r.stack.append(r.memo[place]),
    "LONG_BINGET": lambda r, place: r.stack.append(r.memo[place]),
    "GLOBAL": lambda r, words: r.global_word(words),
    "STACK_GLOBAL": lambda r, _: r.stack_word(),
    "REDUCE": lambda r, _: r.call(),
    "NEWOBJ": lambda r, _: r.call(),
    "BUILD": lambda r, _: r.build(),
    "SETITEM": lambda r, _: r.set_items(list(r.last(2))),
    "SETITEMS": lambda r, _: r.set_items(r.since_mark()),
}
