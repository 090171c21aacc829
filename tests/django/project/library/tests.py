"""What ``manage.py test`` runs: the project's own tests, in a database made for them."""

from __future__ import annotations

from threading import Thread

from django.db import IntegrityError, connection, transaction
from django.test import TestCase, TransactionTestCase

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
