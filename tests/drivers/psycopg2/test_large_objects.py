"""Large objects through a pooled connection."""

import psycopg2.extensions
import pytest

from multipool import Pool


@pytest.fixture
def conn(dsn):
    with Pool(dsn, driver="psycopg2") as pool, pool.connection() as conn:
        yield conn
        conn.rollback()


class Own(psycopg2.extensions.lobject):
    """A user's own factory."""


@pytest.mark.parametrize("arguments", [(0, "wb"), (0, "wb", 0, None, Own)])
def test_their_use_is_use_of_the_connection(conn, arguments, tmp_path):
    """Else a transaction that loads one up would be said to be idle."""
    sight, quiet = conn._multipool_sight, []

    def used(result):
        quiet.append(sight.quiet_since)
        return result

    large = used(conn.lobject(*arguments))
    assert isinstance(large, arguments[-1] if len(arguments) > 2 else psycopg2.extensions.lobject)
    assert used(large.write(b"data")) == 4
    assert used(large.tell()) == 4
    assert used(large.seek(1)) == 1
    used(large.truncate(2))
    used(large.close())
    again = used(conn.lobject(large.oid, mode="rb", lobject_factory=Own))
    assert used(again.read()) == b"da"
    used(again.export(str(tmp_path / "large")))
    used(again.unlink())
    assert (tmp_path / "large").read_bytes() == b"da"
    assert quiet == sorted(set(quiet))  # later each time
