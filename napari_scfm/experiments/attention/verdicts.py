"""What a check of a model's attention says, in one sentence for window and file.

Decides when a check warns: where a network that learned nothing, or was fed nonsense,
draws the same picture; and where another training draws another one.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_scfm.analysis.attention.attention_field import LEVEL
from napari_scfm.errors import counted

RANDOM = "random weights"
EXCHANGED = "expression exchanged"
UNIFORM = "uniform attention"
PLACES = "coordinates"
OTHER = "other checkpoint"
CHECKS = (RANDOM, EXCHANGED, UNIFORM, PLACES, OTHER)
"""All checks, in the order in which they are told."""

ALIKE = 0.8
"""Fields with a correlation above this show the same picture."""

APART = 0.5
"""Fields with a correlation below this show different ones."""


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes
    ----------
    check
        One of :data:`CHECKS`.
    correlation
        Cosine between two smooth fields, -1..1; the mean over repeats. NaN where one
        of them is empty.
    lowest, highest
        Over the repeats.
    p_value
        Of the joint test with what was broken, the median over repeats; for
        "expression exchanged" that of the model's own energy among the exchanges.
    repeats
        Fields that were compared.
    changed
        Whether the attention changed at all.
    pattern
        Mean size of the correlations, whatever their sign: weights that are drawn
        anew may turn the same streams around. NaN for that of ``correlation``.
    """

    check: str
    correlation: float
    lowest: float
    highest: float
    p_value: float
    repeats: int = 1
    changed: bool = True
    pattern: float = float("nan")

    @property
    def alike(self) -> bool:
        """Whether both fields show the same picture."""
        return self.correlation > ALIKE

    @property
    def turned(self) -> bool:
        """Whether they do so only up to their direction."""
        return not self.alike and self.pattern > ALIKE

    @property
    def beats_chance(self) -> bool:
        """Whether the p-value is at most 5 %."""
        return self.p_value <= LEVEL


def warns(found: Outcome) -> bool:
    """Tell whether a check speaks against the picture."""
    if found.check == OTHER:
        return found.correlation < APART
    if found.check == EXCHANGED:
        return found.alike or not found.beats_chance
    if found.check == RANDOM:
        return found.alike or found.turned
    return found.alike or not found.changed


def sentence(found: Outcome) -> str:
    """Return what a check says of the picture."""
    if found.correlation != found.correlation:
        return "One of the two fields is empty, so there is nothing to compare."
    tell = {
        RANDOM: _random,
        EXCHANGED: _exchanged,
        UNIFORM: _uniform,
        PLACES: _places,
        OTHER: _other,
    }
    return tell[found.check](found)


def _random(found: Outcome) -> str:
    numbers = f"{_r(found)}, {counted(found.repeats, 'draw')}"
    if found.alike:
        return (
            f"Random weights draw nearly the same streams ({numbers}): this picture "
            "was not learned."
        )
    if found.turned:
        return (
            f"Random weights draw nearly the same lines in either direction ({numbers})"
            ": the pattern was not learned, at most its direction."
        )
    text = f"Random weights draw other streams ({numbers})"
    if found.beats_chance:
        return (
            f"{text}, but these beat chance too (p = {found.p_value:.2g}): beating "
            "chance alone does not show that anything was learned."
        )
    return f"{text}, and these do not beat chance (p = {found.p_value:.2g})."


def _exchanged(found: Outcome) -> str:
    numbers = (
        f"p = {found.p_value:.2g}, {_r(found)}, {counted(found.repeats, 'exchange')}"
    )
    if not found.beats_chance:
        text = (
            "The streams are no stronger than when cells of one kind exchange their "
            f"expression ({numbers})"
        )
        if found.alike:
            return f"{text}, and look alike: they come from where the kinds lie."
        return f"{text}: they need no expression that differs inside kinds."
    text = (
        "The streams are stronger than when cells of one kind exchange their "
        f"expression ({numbers})"
    )
    if found.alike:
        return f"{text}, but look alike: most comes from where the kinds lie."
    return f"{text}: expression differs over the tissue also inside kinds."


def _uniform(found: Outcome) -> str:
    if found.alike:
        return (
            f"The raw arrows are those of uniform attention ({_r(found)}): geometry, "
            "not the model. Read the rest only."
        )
    return f"The raw arrows are not those of uniform attention ({_r(found)})."


def _places(found: Outcome) -> str:
    if not found.changed:
        return (
            "The attention does not change when cells exchange their places: this "
            "model ignores coordinates."
        )
    if found.alike:
        return (
            "Told that the cells lie elsewhere, the model draws nearly the same "
            f"streams ({_r(found)}): they come from expression, not from places."
        )
    return (
        "Told that the cells lie elsewhere, the model draws other streams "
        f"({_r(found)}): it reads where cells lie."
    )


def _other(found: Outcome) -> str:
    if found.alike:
        return (
            f"The other checkpoint draws nearly the same streams ({_r(found)}): they "
            "do not hang on one training."
        )
    if found.correlation < APART:
        return (
            f"The other checkpoint draws other streams ({_r(found)}): do not read "
            "much into either."
        )
    return f"The other checkpoint draws partly the same streams ({_r(found)})."


def _r(found: Outcome) -> str:
    if found.repeats > 1:
        return f"r = {found.lowest:.2f} to {found.highest:.2f}"
    return f"r = {found.correlation:.2f}"
