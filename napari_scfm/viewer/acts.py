"""What a key or a button does, by name; errors become one sentence.

The commands of :mod:`napari_scfm.viewer.keymap` live here, so that a key, a button
and a script do the same thing.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error

from napari_scfm.errors import ModelError, ScfmError, SlideError
from napari_scfm.viewer.compared import by_model, telling_gene
from napari_scfm.viewer.hiding import masking, picking, radius_tools
from napari_scfm.viewer.keymap import KEYS
from napari_scfm.viewer.look import compared_gene, comparison_of
from napari_scfm.viewer.session import NO_CELLS, bare, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Comparison, Session


def step_fov(viewer: Viewer, session: Session, step: int) -> None:
    """Show the next or previous FOV of the slide; stops at the ends."""
    from napari_scfm.viewer.open import show_fov

    if session.slide is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    names = session.slide.fovs
    place = names.index(session.fov.name) + step
    if not 0 <= place < len(names):
        end = "last" if step > 0 else "first"
        session.say(f"{session.fov.name} is the {end} field of view of this slide.")
        return
    show_fov(viewer, names[place])


def genes_in_order(session: Session) -> list[str]:
    """Return the genes that J and K walk through.

    The hidden genes while truth and prediction are compared, else the whole panel.
    """
    made = comparison_of(session)
    comparing = session.side_by_side or session.shown == "prediction"
    comparing = comparing or session.curtain is not None
    if made is not None and made.genes and comparing:
        return list(made.genes)
    return [] if session.fov is None else list(session.fov.table.var_names)


def step_gene(session: Session, step: int) -> None:
    """Colour the cells by the next or previous gene, round and round."""
    names = genes_in_order(session)
    if not names:
        raise SlideError("No slide is open.", "Open a slide first.")
    place = names.index(session.gene) + step if session.gene in names else 0
    colour_by_gene(session, names[place % len(names)])


def colour_by_gene(session: Session, gene: str) -> None:
    """Colour the cells by a gene, with limits of its own.

    Raises
    ------
    SlideError
        If the FOV does not measure the gene.
    """
    if session.fov is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    if gene not in session.fov.table.var_names:
        raise SlideError(
            f"Gene {gene!r} is not measured on this slide.",
            "Choose one from the list.",
        )
    session.update({"gene": gene, "limits": None, "colour_by": "gene"})


def blink(session: Session) -> None:
    """Swap truth and prediction in place; leaves the side-by-side view."""
    if compared_gene(session) is None:
        raise SlideError(
            "There is no prediction of the gene that is shown.",
            "Hide genes or cells, press Predict, and choose a hidden gene.",
        )
    other = "truth" if session.shown == "prediction" else "prediction"
    # together, so that the cells are painted once
    session.update({"side_by_side": False, "colour_by": "gene", "shown": other})
    session.say(f"{session.gene}: {session.shown}.")


def look_at_a_guess(session: Session, made: Comparison) -> None:
    """Colour by a gene that was predicted; the one that is shown if it was."""
    if made.genes:
        seen = made.guessed(session.gene)
        colour_by_gene(session, session.gene if seen else telling_gene(made))


def show_comparison(session: Session, made: Comparison) -> None:
    """Take a new comparison and show it side by side, if its FOV is on show."""
    session.comparison = made
    if comparison_of(session) is not None and made.genes:
        look_at_a_guess(session, made)
        session.side_by_side = True


def toggle_side_by_side(session: Session) -> None:
    """Enter or leave truth | prediction | error."""
    if not session.side_by_side and comparison_of(session) is None:
        raise SlideError(
            "There is nothing to compare in this field of view.",
            "Hide genes or cells and press Predict first.",
        )
    made = comparison_of(session)
    if not session.side_by_side and made is not None:
        look_at_a_guess(session, made)
    session.side_by_side = not session.side_by_side


def predict(session: Session) -> None:
    """Press Predict, which is in the workbench."""
    press = session.parts.get("predict")
    if press is None:
        raise SlideError(
            "The workbench is not open.", "Open it from Plugins > napari-scfm first."
        )
    press()


def save_session(session: Session) -> None:
    """Save the session where it was saved before, or ask where."""
    press = session.parts.get("save session")
    if press is None:
        raise SlideError(
            "The workbench is not open.", "Open it from Plugins > napari-scfm first."
        )
    press()


def toggle_curtain(session: Session) -> None:
    """Draw the curtain between truth and prediction, or take it away."""
    if session.curtain is not None:
        session.curtain = None
        return
    made = comparison_of(session)
    if made is None:
        raise SlideError(
            "There is nothing to compare in this field of view.",
            "Hide genes or cells and press Predict first.",
        )
    look_at_a_guess(session, made)
    session.side_by_side = False
    session.curtain = 0.5


def show_model(session: Session, name: str) -> None:
    """Put another model's prediction on show.

    Raises
    ------
    ModelError
        If no such model predicted this FOV.
    """
    made = comparison_of(session)
    if made is None or name not in made.models:
        known = "" if made is None else f" These did: {', '.join(made.models)}."
        raise ModelError(
            f"{name} has predicted nothing here.{known}", "Press Predict in step 5."
        )
    if name != made.model:
        session.comparison = by_model(made, name)
        session.say(f"On show: predicted by {name}.")


def clear_selection(session: Session) -> None:
    """Select nothing and go back to pan and zoom."""
    session.selection = NO_CELLS
    session.tool = "pan"


def _tool(name: str) -> Callable[[Viewer, Session], None]:
    def choose(viewer: Viewer, session: Session) -> None:
        session.tool = name  # type: ignore[assignment]
        if name != "pan" and "painter" in session.parts:
            cells = session.parts["painter"].layers.cells
            if not session.side_by_side and cells in viewer.layers:
                viewer.layers.selection.active = cells

    return choose


COMMANDS: dict[str, Callable[[Viewer, Session], Any]] = {
    "next_fov": lambda viewer, session: step_fov(viewer, session, 1),
    "previous_fov": lambda viewer, session: step_fov(viewer, session, -1),
    "next_gene": lambda _, session: step_gene(session, 1),
    "previous_gene": lambda _, session: step_gene(session, -1),
    "tool_pan": _tool("pan"),
    "tool_click": _tool("click"),
    "tool_box": _tool("box"),
    "tool_lasso": _tool("lasso"),
    "tool_brush": _tool("brush"),
    "tool_disc": _tool("disc"),
    "tool_stripe": _tool("stripe"),
    "smaller": lambda _, session: radius_tools.step_radius(session, -1),
    "larger": lambda _, session: radius_tools.step_radius(session, 1),
    "select_all": lambda _, session: picking.select_all(session),
    "invert": lambda _, session: picking.invert(session),
    "clear": lambda _, session: clear_selection(session),
    "hide_selected": lambda _, session: masking.hide_selected(session),
    "unhide_selected": lambda _, session: masking.unhide_selected(session),
    "unhide_all": lambda _, session: masking.clear(session),
    "undo": lambda _, session: masking.undo(session),
    "redo": lambda _, session: masking.redo(session),
    "predict": lambda _, session: predict(session),
    "save_session": lambda _, session: save_session(session),
    "blink": lambda _, session: blink(session),
    "curtain": lambda _, session: toggle_curtain(session),
    "side_by_side": lambda _, session: toggle_side_by_side(session),
}


def run(viewer: Viewer, command: str) -> bool:
    """Run a command on a viewer; an error is shown as its sentence.

    In the workbench's message line, or as a napari notification without one.
    """
    session = session_of(viewer)
    try:
        COMMANDS[command](bare(viewer), session)
    except ScfmError as error:
        session.fail(error)
        if "dock" not in session.parts:
            show_error(str(error))
        return False
    return True


def bind_keys(viewer: Viewer, layers: Iterable[Layer]) -> None:
    """Bind every key to layers of ours; other layers keep napari's keys."""
    reference = weakref.ref(bare(viewer))

    def runner(command: str) -> Callable[[Layer], None]:
        def on_key(layer: Layer) -> None:
            there = reference()
            if there is not None:
                run(there, command)

        return on_key

    for layer in layers:
        for key in KEYS:
            layer.bind_key(key.key, runner(key.command), overwrite=True)
