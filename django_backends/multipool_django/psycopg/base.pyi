# Written by multipool_django.generate; change that instead.
from typing import ClassVar

from django.db.backends.postgresql.base import Cursor as Cursor
from django.db.backends.postgresql.base import CursorDebugWrapper as CursorDebugWrapper
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper
from django.db.backends.postgresql.base import psycopg_version as psycopg_version

from multipool_django.wrapper import PooledWrapper

class DatabaseWrapper(PooledWrapper, DjangoWrapper):
    driver: ClassVar[str]
