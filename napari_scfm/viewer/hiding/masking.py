"""Acts on the mask: hide, show again, undo, redo.

Each FOV has its own history of (recipe, mask) steps. An act composes recipes, so that
what is hidden can be written down and repeated, and the mask is always what the recipe
gives. An act on nothing says so and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import MaskError, counted, named
from napari_scfm.experiments.draws import draw_genes
from napari_scfm.masks.history import MaskHistory
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.parts import RandomEntries
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.hiding.picking import selected_spec

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
        empty = Mask.empty(session.fov.table)
        session.histories[name] = MaskHistory(MaskSpec(), empty)
    return session.histories[name]


def show_step(session: Session) -> None:
    """Put the current step of the FOV's history on show; nothing where it is unused."""
    history = None if session.fov is None else session.histories.get(session.fov.name)
    if history is None:
        session.update({"recipe": None, "mask": None})
    else:
        session.update({"recipe": history.spec, "mask": history.mask})


def _push(session: Session, spec: MaskSpec, mask: Mask) -> None:
    if mask.n_hidden == 0:
        spec = MaskSpec()
    history_of(session).push(spec, mask)
    show_step(session)


def hide(session: Session, spec: MaskSpec, said: str = "") -> int:
    """Hide what a spec says, besides what is hidden; return how many entries are new.

    Parameters
    ----------
    spec
        What to hide of the FOV that is shown.
    said
        What to tell the person; "" tells how much is hidden now.

    Raises
    ------
    MaskError
        If no FOV is open, or it does not hold a name.
    """
    history = history_of(session)
    return take_hidden(session, spec, spec.resolve(session.fov.table), said, history)


def take_hidden(
    session: Session, spec: MaskSpec, more: Mask, said: str, history: MaskHistory
) -> int:
    """Add a mask that a spec gave to a history, the one of the FOV on show."""
    if more.n_hidden == 0:
        raise MaskError("That would hide nothing.", "Choose genes, cells or entries.")
    before, mask = history.mask.n_hidden, history.mask | more
    new = mask.n_hidden - before
    if new == 0:
        session.say("All of that is hidden already.")
        return 0
    _push(session, history.spec | spec if before else spec, mask)
    session.say(said or f"{mask.share:.1%} of all entries are hidden from the model.")
    return new


def show_again(session: Session, spec: MaskSpec, said: str = "") -> int:
    """Let the model see what a spec says again; return how many entries.

    Raises
    ------
    MaskError
        If no FOV is open, or it does not hold a name.
    """
    history = history_of(session)
    before = history.mask.n_hidden
    mask = history.mask - spec.resolve(session.fov.table)
    gone = before - mask.n_hidden
    if gone == 0:
        session.say("None of that was hidden.")
        return 0
    _push(session, history.spec - spec, mask)
    session.say(said or f"{mask.share:.1%} of all entries are hidden from the model.")
    return gone


def replace(session: Session, spec: MaskSpec, said: str) -> None:
    """Hide what a spec says and nothing else.

    Raises
    ------
    MaskError
        If no FOV is open, or it does not hold a name.
    """
    history_of(session)
    _push(session, spec, spec.resolve(session.fov.table))
    session.say(said)


def hide_selected(session: Session) -> int:
    """Hide the selected cells whole; return how many."""
    spec, count = selected_spec(session), len(session.selection)
    text = f"{counted(count, 'cell is', 'cells are')} hidden from the model."
    return count if hide(session, spec, text) else 0


def unhide_selected(session: Session) -> int:
    """Show the selected cells to the model again; return how many."""
    spec, count = selected_spec(session), len(session.selection)
    text = f"{counted(count, 'cell is', 'cells are')} visible to the model again."
    return count if show_again(session, spec, text) else 0


def checked_genes(session: Session, genes: Sequence[str]) -> MaskSpec:
    """Return the spec of genes by name, spelled as the table spells them.

    Raises
    ------
    MaskError
        If none is named.
    """
    history_of(session)
    if not genes:
        raise MaskError(
            "No gene is named.", "Check genes in the list, or type their names."
        )
    return MaskSpec(genes=tuple(as_spelled(genes, session.fov.table.var_names)))


def hide_genes(session: Session, genes: Sequence[str]) -> int:
    """Hide genes in all cells of the FOV; return how many."""
    spec = checked_genes(session, genes)
    hide(session, spec, f"Hidden in all cells: {named(spec.genes)}.")
    return len(spec.genes)


def as_spelled(typed: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return gene names as the table spells them: ``epcam`` means EPCAM.

    A name that fits none, or only more than one in other letters, stays as typed.
    """
    known = list(names)
    exact = set(known)
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(name.casefold(), []).append(name)
    spelled = []
    for name in typed:
        fits = [name] if name in exact else folded.get(name.casefold(), [])
        spelled.append(fits[0] if len(fits) == 1 else name)
    return list(dict.fromkeys(spelled))


def hide_random_genes(session: Session, count: int, seed: int = 0) -> int:
    """Hide genes drawn at random among those that are expressed.

    Where a model is loaded, among those that it knows if it knows enough: see
    :func:`~napari_scfm.experiments.draws.draw_genes`.
    """
    history_of(session)
    table, model = session.fov.table, session.model
    if model is None or not model.info.genes:
        names = draw_genes(table, count, seed)
        spec = MaskSpec(gene_count=count, seed=seed)
    else:
        names = draw_genes(table, count, seed, model.info.genes, model.info.name)
        spec = MaskSpec(genes=names)
    hide(session, spec, f"Hidden in all cells, drawn with seed {seed}: {named(names)}.")
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
    if what == "entries":
        drawn = RandomEntries(fraction=share, eligible="expressed")
        spec = MaskSpec(entries=drawn, seed=seed)
    else:
        spec = MaskSpec(cell_fraction=share, seed=seed)
    hide(
        session, spec, f"{share:.0%} of the {what} are hidden, drawn with seed {seed}."
    )


def clear(session: Session) -> None:
    """Hide nothing any more; can be undone."""
    history_of(session)
    _push(session, MaskSpec(), Mask.empty(session.fov.table))
    session.say("Nothing is hidden from the model.")


def undo(session: Session) -> None:
    """Take back the last act on the mask."""
    history = history_of(session)
    if not history.can_undo:
        session.say("There is nothing to undo.")
        return
    history.undo()
    show_step(session)
    session.say("Mask undone.")


def redo(session: Session) -> None:
    """Repeat the act that was taken back."""
    history = history_of(session)
    if not history.can_redo:
        session.say("There is nothing to redo.")
        return
    history.redo()
    show_step(session)
    session.say("Mask redone.")


@dataclass(frozen=True)
class Tally:
    """How much a mask hides.

    Attributes
    ----------
    genes, cells
        How many are hidden whole.
    entries
        Single entries besides these.
    share
        Of all entries, 0..1.
    """

    genes: int = 0
    cells: int = 0
    entries: int = 0
    share: float = 0.0


def tally(mask: Mask | None) -> Tally:
    """Return how much a mask hides: whole genes, whole cells, and the rest."""
    if mask is None or mask.n_hidden == 0:
        return Tally()
    rows, columns = mask.shape
    genes, cells = int(mask.whole_genes.sum()), int(mask.whole_cells.sum())
    whole = genes * rows + cells * columns - genes * cells
    return Tally(genes, cells, mask.n_hidden - whole, mask.share)


def describe(mask: Mask | None) -> str:
    """Return what a mask hides, in one line."""
    much = tally(mask)
    if much.share == 0:
        return "Nothing is hidden."
    parts = []
    if much.genes:
        parts.append(counted(much.genes, "gene"))
    if much.cells:
        parts.append(counted(much.cells, "cell"))
    if much.entries:
        parts.append(
            f"{much.entries:,} single {'entry' if much.entries == 1 else 'entries'}"
        )
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
    return f"Hidden: {listed} ({much.share:.1%} of all entries)."


def hidden_share_of_cells(mask: Mask | None, n: int) -> np.ndarray:
    """Return (n,) share of each cell's entries that are hidden, 0..1.

    Genes that are hidden in every cell do not count: they tell no cell from another.
    """
    if mask is None or mask.n_hidden == 0:
        return np.zeros(n)
    whole = int(mask.whole_genes.sum())
    counts = hidden_per_cell(mask) - whole
    return np.clip(counts / max(mask.shape[1] - whole, 1), 0, 1)


def hidden_per_cell(mask: Mask) -> np.ndarray:
    """Return (cells,) number of hidden entries of each cell."""
    return mask.hidden_per_cell
