"""Django's own PostgreSQL backend on a pool, once for each driver.

The ENGINEs are ``multipool_django.psycopg2``, ``multipool_django.pg8000`` and
``multipool_django.psycopg``, and those with PostGIS in `postgis`; ``OPTIONS["pool"]`` is read
by `options`. A reader finds

- how Django's modules come to run on one driver: `twin`, `generate`, and pg8000 under
  psycopg2's names in ``pg8000.facade``;
- where connections come from and go to: `wrapper`, `snapshot`, `shortcut`, `targets`, `startup`,
  `opening`, and `hold` if they go back earlier than a request; with what: `passwords`,
  `own_connect`, `binding`, `isolation`, `health`; who asked: `callers`; and what Django has for a
  cursor: `cursors`;
- what else of Django is told: `primary` and `type_handlers` (for ``django.contrib.postgres``),
  `creation` and `exclusions` (for test runners);
- what is told to people: `checks`, `validation` (which asks the server) and `ranges`, with
  `engines`, `processes` and `demand`; and ``manage.py multipool`` in `management`.
"""

import sys
from typing import Any

_conf: Any = sys.modules.get("django.conf")

# Whoever looks for an ENGINE of ours comes by here first, whether or not it is there. What Django
# says of one that is not there lists its own.
if _conf is not None and _conf.settings.configured:
    from multipool_django.engines import refuse_unknown

    refuse_unknown(_conf.settings.DATABASES)
