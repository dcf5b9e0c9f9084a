"""A progress bar on stderr that the library's progress callbacks move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scfm.progress import Progress, ProgressCallback


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """Show a bar while the block runs; silent where stderr is not a terminal."""
    from tqdm import tqdm

    with tqdm(desc=title, disable=None, leave=False) as bar:

        def move(progress: Progress) -> None:
            bar.total = progress.total or None
            bar.n = progress.done
            bar.set_postfix_str(progress.message, refresh=False)
            bar.refresh()

        yield move


@contextmanager
def training_bar() -> Iterator[ProgressCallback]:
    """Show a bar with loss, speed and the time that is left."""
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}% |{bar:20}| {postfix}"
    with tqdm(desc="Training", disable=None, leave=False, bar_format=form) as bar:
        known: dict[str, float] = {}

        def move(progress: Progress) -> None:
            known.update(progress.figures)
            bar.total = progress.total or None
            bar.n = progress.done
            bar.set_postfix_str(training_words(known), refresh=False)
            bar.refresh()

        yield move


def training_words(figures: dict[str, float]) -> str:
    """Return what a training run has told so far: ``epoch 3/50, loss 1.20, ...``."""
    out = []
    if "epochs" in figures:
        out.append(f"epoch {figures['epoch']:.0f}/{figures['epochs']:.0f}")
    for name, word in (("loss", "loss"), ("validation_loss", "held out")):
        if name in figures:
            out.append(f"{word} {figures[name]:.4g}")
    if "rate" in figures:
        out.append(f"{figures['rate']:.3g} steps/s")
        minutes, seconds = divmod(round(figures["seconds_left"]), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
        out.append(f"{clock}:{seconds:02} left")
    return ", ".join(out)
