"""Every key of the plugin, as data: bound to our own layers, listed in the dock.

Single letters that napari leaves free on Labels layers are used; ``Control-Z`` and
``Control-Shift-Z`` take the place of the paint undo, on our locked layers only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key: napari's name of it, the command it runs, what it does."""

    key: str
    command: str
    text: str


KEYS: tuple[Key, ...] = (
    Key("PageDown", "next_fov", "next field of view"),
    Key("PageUp", "previous_fov", "previous field of view"),
    Key("J", "next_gene", "next gene"),
    Key("K", "previous_gene", "previous gene"),
    Key("S", "tool_click", "select by click"),
    Key("Q", "tool_box", "select by box"),
    Key("W", "tool_lasso", "select by lasso"),
    Key("G", "tool_brush", "select by brush"),
    Key("D", "tool_disc", "select a disc of tissue"),
    Key("R", "tool_stripe", "select a stripe of tissue"),
    Key("[", "smaller", "smaller brush"),
    Key("]", "larger", "larger brush"),
    Key("A", "select_all", "select all cells"),
    Key("I", "invert", "select the others"),
    Key("Escape", "clear", "clear the selection, back to pan and zoom"),
    Key("H", "hide_selected", "hide the selected cells from the model"),
    Key("U", "unhide_selected", "show the selected cells to the model again"),
    Key("Control-Z", "undo", "undo the last mask"),
    Key("Control-Shift-Z", "redo", "redo the mask"),
    Key("Control-Enter", "predict", "guess back what is hidden"),
    Key("Control-Shift-S", "save_session", "save the session"),
    Key("T", "blink", "blink truth and prediction"),
    Key("N", "side_by_side", "truth, prediction and error side by side"),
    Key("/", "curtain", "draw a curtain between truth and prediction"),
)


def key_of(command: str) -> str:
    """Return the key of a command as people write it, such as ``Ctrl+Z``."""
    for entry in KEYS:
        if entry.command == command:
            return (
                entry.key.replace("Control", "Ctrl")
                .replace("-", "+")
                .replace("Escape", "Esc")
            )
    return ""
