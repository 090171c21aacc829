"""What Django uses of ``psycopg2.extensions``."""

from __future__ import annotations

from typing import Final

from multipool_django.pg8000.facade.adapting import (
    Adapted,
    QuotedString,
    adapt,
    register_adapter,
)
from multipool_django.pg8000.facade.casters import (
    UNICODE,
    Caster,
    new_array_type,
    register_type,
)
from multipool_pg8000 import Connection as connection  # noqa: N813  # psycopg2's names
from multipool_pg8000 import Cursor as cursor  # noqa: N813

# The levels by psycopg2's numbers, which Django's settings use and the adapter takes.
ISOLATION_LEVEL_AUTOCOMMIT: Final = 0
ISOLATION_LEVEL_READ_COMMITTED: Final = 1
ISOLATION_LEVEL_REPEATABLE_READ: Final = 2
ISOLATION_LEVEL_SERIALIZABLE: Final = 3
ISOLATION_LEVEL_READ_UNCOMMITTED: Final = 4

__all__ = [
    "UNICODE",
    "Adapted",
    "Caster",
    "QuotedString",
    "adapt",
    "connection",
    "cursor",
    "new_array_type",
    "register_adapter",
    "register_type",
]
