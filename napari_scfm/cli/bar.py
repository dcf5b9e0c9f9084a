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
