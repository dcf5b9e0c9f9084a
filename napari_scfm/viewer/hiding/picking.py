"""The selection and how it was made: by pointing, or by a rule that can be repeated.

A rule (all T cells, every fifth cell, a disc of tissue) is kept beside the rows that it
gave. When the selection is hidden the rule is written down instead of names, so that
it means the same on other fields of view. Any other change of the selection, by whom
ever, makes it a plain list of cells again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_scfm.errors import MaskError, counted
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.hidden import in_sight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.viewer.session import Session

How = Literal["replace", "add", "subtract"]

_RULE = "selection rule"


def combined(old: np.ndarray, hit: np.ndarray, how: How) -> np.ndarray:
    """Return the selection after a gesture, sorted, each row once."""
    if how == "add":
        return np.union1d(old, hit)
    if how == "subtract":
        return np.setdiff1d(old, hit)
    return np.unique(hit)


def how_of(modifiers: Sequence[Any]) -> How:
    """Return what held keys make of a gesture."""
    if "Shift" in modifiers:
        return "add"
    return "subtract" if "Alt" in modifiers else "replace"


def pick(
    session: Session,
    rows: np.ndarray,
    how: How = "replace",
    rule: MaskSpec | None = None,
) -> None:
    """Select cells, or add them to the selection, or take them away.

    Parameters
    ----------
    rows
        Rows of the FOV's table.
    rule
        The spec that gives these rows, if there is one.
    """
    new = rule
    if how != "replace" and len(session.selection):
        old = rule_of(session)
        new = None
        if old is not None or rule is not None:
            mine = old or _named(session, session.selection)
            other = rule or _named(session, rows)
            new = mine | other if how == "add" else mine - other
    elif how == "subtract":
        new = None
    chosen = combined(session.selection, rows, how)
    session.parts[_RULE] = (chosen, new)
    session.selection = chosen


def rule_of(session: Session) -> MaskSpec | None:
    """Return the rule behind the selection, or None if it was pointed at."""
    rows, rule = session.parts.get(_RULE, (None, None))
    return rule if rows is session.selection else None


def _named(session: Session, rows: np.ndarray) -> MaskSpec:
    return MaskSpec(cells=tuple(session.fov.table.obs_names[rows]))


def selected_spec(session: Session) -> MaskSpec:
    """Return the spec of the selected cells: their rule, or their names.

    Raises
    ------
    MaskError
        If no FOV is open or no cell is selected.
    """
    if session.fov is None:
        raise MaskError("No field of view is open.", "Open a slide first.")
    if len(session.selection) == 0:
        raise MaskError(
            "No cell is selected.",
            "Pick a tool (click, box, lasso, brush) and select cells on the tissue "
            "first.",
        )
    return rule_of(session) or _named(session, session.selection)


def pick_by(
    session: Session, rule: MaskSpec, how: How = "replace", *, shown: bool = False
) -> int:
    """Select the cells that a rule gives; return how many.

    Parameters
    ----------
    shown
        Only those that no legend hides; while some are hidden, they are kept as a list
        and not as a rule.

    Raises
    ------
    MaskError
        If no FOV is open or the rule gives no cell.
    """
    if session.fov is None:
        raise MaskError("No field of view is open.", "Open a slide first.")
    rows = np.flatnonzero(rule.resolve(session.fov.table).whole_cells)
    if len(rows) == 0:
        raise MaskError("No cell fits that.", "Choose another rule or a wider one.")
    seen = in_sight(session, rows) if shown else rows
    pick(session, seen, how, rule if len(seen) == len(rows) else None)
    session.say(f"{counted(len(session.selection), 'cell')} selected; none hidden yet.")
    return len(rows)


def select_all(session: Session) -> None:
    """Select every cell of the FOV that is shown."""
    if session.fov is None:
        raise MaskError("No field of view is open.", "Open a slide first.")
    pick_by(session, whole_fov(session), shown=True)


def invert(session: Session) -> None:
    """Select the cells that are shown and not selected."""
    if session.fov is None:
        raise MaskError("No field of view is open.", "Open a slide first.")
    if len(session.selection) == 0:
        select_all(session)
        return
    every = np.setdiff1d(np.arange(session.n_cells), session.selection)
    rest = in_sight(session, every)
    old = rule_of(session) if len(rest) == len(every) else None
    pick(session, rest, rule=None if old is None else whole_fov(session) - old)
    session.say(f"{counted(len(rest), 'cell')} selected; none hidden yet.")


def whole_fov(session: Session) -> MaskSpec:
    """Return the spec of every cell of the FOV that is shown."""
    return MaskSpec(fovs=(session.fov.name,))
