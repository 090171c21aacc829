"""Django's PostGIS backend on a pool, for the drivers that Django has it for.

The ENGINEs are ``multipool_django.postgis.psycopg2`` and ``multipool_django.postgis.psycopg``:
twins of Django's own, each on top of the ENGINE of the same driver. They need what GeoDjango
needs: GEOS, GDAL and PROJ here, and PostGIS on the server.
"""
