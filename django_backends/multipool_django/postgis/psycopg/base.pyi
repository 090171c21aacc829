# Written by multipool_django.generate; change that instead.
from multipool_django.postgis.wrapper import SpatialWrapper
from multipool_django.psycopg.base import DatabaseWrapper as PlainWrapper

class DatabaseWrapper(SpatialWrapper, PlainWrapper): ...
