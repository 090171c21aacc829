# Written by multipool_django.generate; change that instead.
from django.contrib.gis.db.backends.postgis.operations import *  # noqa: F403
