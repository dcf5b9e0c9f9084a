"""What was done in the window, as the command line that does it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import ModelError, SlideError
from napari_scfm.experiments.command import command_line
from napari_scfm.viewer import tasks
from napari_scfm.viewer.look import comparison_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    check_in_files(session, spec.models)
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


def check_in_files(session: Session, sources: Sequence[str]) -> None:
    """Refuse models that no other program could load.

    Raises
    ------
    ModelError
        If one was trained in this window and never saved.
    """
    trained = session.parts.get(tasks.TRAINED, {})
    only_here = [n for n in sources if n in trained and not Path(n).exists()]
    if only_here:
        raise ModelError(
            f"{only_here[0]} was trained in this window and is not saved yet.",
            "Save it in step 8, then press Predict again.",
        )


def sweep_models(session: Session, asked: tasks.Asked) -> tuple[str, ...]:
    """Return the models of a sweep: the loaded one and what else is ticked.

    Raises
    ------
    ScfmError
        If no slide is open, no model is loaded, or one is in no file yet.
    """
    work = tasks.work_of(session, "impute")
    models = (work.source, *asked.also)
    check_in_files(session, models)
    return tuple(dict.fromkeys(models))
