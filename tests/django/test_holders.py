"""An exhausted pool names the lines of the application that hold its connections."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.models import F
from django.template import Context, Engine
from library import views
from library.models import Author
from support import Thread, line_of

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]


def exhaustion(alias: str = "default") -> str:
    """Return what a thread is told that finds no connection left."""
    with pytest.raises(OperationalError) as caught:
        Thread(connections[alias].copy().ensure_connection).outcome()
    return str(caught.value)


@pytest.fixture
def one(library: Any, make_alias: MakeAlias) -> Any:
    """An alias with one connection, which nobody waits for long."""
    library.close()
    library.close_pool()
    return make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 0.05}})


def test_a_view_is_named_with_file_and_line(site: Get) -> None:
    pool = connections["default"].pool  # type: ignore[attr-defined]
    pool.resize(max_size=1)
    client = Thread(lambda: site("/hold/"))
    try:
        assert views.holding.wait(5)
        with pytest.raises(pool.driver.OperationalError) as caught:
            pool.getconn(timeout=0.05)
    finally:
        views.let_go.set()
        assert client.outcome()[0] == 200
        views.holding.clear()
        views.let_go.clear()
    message = str(caught.value)
    assert "1 of max_size=1 in use" in message
    assert f"checked out at {line_of(views.hold, 'with connection.cursor()')}" in message


def test_the_line_that_evaluates_a_queryset_is_named_not_djangos(one: Any) -> None:
    def count() -> int:
        return Author.objects.filter(id=F("id")).count()

    assert count() == 0
    assert line_of(count, "return") in exhaustion()


def test_the_line_that_renders_a_template_is_named(one: Any) -> None:
    def render() -> str:
        template = Engine().from_string("{% for author in authors %}{{ author.name }}{% endfor %}")
        return template.render(Context({"authors": Author.objects.all()}))

    assert render() == ""
    assert line_of(render, "template.render") in exhaustion()


def test_the_line_of_a_generator_is_named(one: Any) -> None:
    def names() -> Iterator[str]:
        yield from Author.objects.values_list("name", flat=True)

    assert list(names()) == []
    assert line_of(names, "yield from") in exhaustion()


def test_the_line_of_a_command_is_named(one: Any) -> None:
    class Command(BaseCommand):
        def handle(self, **options: Any) -> None:
            Author.objects.exists()

    Command().execute(force_color=False, no_color=False, skip_checks=True)
    assert line_of(Command.handle, "exists") in exhaustion()


def test_where_django_asks_for_itself_its_own_line_is_named(one: Any) -> None:
    call_command("migrate", plan=True, verbosity=0)
    assert inspect.getsourcefile(migrate) in exhaustion()
