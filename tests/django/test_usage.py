"""For what connections were held, by views, commands and other code."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from importlib.util import find_spec
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.core.management import BaseCommand, call_command
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import ResolverMatch, URLPattern
from django.urls.resolvers import RoutePattern
from library import views
from library.models import Author
from support import Thread, until

from multipool.watch.usage import Usage
from multipool_django.management.commands.multipool import Command

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]


def told(kind: str) -> dict[str, Usage]:
    pool: Any = connections["default"].pool  # type: ignore[attr-defined]
    return {usage.name: usage for usage in pool.usage() if usage.kind == kind}


def in_a_thread(function: Callable[[], Any]) -> None:
    """Call *function*, below which is nothing but Python's own."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(10)


@pytest.fixture(params=["request", "transaction"])
def asked(request: pytest.FixtureRequest, site: Get) -> Get:
    """The site, which holds its connections in each of the two ways in turn."""
    connections.settings["default"]["OPTIONS"]["pool"]["hold"] = request.param
    return site


def test_a_view_is_told_by_name_and_route_and_no_parameter_with_it(asked: Get) -> None:
    for _ in range(3):
        assert asked("/books/hunter2/")[0] == 200
    until(lambda: "library.views.book" in told("view"))
    until(lambda: told("view")["library.views.book"].times == 3)
    found = told("view")["library.views.book"]
    assert found.route == "/books/<slug:secret>/"
    assert "hunter2" not in repr(list(connections["default"].pool.usage()))  # type: ignore[attr-defined]
    assert found.lasted > 3 * 0.25
    # The wait within a transaction is use, that after it is not.
    assert 3 * 0.05 < found.used < found.lasted - 3 * 0.19
    assert found.held == (found.used if found.hold == "transaction" else found.lasted)


def test_what_streams_holds_until_it_ends_unless_by_transaction(asked: Get) -> None:
    views.let_go.set()
    with pytest.raises(ValueError, match="Extra data"):
        asked("/trickle/")
    until(lambda: told("view").keys() == {"trickle"})
    views.let_go.clear()
    views.holding.clear()
    assert told("view")["trickle"].route == "/trickle/"


def test_a_view_that_fails_and_an_asynchronous_one_are_told_too(asked: Get) -> None:
    asked("/async/")
    assert asked("/broken/")[0] == 500
    until(lambda: told("view").keys() == {"library.views.count", "library.views.broken"})


def test_a_view_whose_resolver_tells_no_route_is_served_and_told_by_name(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection: Any = make_alias()

    def serve(request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("select 42")
            return HttpResponse(str(cursor.fetchone()[0]))

    class Bare(URLPattern):
        def resolve(self, path: str) -> ResolverMatch | None:
            told_by = ResolverMatch(serve, (), {}, captured_kwargs={}, extra_kwargs={})
            return told_by if path == "bare/" else None

    urls: Any = ModuleType("bare_urls")
    urls.urlpatterns = [Bare(RoutePattern("bare/"), serve)]
    monkeypatch.setitem(sys.modules, "bare_urls", urls)
    with override_settings(ROOT_URLCONF="bare_urls"):
        assert Client().get("/bare/").content == b"42"
    connection.close()
    ((name, found),) = told("view").items()
    assert name.endswith("serve")
    assert found.route == "/"


def test_a_command_has_its_own_heading(library: Any) -> None:
    library.close()
    call_command("dumpdata", "library.author", stdout=StringIO())
    library.close()
    assert told("command")["dumpdata"].times == 1


def test_other_code_is_told_by_its_outermost_function(library: Any) -> None:
    library.close()

    def task() -> None:
        with transaction.atomic():
            Author.objects.create(name="hunter2")
        connections.close_all()

    thread = threading.Thread(target=task)
    thread.start()
    thread.join(10)
    (name,) = told("code")
    assert name == f"{__name__}.{task.__qualname__}"


def test_the_command_shows_them_as_a_table_and_as_json(library: Any) -> None:
    library.close()
    Author.objects.count()
    library.close()

    def show(*arguments: str) -> str:
        output = StringIO()
        call_command(Command(), "usage", "--database", "default", *arguments, stdout=output)
        return output.getvalue()

    assert "other code" in show()
    (found,) = json.loads(show("--json"))
    assert (found["alias"], found["processes"], found["error"]) == ("default", 1, None)
    (usage,) = [each for each in found["usage"] if each["kind"] == "code"]
    assert usage["hint"] is None


def test_it_is_not_counted_where_queries_are_not(make_alias: MakeAlias) -> None:
    connection = make_alias(OPTIONS={"pool": {"queries": False}})
    connection.ensure_connection()
    connection.close()
    assert len(connection.pool.usage()) == 0


def test_what_django_gave_back_is_counted_no_more_when_somebody_else_has_the_connection(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(OPTIONS={"pool": {"max_size": 1}})
    connection.ensure_connection()
    physical = connection.connection
    connection.close()
    before = list(connection.pool.usage())
    with connection.pool.connection() as lent:
        assert lent is physical
        assert list(connection.pool.usage()) == before


def test_tasks_that_share_the_line_that_asks_are_told_apart(library: Any) -> None:
    library.close()

    def ask() -> None:
        Author.objects.count()
        connections.close_all()

    def nightly() -> None:
        ask()

    def hourly() -> None:
        ask()

    for task in (nightly, hourly, nightly, nightly):
        thread = threading.Thread(target=task)
        thread.start()
        thread.join(10)
    prefix = f"{__name__}.{test_tasks_that_share_the_line_that_asks_are_told_apart.__qualname__}"
    found = {name.removeprefix(prefix): usage.times for name, usage in told("code").items()}
    assert found == {".<locals>.nightly": 3, ".<locals>.hourly": 1}


def test_commands_that_share_all_their_code_are_told_apart(library: Any) -> None:
    library.close()

    class Count(BaseCommand):
        def handle(self, *args: Any, **options: Any) -> None:
            Author.objects.count()
            connections.close_all()

    def run(module: str) -> None:
        call_command(type("Command", (Count,), {"__module__": f"shop.commands.{module}"})())

    for module in ("imports", "exports", "imports"):
        run(module)
    found = told("command")
    assert (found["imports"].times, found["exports"].times) == (2, 1)


def test_a_command_is_told_from_other_code_that_has_asked_at_the_same_line(library: Any) -> None:
    library.close()

    class Counting(BaseCommand):
        def handle(self, *args: Any, **options: Any) -> None:
            ask()

    def ask() -> None:
        Author.objects.count()
        connections.close_all()

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
    call_command(Counting())
    assert [usage.times for usage in told("code").values()] == [2]
    assert told("command")["test_usage"].times == 1


def test_modules_of_the_same_text_are_told_apart(library: Any) -> None:
    library.close()
    text = "def task():\n    ask()\n"

    def ask() -> None:
        Author.objects.count()
        connections.close_all()

    for module in ("shop", "bank", "shop", "bank"):
        names: dict[str, Any] = {"__name__": module, "ask": ask}
        exec(compile(text, f"/srv/{module}.py", "exec"), names)
        in_a_thread(names["task"])
    prefixes = {name.partition(".")[0]: usage.times for name, usage in told("code").items()}
    assert len(prefixes) == 2, told("code")


def test_a_command_whose_handle_is_decorated_is_told_where_other_code_asked_before(
    library: Any,
) -> None:
    library.close()

    class Counting(BaseCommand):
        @ContextDecorated()
        def handle(self, *args: Any, **options: Any) -> None:
            ask()

    def ask() -> None:
        for _ in range(2):  # the first time, the thread's wrapper connects at length
            Author.objects.count()
            connections.close_all()

    in_a_thread(ask)
    in_a_thread(lambda: call_command(Counting()))
    assert told("command").keys() - {"migrate"} == {"test_usage"}


class ContextDecorated(ContextDecorator):
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_what_asks_from_deep_down_is_told_where_it_has_asked_from_near_the_top(
    library: Any,
) -> None:
    library.close()

    def ask() -> None:
        for _ in range(2):  # the first time, the thread's wrapper connects at length
            Author.objects.count()
            connections.close_all()

    def dig(deeper: int) -> None:
        if deeper:
            dig(deeper - 1)
        else:
            ask()

    def deep() -> None:
        dig(50)

    for task in (ask, deep):
        in_a_thread(task)
    assert {name.rpartition(".")[2] for name in told("code")} == {"ask", "deep"}


def test_a_statement_from_deep_down_does_not_hide_what_a_lease_is_for(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias()
    connection.inc_thread_sharing()

    def dig(cursor: Any, deeper: int) -> None:
        if deeper:
            dig(cursor, deeper - 1)
        else:
            cursor.execute("select 1")

    def task() -> None:
        with connection.cursor() as cursor:
            dig(cursor, 50)
        connection.close()

    for _ in range(3):
        in_a_thread(task)
    assert [usage.name.rpartition(".")[2] for usage in connection.pool.usage()] == ["task"]


def test_a_lease_without_a_statement_is_for_what_its_line_was_for(make_alias: MakeAlias) -> None:
    connection = make_alias()

    def ask(statement: str) -> None:
        with connection.cursor() as cursor:
            if statement:
                cursor.execute(statement)
        connection.close()

    for statement in ("", "select 1", "", ""):
        ask(statement)
    (usage,) = connection.pool.usage()
    assert usage.times == 4
    assert usage.name.startswith(f"{__name__}.")


def test_a_lease_that_is_not_over_is_told_as_well(make_alias: MakeAlias) -> None:
    connection = make_alias()

    def ask(times: int) -> None:
        with connection.cursor() as cursor:
            for statement in ("select 1", "select 2"):
                (usage,) = connection.pool.usage()
                assert usage.times == times
                cursor.execute(statement)
        connection.close()

    for times in (1, 2, 3):
        ask(times)
    (usage,) = connection.pool.usage()
    assert usage.times == 3


def test_a_module_that_is_called_celery_and_has_no_tasks_disturbs_nobody(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "celery", ModuleType("celery"))
    connection = make_alias()
    connection.ensure_connection()
    connection.close()
    assert [usage.kind for usage in connection.pool.usage()] == ["code"]


@pytest.mark.skipif(not find_spec("celery"), reason="pip install celery")
@pytest.mark.parametrize("hold", ["request", "transaction"])
def test_celerys_tasks_are_told_by_their_names(library: Any, hold: str) -> None:
    library.close()
    connections.settings["default"]["OPTIONS"]["pool"] = {"hold": hold}

    def work() -> None:
        """Execute tasks as a worker does. (One that is real is in test_processes.py.)"""
        from celery import Celery
        from celery.app.trace import build_tracer

        app = Celery("shop", set_as_current=False)

        # Tasks that have all their code in common, as those of a class have.
        def count() -> None:
            Author.objects.count()
            connections.close_all()

        for number, name in enumerate(["shop.nightly", "shop.hourly", "shop.nightly"]):
            task = app.task(count, name=name, shared=False)
            build_tracer(name, task, app=app)(f"task {number}", (), {})
        connections.close_all()

    Thread(work).outcome(60)
    found = {name: usage.times for name, usage in told("task").items()}
    assert found == {"shop.nightly": 2, "shop.hourly": 1}
    assert told("code") == {}


def test_what_asks_from_deep_down_is_told_by_its_outermost_function_too(library: Any) -> None:
    library.close()

    def dig(deeper: int) -> None:
        if deeper:
            return dig(deeper - 1)
        Author.objects.count()
        return connections.close_all()

    def first() -> None:
        dig(50)

    def second() -> None:
        dig(50)

    for task in (first, second, first):
        thread = threading.Thread(target=task)
        thread.start()
        thread.join(10)
    found = {name.rpartition(".")[2]: usage.times for name, usage in told("code").items()}
    assert found == {"first": 2, "second": 1}
