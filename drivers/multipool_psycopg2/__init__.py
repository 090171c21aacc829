"""psycopg2's adapter for multipool: `driver` is what its entry point names.

- `adapter`: the contract, fulfilled with psycopg2's own calls.
- `connection`, `cursor`: the classes that a pool lends.
- `piggyback`, `piggyback_cursor`: those whose BEGIN travels with the first statement.
- `planned`: cursors that execute prepared what the pool has plans for.
- `observed`: cursors that tell what they execute.
- `params`: which parameters are accepted, and what is added to them.
- `session`: the settings a connection keeps on the client's side.
"""

from multipool_psycopg2.adapter import Psycopg2Driver
from multipool_psycopg2.connection import Connection

__all__ = ["Connection", "Psycopg2Driver", "driver"]

driver = Psycopg2Driver()
