"""The options of an attention field and of its streams, the same for all commands.

``@with_field_options`` adds them to a command, which gets them as two values:
``asked``, which attention against which chance, and ``look``, how streams are drawn.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.experiments.attention.asked import FieldOptions


def _option(metavar: str, text: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, metavar=metavar, help=text, **more)


_NONE: dict[str, Any] = {"show_default": False}

FIELD: dict[str, tuple[Any, Any]] = {
    "layer": (
        Annotated[
            str,
            _option("N|rollout", "Layer; -1 is the last; rollout: through all layers."),
        ],
        "-1",
    ),
    "head": (
        Annotated[
            int | None,
            _option("N", "Head, from 0; default: the mean over heads.", **_NONE),
        ],
        None,
    ),
    "weighting": (
        Annotated[
            str,
            _option("weights|values", "values: weights times the length of values."),
        ],
        "weights",
    ),
    "neighbours": (
        Annotated[
            int | None,
            _option(
                "K",
                "Only the K nearest cells are partners (30 is usual); default: all.",
                min=1,
                **_NONE,
            ),
        ],
        None,
    ),
    "radius": (
        Annotated[
            float | None,
            _option("UM", "Only cells within so many um are partners.", **_NONE),
        ],
        None,
    ),
    "null": (
        Annotated[
            str,
            _option(
                "NAME",
                "What chance means between neighbours: shift (usual), keys or rings.",
                **_NONE,
            ),
        ],
        "",
    ),
    "strata": (
        Annotated[
            str,
            _option(
                "COLUMN",
                "Column of cell kinds that chance keeps apart, or `embedding` for "
                "clusters; default: cell types where known, else clusters.",
                **_NONE,
            ),
        ],
        "",
    ),
    "direction": (
        Annotated[str, _option("received|sent", "What cells receive, or send.")],
        "received",
    ),
    "receiver": (
        Annotated[str, _option("KIND", "Only this kind receives.", **_NONE)],
        "",
    ),
    "sender": (
        Annotated[str, _option("KIND", "Only this kind sends.", **_NONE)],
        "",
    ),
    "permutations": (
        Annotated[
            int, _option("N", "Permutations of the test, per FOV; 0: no test.", min=0)
        ],
        99,
    ),
    "smoothing": (
        Annotated[
            float | None,
            _option("UM", "Width of the smoothing; what is drawn is tested.", **_NONE),
        ],
        None,
    ),
}
"""Parameter -> annotation and default, of the field."""

LOOK: dict[str, tuple[Any, Any]] = {
    "density": (
        Annotated[float, _option("D", "Closeness of the streams.", min=0.1)],
        1.0,
    ),
    "cutoff": (
        Annotated[
            float,
            _option("Q", "Draw nothing below this quantile.", min=0, max=0.99),
        ],
        0.0,
    ),
    "streams_by": (
        Annotated[
            str,
            _option("strength|sender", "Colour of the streams."),
        ],
        "strength",
    ),
    "raw": (
        Annotated[
            bool,
            typer.Option("--raw", help="Streams of the raw arrows: mostly geometry."),
        ],
        False,
    ),
}
"""Parameter -> annotation and default, of the streams."""

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def with_field_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, in the places of its ``asked`` and ``look``."""
    # numpy stays out of the command line until a command runs
    ours = {"FieldOptions": object, "StreamLook": object}
    signature = inspect.signature(command, eval_str=True, locals=ours)
    groups = {"asked": FIELD, "look": LOOK}
    listed: list[inspect.Parameter] = []
    for given in signature.parameters.values():
        if given.name not in groups:
            listed.append(given.replace(kind=_KEYWORD))
            continue
        listed += [
            inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
            for name, (kind, default) in groups[given.name].items()
        ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        asked = _asked({name: given.pop(name) for name in FIELD}, given["seed"])
        look = _look({name: given.pop(name) for name in LOOK})
        command(**given, asked=asked, look=look)

    run.__signature__ = signature.replace(parameters=listed)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in listed}
    return run


def told_of_streams(asked: FieldOptions, look: StreamLook) -> bool:
    """Tell whether any of the options was given; the seed is everybody's."""
    usual = type(asked)(seed=asked.seed)
    return asked != usual or look != type(look)()


def _asked(told: dict[str, Any], seed: int) -> FieldOptions:
    from napari_scfm.experiments.attention.asked import FieldOptions

    pair = (told.pop("receiver"), told.pop("sender"))
    if any(pair) and not all(pair):
        raise ScfmError(
            "A pair needs the kind that receives and the kind that sends.",
            "Give both --receiver and --sender.",
        )
    _one_of("--weighting", told["weighting"], ("weights", "values"))
    _one_of("--direction", told["direction"], ("received", "sent"))
    smoothing = told.pop("smoothing")
    told["layer"] = _layer(told["layer"])
    return FieldOptions(
        **told, pair=pair if all(pair) else None, smoothing_um=smoothing, seed=seed
    )


def _look(told: dict[str, Any]) -> StreamLook:
    from napari_scfm.analysis.streams.streamlines import StreamLook

    colour = told.pop("streams_by")
    _one_of("--streams-by", colour, ("strength", "sender"))
    return StreamLook(colour=colour, **told)


def _layer(text: str) -> Any:
    if text == "rollout":
        return text
    try:
        return int(text)
    except ValueError:
        raise ScfmError(
            f"--layer {text} is no layer.", "Give a number (-1: the last) or rollout."
        ) from None


def _one_of(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ScfmError(f"{flag} cannot be {value!r}.", f"Choose {' or '.join(known)}.")
