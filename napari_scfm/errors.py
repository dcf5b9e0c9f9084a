"""Errors that are written for the person who meets them.

An error is one sentence that says what was found and where, plus one that says
what to do. Whatever can be checked together is collected and raised together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ScfmError(ValueError):
    """Something that the user can put right.

    Parameters
    ----------
    message
        One sentence: what was found, where (path, row, gene or cell), what was
        expected.
    action
        What to do about it, one sentence.
    problems
        All single problems, when several were found together.
    """

    def __init__(
        self, message: str, action: str = "", problems: Iterable[str] = ()
    ) -> None:
        self.message = message.strip()
        self.action = action.strip()
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.message} {self.action}".strip()
        if len(self.problems) > 1:
            text += "".join(f"\n  - {problem}" for problem in self.problems)
        return text


class SlideError(ScfmError):
    """A slide on disk, or a table, that cannot be read as one."""


class MaskError(ScfmError):
    """A mask that names what the table does not hold, or hides too much."""


class ModelError(ScfmError):
    """A model that cannot be loaded or cannot read this table."""


class SpecError(ScfmError):
    """An experiment that cannot be run as it is written."""


class MissingExtraError(ScfmError):
    """An optional package that this step needs is not installed.

    Parameters
    ----------
    package
        The package that is missing.
    extra
        The extra of napari-scfm that brings it.
    purpose
        What it is needed for, as it stands in a sentence.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            f"Install it with: pip install 'napari-scfm[{extra}]'",
        )


def named(names: Iterable[object], limit: int = 5) -> str:
    """Return the first names of a list for a message: ``A, B, C and 4 more``."""
    items = [str(name) for name in names]
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 FOV``, ``3 FOVs``, ``1 cell has``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
