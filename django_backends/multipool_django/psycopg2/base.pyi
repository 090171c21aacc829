# Written by multipool_django.generate; change that instead.
from typing import ClassVar

from django.db.backends.postgresql.base import *
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper
from multipool_django.wrapper import PooledWrapper

class DatabaseWrapper(PooledWrapper, DjangoWrapper):  # type: ignore[misc]
    driver: ClassVar[str]
