"""Pools on the fake driver: exact timing, scripted failures, no database."""

from fake_pools import fake, make_pool

__all__ = ["fake", "make_pool"]
