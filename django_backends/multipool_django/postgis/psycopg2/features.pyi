# Written by multipool_django.generate; change that instead.
from django.contrib.gis.db.backends.postgis.features import *  # noqa: F403
