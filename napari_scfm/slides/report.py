"""What a reader found, skipped and guessed: nothing is dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ReadReport:
    """Sentences a reader writes while it opens a slide.

    Attributes
    ----------
    found
        What is there: files, cells, genes, channels.
    skipped
        What was left out, how much of it, and why.
    guessed
        What the files do not say and was inferred, with the evidence.
    """

    found: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, list[str]]:
        """Return the three lists, ready for JSON."""
        return {
            "found": list(self.found),
            "skipped": list(self.skipped),
            "guessed": list(self.guessed),
        }

    def add(self, kind: str, sentence: str) -> None:
        """Add a sentence once; opening a FOV twice must not say it twice."""
        sentences: list[str] = getattr(self, kind)
        if sentence not in sentences:
            sentences.append(sentence)

    def __str__(self) -> str:
        lines = []
        for kind, sentences in self.to_dict().items():
            lines.append(f"{kind.capitalize()}:")
            lines += [f"  - {sentence}" for sentence in sentences] or ["  - nothing"]
        return "\n".join(lines)
