"""What hears a server's notices in the place of a driver's list."""

from __future__ import annotations


class Heard:
    """What drivers are content with: it is given notices, or notifications, and keeps nothing."""

    def __init__(self) -> None:
        self.heard = 0

    def append(self, told: object) -> None:
        """Count it."""
        self.heard += 1


NOTICE = "do $$ begin raise notice 'hear, hear'; end $$"
