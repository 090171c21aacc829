"""Django's own PostgreSQL backend on a pool, once for each driver.

The ENGINEs are ``multipool_django.psycopg2``, ``multipool_django.pg8000`` and
``multipool_django.psycopg``, and those with PostGIS in `postgis`; ``OPTIONS["pool"]`` is read
by `options`. A reader finds

- how Django's modules come to run on one driver: `twin`, `generate`, and pg8000 under
  psycopg2's names in ``pg8000.facade``;
- where connections come from and go to: `wrapper`, `snapshot`, `targets`, `startup`, `opening`;
  with what: `passwords`, `binding`, `health`; and who asked: `callers`;
- what else of Django is told: `primary` and `type_handlers` (for ``django.contrib.postgres``),
  `creation` and `exclusions` (for test runners);
- what is told to people: `checks`, `validation` (which asks the server) and `ranges`, with
  `engines`, `processes` and `demand`; and ``manage.py multipool`` in `management`.
"""
