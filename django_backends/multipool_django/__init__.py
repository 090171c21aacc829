"""Django's own PostgreSQL backend on a pool, once for each driver.

The ENGINEs are ``multipool_django.psycopg2``, ``multipool_django.pg8000`` and
``multipool_django.psycopg``; ``OPTIONS["pool"]`` is read by `options`. A reader finds

- how Django's modules come to run on one driver: `twin`, `generate`, and pg8000 under
  psycopg2's names in ``pg8000.facade``;
- where connections come from and go to: `wrapper`, `targets`, `startup`, `opening`;
- what else of Django is told: `checks`, `primary` and `type_handlers` (for
  ``django.contrib.postgres``), `exclusions` (for Django's own test suite).
"""
