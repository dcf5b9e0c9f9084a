"""What was done in the window, as the command line that does it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import ModelError, SlideError
from napari_scfm.experiments.command import command_line
from napari_scfm.viewer import tasks
from napari_scfm.viewer.look import comparison_of

if TYPE_CHECKING:
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.viewer.session import Session


def command_of(session: Session, asked: tasks.Asked) -> str:
    """Return the line that repeats the result on show, or runs what Predict would.

    Raises
    ------
    ScfmError
        If nothing is hidden, or a model or the slide is in this window only.
    """
    spec = spec_on_show(session) or tasks.spec_of(
        tasks.work_of(session, "impute"), asked
    )
    only_here = [
        name
        for name in spec.models
        if name in session.parts.get(tasks.TRAINED, {}) and not Path(name).exists()
    ]
    if only_here:
        raise ModelError(
            f"{only_here[0]} was trained in this window and is not saved yet.",
            "Save it in step 8, then press Predict again.",
        )
    path = Path(session.slide.path)
    if not path.exists():
        raise SlideError(
            f"The slide {session.slide.name} is not at {path} any more.",
            "Put it back, or open it from where it is.",
        )
    return command_line(spec, path)


def spec_on_show(session: Session) -> ExperimentSpec | None:
    """Return the spec of the result on show, while the same is still hidden."""
    made = comparison_of(session)
    if made is None or made.result is None:
        return None
    spec = made.result.spec
    same = spec.mask == session.recipe and spec.in_turn == session.in_turn
    return spec if same else None
