"""A database with the fleet, as in tests/fleet."""

from __future__ import annotations

from fleet.conftest import bare, make_pool, ops, roles, store

__all__ = ["bare", "make_pool", "ops", "roles", "store"]
