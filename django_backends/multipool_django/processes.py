"""How many processes of this site have a pool each."""

from __future__ import annotations

import os
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SETTING: Final = "MULTIPOOL_PROCESSES"
#: What gunicorn and uvicorn take for the number of their workers, and many hosts set.
VARIABLE: Final = "WEB_CONCURRENCY"


def count() -> int:
    """Return the setting ``MULTIPOOL_PROCESSES``, else ``WEB_CONCURRENCY``, else 1.

    The setting is the better source: it counts the processes on all machines, those of task
    queues among them. Raises `ImproperlyConfigured` for anything but a positive integer.
    """
    given = getattr(settings, SETTING, None)
    if given is not None:
        return _positive(given, f"{SETTING}={given!r}")
    variable = os.environ.get(VARIABLE)
    if variable:
        number = int(variable) if variable.strip().isdecimal() else 0
        return _positive(number, f"{VARIABLE}={variable!r} in the environment")
    return 1


def _positive(number: object, what: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ImproperlyConfigured(f"{what}: must be an integer of at least 1")
    return number
