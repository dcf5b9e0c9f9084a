"""What a user should know of a model and of what it read."""

from __future__ import annotations


class Notes(list[str]):
    """Sentences; what is said twice stands here once."""

    def say(self, *sentences: str) -> None:
        """Add the sentences that are not here yet."""
        for sentence in sentences:
            if sentence not in self:
                self.append(sentence)
