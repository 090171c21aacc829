"""Which text stands for a statement, remembered by the statement's hash.

A program executes the same texts over and over, and to look one up costs a fiftieth of reading
it. The raw text is not kept, since it may hold literals; that two share a 64-bit hash is less
likely than that the machine miscounts. Two generations, of which the older is forgotten as a
whole: no lock, and no list to keep in order.
"""

from __future__ import annotations

from typing import Final

from multipool.watch.queries.normaliser import normalise

#: How many statements a generation holds, and how many characters of text.
GENERATION: Final = 2048
CHARACTERS: Final = 1_000_000

#: Stands for what has no text, such as a comment alone.
NO_TEXT: Final = "<no statement>"


class Fingerprints:
    """The normalised texts of the statements that were seen lately, by any thread."""

    def __init__(self) -> None:
        #: The texts of the younger generation, by the hash of the statement.
        self.young: dict[int, str] = {}
        self._old: dict[int, str] = {}
        # One string for each text, so that many statements of one shape hold it once.
        self._texts: dict[str, str] = {}
        self._characters = 0

    def of(self, statement: str | bytes) -> str:
        """Return the text that stands for *statement*."""
        key = hash(statement)
        return self.young.get(key) or self._miss(key, statement)

    def known(self, key: int) -> str | None:
        """Return the text of the statement whose hash is *key*; None if it was not seen lately."""
        return self.young.get(key) or self._old.get(key)

    def _miss(self, key: int, statement: str | bytes) -> str:
        text = self._old.get(key)
        if text is None:
            # Of bytes only the ASCII ones mean anything to the tokens.
            read = normalise(
                statement if isinstance(statement, str) else statement.decode("latin-1")
            )
            if read not in self._texts:
                self._characters += len(read)
            text = self._texts.setdefault(read, read) or NO_TEXT
        if len(self.young) >= GENERATION or self._characters > CHARACTERS:
            self._old, self.young, self._texts, self._characters = self.young, {}, {}, 0
        self.young[key] = text
        return text
