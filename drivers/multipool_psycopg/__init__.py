"""psycopg 3's adapter for multipool: `driver` is what its entry point names.

- `adapter`: the contract, fulfilled with psycopg's own calls.
- `connection`, `cursor`: the classes that a pool lends.
- `piggyback`: those whose BEGIN travels with the first statement.
- `planned`, `kept`: cursors that execute prepared what the pool has plans for, and the store
  of what is prepared.
- `observed`: cursors that tell what they execute.
- `params`: which parameters are accepted, and what is added to them.
- `session`: the settings a connection keeps on the client's side.
"""

from multipool_psycopg.adapter import PsycopgDriver
from multipool_psycopg.connection import Connection

__all__ = ["Connection", "PsycopgDriver", "driver"]

driver = PsycopgDriver()
