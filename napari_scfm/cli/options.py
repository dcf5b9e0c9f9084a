"""Options that several commands share, and how their words are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.slides.slide import Slide


def optional(metavar: str, text: str, *flags: str, **more: Any) -> Any:
    """Return an option that may be left out; its text says what that means.

    Parameters
    ----------
    metavar, text
        What stands for its value, and its help.
    flags, more
        As typer takes them.
    """
    return typer.Option(*flags, metavar=metavar, help=text, show_default=False, **more)


SlidePath = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A CosMx or MERSCOPE folder, or an .h5ad file.",
        show_default=False,
    ),
]
Fov = Annotated[
    str, typer.Option("--fov", metavar="F", help="Field of view; default: the first.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="M",
        help="A name from `napari-scfm models`, a model's folder, or a checkpoint.",
    ),
]
Device = Annotated[
    str,
    typer.Option(metavar="D", help="auto, cpu, cuda or mps; auto takes the fastest."),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="P",
        help="float32, bfloat16 (twice as fast, 0.2 % off) or auto: bfloat16 on GPUs "
        "that have it.",
    ),
]
Neighbourhood = Annotated[
    int | None,
    optional(
        "K",
        "Predict every cell without visible counts in a bag of its own, with the "
        "K observed cells nearest to it (50 is usual).",
        min=1,
    ),
]
Radius = Annotated[float | None, optional("UM", "All cells within so many um instead.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
OutTable = Annotated[
    Path, typer.Option("-o", "--out", metavar="OUT.h5ad", help="File to write.")
]
Scheduler = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Address of a Dask scheduler: one task per FOV runs on its workers.",
    ),
]


def words(text: str) -> list[str]:
    """Split ``A,B, C`` into its words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def choose_fov(slide: Slide, name: str) -> str:
    """Return the asked FOV, or the first one."""
    if name:
        slide.fov(name)
        return name
    if not slide.fovs:
        raise ScfmError(
            f"Slide {slide.path} has no field of view with cells.",
            "Choose a slide that has.",
        )
    return slide.fovs[0]


def chosen_table(slide: Slide, fovs: str) -> AnnData:
    """Return the table of some FOVs (``F001,F002``), or of the whole slide."""
    names = words(fovs)
    if not names:
        return slide.table
    if len(names) == 1:
        return slide.fov(names[0]).table
    from napari_scfm import keys
    from napari_scfm.slides.results import results_of

    for name in names:
        slide.fov(name)
    table = slide.table[slide.table.obs[keys.FOV].isin(names)].copy()
    for result in results_of(table.uns):
        del table.uns[result]
    return table
