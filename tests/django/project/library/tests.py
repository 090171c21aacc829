"""What ``manage.py test`` runs: the project's own tests, in a database made for them."""

from __future__ import annotations

from threading import Event, Thread

from django.db import IntegrityError, connection, connections, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from library.models import Author


class Rolled(TestCase):
    author: Author

    @classmethod
    def setUpTestData(cls) -> None:
        cls.author = Author.objects.create(name="Hašek")

    def test_the_database_is_the_test_runners(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select current_database()")
            assert cursor.fetchone()[0].startswith("test_")

    def test_an_error_leaves_the_savepoint_alone(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():  # noqa: PT027  # no pytest here
            Author.objects.create(id=self.author.id, name="twice")
        assert Author.objects.get().name == "Hašek"


class Committed(TransactionTestCase):
    def test_threads_take_connections_of_their_own_to_the_same_database(self) -> None:
        names: list[str] = []

        def look() -> None:
            with connection.cursor() as cursor:
                cursor.execute("select current_database()")
                names.append(cursor.fetchone()[0])
            # As at the end of a request: the connection goes back and stays open.
            connection.close()

        threads = [Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert names == [connection.settings_dict["NAME"]] * 4

    def test_what_is_committed_is_seen(self) -> None:
        with transaction.atomic():
            Author.objects.create(name="Čapek")
        assert Author.objects.count() == 1


class LeftBehind(TransactionTestCase):
    def test_a_thread_never_ends_and_holds_its_connection(self) -> None:
        held = Event()

        def hold() -> None:
            connection.ensure_connection()
            held.set()
            Event().wait()

        Thread(target=hold, daemon=True).start()
        assert held.wait(5)


class OnEachAlias(TransactionTestCase):
    databases = "__all__"

    def test_a_query_is_answered(self) -> None:
        for alias in connections:
            assert Author.objects.using(alias).count() == 0

    def test_a_time_zone_holds_as_long_as_it_is_overridden(self) -> None:
        def zones() -> set[str]:
            found = set()
            for alias in connections:
                with connections[alias].cursor() as cursor:
                    cursor.execute("show timezone")
                    found.add(cursor.fetchone()[0])
            return found

        assert zones() == {"UTC"}
        with override_settings(TIME_ZONE="Asia/Tokyo", USE_TZ=False):
            assert zones() == {"Asia/Tokyo"}
        assert zones() == {"UTC"}
