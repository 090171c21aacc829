"""The connection class that a pool of psycopg2 connections lends."""

from __future__ import annotations

import psycopg2.extensions

from multipool.driver import Pooled


class Connection(Pooled, psycopg2.extensions.connection):
    """psycopg2's own connection, whose ``close`` gives it back to its pool.

    A subclass made through psycopg2's factory, so that its C functions (``register_type``,
    ``execute_values``, COPY) and ``cursor_factory`` go on working.
    """
