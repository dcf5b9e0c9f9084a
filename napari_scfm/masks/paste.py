"""A pasted list of genes, from a paper, a spreadsheet or a terminal.

Names may be parted by commas, semicolons, spaces, tabs or new lines, in quotes or
brackets, twice, or in other letter case. Whatever is not understood is reported with
what it might mean; nothing is dropped in silence.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_scfm.errors import MaskError, counted, named
from napari_scfm.masks.groups import matching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PARTS = re.compile(r"[,;\t\r\n|]+")
_AROUND = " \"'`“”‘’„()[]{}<>."
_WILD = re.compile(r"[*?]")
_CLOSE = 3


@dataclass(frozen=True)
class Pasted:
    """What a pasted list holds.

    Attributes
    ----------
    genes
        Names as the table spells them, each once, in the order pasted.
    patterns
        Shell patterns, such as ``KRT*``, that fit a gene.
    repeated
        Names that came more than once.
    unknown
        What fits no gene -> likely names, best first.
    """

    genes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    unknown: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def problems(self) -> list[str]:
        """One line for each unknown name."""
        return [
            f"no gene {name}{f', but {named(close)}' if close else ''}"
            for name, close in self.unknown
        ]

    def describe(self) -> str:
        """Return what was found, in one sentence: for the line below a text box."""
        said = [counted(len(self.genes), "gene")]
        if self.patterns:
            said.append(f"genes like {named(self.patterns)}")
        if self.repeated:
            said.append(f"{len(self.repeated)} named twice ({named(self.repeated, 3)})")
        if self.unknown:
            missing = named([name for name, _ in self.unknown], 3)
            said.append(f"{len(self.unknown)} not on this panel ({missing})")
        return "; ".join(said)

    def require(self) -> None:
        """Refuse a list with unknown names.

        Raises
        ------
        MaskError
            If there are any; all are named with what they might mean.
        """
        if self.unknown:
            raise MaskError(
                f"{counted(len(self.unknown), 'pasted name is', 'pasted names are')} "
                f"not on this panel: {named([name for name, _ in self.unknown], 20)}.",
                "Correct or remove them.",
                self.problems,
            )


def parse_genes(text: str, known: Sequence[str]) -> Pasted:
    """Return the genes of a pasted list.

    Parameters
    ----------
    text
        As it was pasted.
    known
        Names of the table's genes.
    """
    spelled = _spellings(known)
    genes: list[str] = []
    patterns: list[str] = []
    repeated: list[str] = []
    unknown: dict[str, tuple[str, ...]] = {}
    for word in _words(text, spelled):
        fits = spelled.get(word) or spelled.get(word.casefold(), "")
        if fits:
            (repeated if fits in genes else genes).append(fits)
        elif _WILD.search(word) and matching(known, word):
            (repeated if word in patterns else patterns).append(word)
        elif word not in unknown:
            unknown[word] = _close(word, spelled)
    return Pasted(
        tuple(genes),
        tuple(patterns),
        tuple(dict.fromkeys(repeated)),
        tuple(unknown.items()),
    )


def _words(text: str, spelled: dict[str, str]) -> Iterable[str]:
    """Yield the words of a text; a name with a space in it stays whole."""
    for part in _PARTS.split(text):
        whole = part.strip(_AROUND)
        if whole in spelled or whole.casefold() in spelled:
            yield whole
            continue
        for word in part.split():
            if bare := word.strip(_AROUND):
                yield bare


def _spellings(known: Sequence[str]) -> dict[str, str]:
    """Return every way in which a gene can be meant without doubt."""
    names = [str(name) for name in known]
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    sure = {small: same[0] for small, same in folded.items() if len(same) == 1}
    return sure | {name: name for name in names}


def _close(word: str, spelled: dict[str, str]) -> tuple[str, ...]:
    near = difflib.get_close_matches(word.casefold(), list(spelled), n=2 * _CLOSE)
    return tuple(dict.fromkeys(spelled[name] for name in near))[:_CLOSE]
