"""psycopg2's names over `multipool_pg8000`, as far as Django uses them.

What Django's backend for PostgreSQL, and ``django.contrib.postgres``, get when they
import ``psycopg2`` inside of ``multipool_django.pg8000``. It is not a replacement of
psycopg2 for anybody else: cursors, connections and errors are the adapter's own, and
what stands here translates psycopg2's ways to say how values are sent and read.
"""

from typing import Final

from multipool_django.pg8000.facade import extensions, extras, sql
from multipool_django.pg8000.facade.casters import STRING
from multipool_pg8000 import Binary, connect, errors
from multipool_pg8000.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004  # PEP 249's name
)

#: Django reads which psycopg2 this is. Its first word is the version whose behaviour is
#: followed.
__version__: Final = "2.9.10 (pg8000)"

__all__ = [
    "STRING",
    "Binary",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "connect",
    "errors",
    "extensions",
    "extras",
    "sql",
]
