"""What stands for the pool's slot, where the suite needs no pool."""

from __future__ import annotations

from typing import Any


class StandInSlot:
    """Notes what is given back, and what the adapter saw its user touch."""

    def __init__(self) -> None:
        self.given_back: list[Any] = []
        self.touched = 0
        self.wary = False
        self.serial = 1
        self.settled_lease = 0

    def give_back(self, conn: Any) -> None:
        """Take the connection back."""
        self.given_back.append(conn)
