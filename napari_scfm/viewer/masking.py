"""Acts on the mask: hide, show again, undo, redo.

Each FOV has its own history. An act on nothing says so and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.errors import MaskError, counted, named
from napari_scfm.experiments.draws import draw_genes
from napari_scfm.masks.history import MaskHistory
from napari_scfm.masks.make import (
    mask_cells,
    mask_entries,
    mask_genes,
    mask_random_cells,
)
from napari_scfm.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_scfm.viewer.session import Session


def history_of(session: Session) -> MaskHistory:
    """Return the mask history of the FOV that is shown.

    Raises
    ------
    MaskError
        If no FOV is open.
    """
    if session.fov is None:
        raise MaskError("No field of view is open.", "Open a slide first.")
    name = session.fov.name
    if name not in session.histories:
        session.histories[name] = MaskHistory(Mask.empty(session.fov.table))
    return session.histories[name]


def _set(session: Session, mask: Mask) -> None:
    history = history_of(session)
    history.push(mask)
    session.mask = history.current


def selected_names(session: Session) -> list[str]:
    """Return the table names of the selected cells."""
    history_of(session)
    if len(session.selection) == 0:
        raise MaskError(
            "No cell is selected.",
            "Pick a tool (click, box or lasso) and select cells on the tissue first.",
        )
    return list(session.fov.table.obs_names[session.selection])


def hide_selected(session: Session) -> int:
    """Hide the selected cells whole; return how many."""
    names = selected_names(session)
    mask = history_of(session).current | mask_cells(session.fov.table, names)
    _set(session, mask)
    session.say(f"{counted(len(names), 'cell is', 'cells are')} hidden from the model.")
    return len(names)


def unhide_selected(session: Session) -> int:
    """Show the selected cells to the model again; return how many."""
    names = selected_names(session)
    mask = history_of(session).current - mask_cells(session.fov.table, names)
    _set(session, mask)
    session.say(
        f"{counted(len(names), 'cell is', 'cells are')} visible to the model again."
    )
    return len(names)


def hide_genes(session: Session, genes: Sequence[str]) -> int:
    """Hide genes in all cells of the FOV; return how many."""
    current = history_of(session).current
    if not genes:
        raise MaskError(
            "No gene is named.", "Type gene names, separated by commas, and try again."
        )
    table = session.fov.table
    names = as_spelled(genes, table.var_names)
    _set(session, current | mask_genes(table, names))
    session.say(f"Hidden in all cells: {named(names)}.")
    return len(names)


def as_spelled(typed: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return gene names as the table spells them: ``epcam`` means EPCAM.

    A name that fits none, or only more than one in other letters, stays as typed.
    """
    known = list(names)
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(name.casefold(), []).append(name)
    spelled = []
    for name in typed:
        fits = [name] if name in known else folded.get(name.casefold(), [])
        spelled.append(fits[0] if len(fits) == 1 else name)
    return list(dict.fromkeys(spelled))


def hide_random_genes(session: Session, count: int, seed: int = 0) -> int:
    """Hide genes drawn at random among those that are expressed.

    Where a model is loaded, among those that it knows if it knows enough: see
    :func:`~napari_scfm.experiments.draws.draw_genes`.
    """
    current = history_of(session).current
    table, model = session.fov.table, session.model
    if model is None:
        names = draw_genes(table, count, seed)
    else:
        names = draw_genes(table, count, seed, model.info.genes, model.info.name)
    _set(session, current | mask_genes(table, names))
    session.say(f"Hidden in all cells, drawn with seed {seed}: {named(names)}.")
    return len(names)


def hide_share(session: Session, what: str, share: float, seed: int = 0) -> None:
    """Hide a random share of the cells, or of the expressed entries.

    Parameters
    ----------
    what
        "cells" or "entries".
    share
        0..1.
    """
    current = history_of(session).current
    table = session.fov.table
    if what == "entries":
        more = mask_entries(table, share, seed, "expressed")
    else:
        more = mask_random_cells(table, share, seed)
    _set(session, current | more)
    session.say(f"{share:.0%} of the {what} are hidden, drawn with seed {seed}.")


def clear(session: Session) -> None:
    """Hide nothing any more; can be undone."""
    history_of(session)
    _set(session, Mask.empty(session.fov.table))
    session.say("Nothing is hidden from the model.")


def undo(session: Session) -> None:
    """Take back the last act on the mask."""
    history = history_of(session)
    if not history.can_undo:
        session.say("There is nothing to undo.")
        return
    history.undo()
    session.mask = history.current
    session.say("Mask undone.")


def redo(session: Session) -> None:
    """Repeat the act that was taken back."""
    history = history_of(session)
    if not history.can_redo:
        session.say("There is nothing to redo.")
        return
    history.redo()
    session.mask = history.current
    session.say("Mask redone.")


def describe(mask: Mask | None) -> str:
    """Return what a mask hides, in one line."""
    if mask is None or mask.n_hidden == 0:
        return "Nothing is hidden."
    parts = []
    if mask.hidden_genes:
        parts.append(counted(len(mask.hidden_genes), "gene"))
    if mask.hidden_cells:
        parts.append(counted(len(mask.hidden_cells), "cell"))
    if not parts:
        parts.append(f"{mask.n_hidden} single entries")
    return f"Hidden: {' and '.join(parts)} ({mask.share:.1%} of all entries)."
