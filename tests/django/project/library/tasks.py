"""A Celery worker that uses the database before it forks, and gives itself tasks.

Each task, and the worker's main process at the end, writes a line of JSON to the file that
``LIBRARY_REPORT`` names.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import django
from celery import Celery
from celery.signals import worker_ready
from django.db import connection, transaction

TASKS = 8
REPORT = Path(os.environ["LIBRARY_REPORT"])

app = Celery("library", broker="memory://")
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
django.setup()


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
    return pid


# Before the fork: one connection is in the pool then, and stays the parent's.
PARENTS = backend()
connection.close()


def tell(**what: Any) -> None:
    with REPORT.open("a") as file:
        file.write(json.dumps(what) + "\n")


@app.task
def ask(number: int) -> None:
    """Tell who serves; every other time, fail in a transaction."""
    with connection.cursor() as cursor:
        # In a transaction that somebody left open, now() is when that began.
        cursor.execute("select pg_backend_pid(), now() = statement_timestamp(), pg_sleep(0.1)")
        backend, fresh, _ = cursor.fetchone()
    tell(process=os.getpid(), backend=backend, fresh=fresh)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 1")
        if number % 2:
            raise ZeroDivisionError


@worker_ready.connect
def give_tasks(**_: object) -> None:
    threading.Thread(target=_give_tasks).start()


def _give_tasks() -> None:
    for number in range(TASKS):
        ask.delay(number)
    while len(REPORT.read_text().splitlines() if REPORT.exists() else []) < TASKS:
        time.sleep(0.01)
    told = {usage.name: usage.kind for usage in connection.pool.usage()}
    tell(process=os.getpid(), before=PARENTS, after=backend(), usage=told)
    connection.close()
