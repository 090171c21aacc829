"""What one call to the store knew of, to see afterwards what has come since."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Talk:
    """What had happened by the last claim of a call."""

    #: How many had found no connection, and how many had knocked; and what its share was at first.
    wakes: int
    knocks: int
    had: int
    #: Whether the pool could use more when that was looked at last.
    asking: bool = True

    def missed(self, wakes: int) -> bool:
        """Return whether what is wanted has changed since, *wakes* being what there are now."""
        return self.wakes != wakes and not self.asking
