"""Views that a pool can get wrong."""

from __future__ import annotations

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from library.models import Author


def slow(request: HttpRequest) -> JsonResponse:
    """Hold a connection for 10 ms; answer with the server process that served it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid(), pg_sleep(0.01)")
        return JsonResponse({"pid": cursor.fetchone()[0]})


def broken(request: HttpRequest) -> HttpResponse:
    """Fail in the middle of a transaction, after an error on the server."""
    with transaction.atomic():
        Author.objects.create(name="nobody")
        with connection.cursor() as cursor:
            cursor.execute("select 1 / 0")
    return HttpResponse("never")


def state(request: HttpRequest) -> JsonResponse:
    """Answer with what the connection looks like to whoever gets it."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid(), now() = statement_timestamp()")
        pid, fresh = cursor.fetchone()
    return JsonResponse(
        {
            "pid": pid,
            # In a transaction that somebody left open, now() is when that began.
            "fresh": fresh,
            "autocommit": connection.connection.autocommit,
            "nobodies": Author.objects.filter(name="nobody").count(),
        }
    )
