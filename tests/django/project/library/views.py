"""Views that a pool can get wrong."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

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


def process(request: HttpRequest) -> JsonResponse:
    """Answer with this process, its threads, and the server process that serves it."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        backend = cursor.fetchone()[0]
        # So that two requests at once are served by two, where there are two.
        cursor.execute("select pg_sleep(0.05)")
    upkeep = sum(thread.name == "multipool-upkeep" for thread in threading.enumerate())
    before = os.environ.get("LIBRARY_LOADED_BY")
    return JsonResponse(
        {"process": os.getpid(), "backend": backend, "upkeep": upkeep, "loaded_by": before}
    )


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send rows as the server delivers them, from a cursor of its own."""

    def rows() -> Iterator[str]:
        numbers = Author.objects.values_list("id", flat=True).iterator(chunk_size=100)
        for number in numbers:
            yield f"{number}\n"

    return StreamingHttpResponse(rows())


def leave(request: HttpRequest) -> HttpResponse:
    """Run the SQL of the query string, and leave the session as it is then."""
    with connection.cursor() as cursor:
        cursor.execute(request.GET["sql"])
    return JsonResponse({})


def see(request: HttpRequest) -> JsonResponse:
    """Answer with what the SQL of the query string finds."""
    with connection.cursor() as cursor:
        cursor.execute(request.GET["sql"])
        return JsonResponse({"found": str(cursor.fetchone()[0])})


def hold(request: HttpRequest) -> JsonResponse:
    """Hold a connection until the test lets go of it."""
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    holding.set()
    let_go.wait(10)
    return JsonResponse({})


def hold_twice(request: HttpRequest) -> JsonResponse:
    """Ask, wait until the test lets go, and ask again."""
    before = Author.objects.count()
    holding.set()
    let_go.wait(10)
    return JsonResponse({"authors": [before, Author.objects.count()]})


def book(request: HttpRequest, secret: str) -> JsonResponse:
    """Ask within a transaction, then without one; hold on to the connection for a while."""
    with transaction.atomic():
        Author.objects.count()
        time.sleep(0.05)
    Author.objects.count()
    time.sleep(0.2)
    return JsonResponse({})


def trickle(request: HttpRequest) -> StreamingHttpResponse:
    """Send what one query has found in two parts; the second when the test lets go."""

    def parts() -> Iterator[str]:
        yield f"{Author.objects.count()} "
        holding.set()
        let_go.wait(10)
        yield "authors"

    return StreamingHttpResponse(parts())


#: Between the views above and the test in the same process that asks for them.
holding = threading.Event()
let_go = threading.Event()


async def count(request: HttpRequest) -> JsonResponse:
    """Answer with the number of authors, asked without blocking."""
    return JsonResponse({"authors": await Author.objects.acount()})


async def wait(request: HttpRequest) -> JsonResponse:
    """Use a connection, then wait for something else."""
    await Author.objects.acount()
    reached.set()
    await asyncio.sleep(20)
    return JsonResponse({})


async def wait_in_a_query(request: HttpRequest) -> JsonResponse:
    """Wait for the server, in a transaction."""
    await sync_to_async(_write_slowly)()
    return JsonResponse({})


def _write_slowly() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        Author.objects.create(name="cancelled")
        reached.set()
        cursor.execute("select pg_sleep(0.5)")
        raise Http404


#: Tells the test that one of the two above has got so far.
reached = threading.Event()
