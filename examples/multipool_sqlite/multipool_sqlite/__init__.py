"""SQLite's adapter for multipool: `driver` is what its entry point names.

- `adapter`: the contract, fulfilled with the calls of Python's `sqlite3`.
- `connection`: the classes that a pool lends.
"""

from multipool_sqlite.adapter import SQLiteDriver
from multipool_sqlite.connection import Connection, Cursor

__all__ = ["Connection", "Cursor", "SQLiteDriver", "driver"]

driver = SQLiteDriver()
