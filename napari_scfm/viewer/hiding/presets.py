"""Presets: what people hide again and again, each a saved spec and no script.

A preset reads the session (the selected cell, the gene on show) and gives a spec; from
then on it is plain values like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_scfm.errors import MaskError
from napari_scfm.masks.parts import Disc
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.cells import centroids
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.hiding.picking import whole_fov

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.viewer.session import Session

TENTH = 0.1


@dataclass(frozen=True)
class Preset:
    """One preset.

    Attributes
    ----------
    title, tip
        As the button and its tool tip say.
    spec
        Gives what to hide.
    in_turn
        Whether each gene is hidden alone, one after the other.
    """

    title: str
    tip: str
    spec: Callable[[Session], MaskSpec]
    in_turn: bool = False


def _tenth(session: Session) -> MaskSpec:
    return MaskSpec(gene_fraction=TENTH)


def _neighbourhood(session: Session) -> MaskSpec:
    """Return a disc around the middle of the selected cells."""
    if len(session.selection) == 0:
        raise MaskError(
            "No cell is selected.", "Click the cell whose neighbourhood to hide first."
        )
    x, y = centroids(session.fov.table)[session.selection].mean(axis=0).round(2)
    disc = Disc(x=x, y=y, radius=session.radius, fov=session.fov.name)
    return MaskSpec(discs=(disc,))


def _marker(session: Session) -> MaskSpec:
    """Return the gene on show, besides the genes that are hidden already."""
    if session.gene not in session.fov.table.var_names:
        raise MaskError(
            "No gene is on show.", "Colour the cells by the marker to leave out first."
        )
    return MaskSpec(genes=(session.gene,))


PRESETS: dict[str, Preset] = {
    "tenth": Preset(
        "10 % of genes", "Hide a tenth of the genes, drawn with seed 0", _tenth
    ),
    "neighbourhood": Preset(
        "Neighbourhood",
        "Hide all cells in a disc around the selected cell; its radius is the brush's",
        _neighbourhood,
    ),
    "marker": Preset(
        "Leave marker out",
        "Hide the gene on show; further hidden genes take turns, each one alone",
        _marker,
        in_turn=True,
    ),
    "fov": Preset(
        "Hold out FOV",
        "Hide every cell of this field of view; predict it on all fields of view",
        whole_fov,
    ),
}


def apply(session: Session, name: str) -> None:
    """Hide what a preset says.

    Raises
    ------
    MaskError
        If no FOV is open, or the preset needs something selected or shown.
    """
    masking.history_of(session)
    preset = PRESETS[name]
    masking.hide(session, preset.spec(session))
    if preset.in_turn:
        session.in_turn = True


def check_savable(session: Session) -> MaskSpec:
    """Return what is hidden, written down.

    Raises
    ------
    MaskError
        If nothing is hidden.
    """
    recipe = session.recipe
    if recipe is None or recipe.is_empty:
        raise MaskError("Nothing is hidden.", "Hide something first, then save it.")
    return recipe


def save_recipe(session: Session, path: str | Path) -> Path:
    """Write what is hidden now into a JSON file.

    Raises
    ------
    MaskError
        If nothing is hidden or the file cannot be written.
    """
    recipe = check_savable(session)
    path = Path(path)
    try:
        path.write_text(recipe.model_dump_json(indent=2), "utf-8")
    except OSError as error:
        raise MaskError(
            f"{path} cannot be written: {error.strerror}.", "Choose another place."
        ) from error
    return path


def open_recipe(session: Session, path: str | Path) -> MaskSpec:
    """Hide what a JSON file says, in place of what is hidden; can be undone.

    Raises
    ------
    MaskError
        If the file holds no recipe, or one that does not fit this FOV.
    """
    masking.history_of(session)
    path = Path(path)
    try:
        spec = MaskSpec.model_validate_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise MaskError(
            f"{path.name} holds no recipe of what to hide.",
            "Choose a file that Save recipe wrote.",
        ) from error
    masking.replace(session, spec, f"Hidden as {path.name} says.")
    return spec
