"""One PostgreSQL connection pool for any driver, with Django or without.

    from multipool import Pool

    pool = Pool("postgresql://app@db/shop", driver="psycopg2", max_size=10)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")

The names below are the public ones; `multipool.driver` holds the contract for adapters,
and `multipool.testing` what tests them.
"""

from importlib.metadata import version

from multipool.config import UNLIMITED, PoolConfig
from multipool.driver import Driver, drivers, get_driver
from multipool.errors import (
    ConnectionNotLeased,
    PoolClosed,
    PoolConfigError,
    PoolError,
    PoolTimeout,
    TooManyWaiting,
)
from multipool.pool import Pool, pools
from multipool.stats import PoolStats

__version__ = version("multipool")

__all__ = [
    "UNLIMITED",
    "ConnectionNotLeased",
    "Driver",
    "Pool",
    "PoolClosed",
    "PoolConfig",
    "PoolConfigError",
    "PoolError",
    "PoolStats",
    "PoolTimeout",
    "TooManyWaiting",
    "__version__",
    "drivers",
    "get_driver",
    "pools",
]
