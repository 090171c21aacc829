"""The server's errors: PEP 249's class, the SQLSTATE, and every field."""

from __future__ import annotations

import pickle

import pytest

import multipool_pg8000
from multipool_pg8000 import (
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    errors,
)
from multipool_pg8000.sqlstates import NAMES


@pytest.fixture
def cursor(auto):
    with auto.cursor() as cursor:
        cursor.execute(
            "create temp table parent (id int primary key, name text not null check (name <> ''))"
        )
        cursor.execute("create temp table child (id int constraint to_parent references parent)")
        cursor.execute("insert into parent values (1, 'a')")
        yield cursor


CASES = [
    ("insert into parent values (1, 'b')", IntegrityError, "23505", "UniqueViolation"),
    ("insert into parent values (2, null)", IntegrityError, "23502", "NotNullViolation"),
    ("insert into parent values (2, '')", IntegrityError, "23514", "CheckViolation"),
    ("insert into child values (9)", IntegrityError, "23503", "ForeignKeyViolation"),
    ("selec 1", ProgrammingError, "42601", "SyntaxError"),
    ("select * from nowhere", ProgrammingError, "42P01", "UndefinedTable"),
    ("select 1/0", DataError, "22012", "DivisionByZero"),
    ("select 'a'::int", DataError, "22P02", "InvalidTextRepresentation"),
    (
        "create database x template template0; select 1",
        InternalError,
        "25001",
        "ActiveSqlTransaction",
    ),
    (
        "do $$ begin raise 'x' using errcode = '40001'; end $$",
        OperationalError,
        "40001",
        "SerializationFailure",
    ),
    (
        "do $$ begin raise 'x' using errcode = '40P01'; end $$",
        OperationalError,
        "40P01",
        "DeadlockDetected",
    ),
    ("do $$ begin raise 'x'; end $$", InternalError, "P0001", "RaiseException"),
    (
        "do $$ begin raise 'x' using errcode = '0A000'; end $$",
        NotSupportedError,
        "0A000",
        "FeatureNotSupported",
    ),
    ("set statement_timeout to 20; select pg_sleep(5)", OperationalError, "57014", "QueryCanceled"),
]


@pytest.mark.parametrize(("sql", "cls", "sqlstate", "name"), CASES, ids=[case[3] for case in CASES])
def test_an_error_is_of_its_pep_249_class_and_of_its_own(cursor, sql, cls, sqlstate, name):
    with pytest.raises(cls) as caught:
        cursor.execute(sql)
    assert caught.value.sqlstate == caught.value.pgcode == sqlstate
    assert isinstance(caught.value, getattr(errors, name))
    assert type(caught.value) is errors.lookup(sqlstate)


def test_the_text_is_what_libpq_prints(cursor):
    with pytest.raises(errors.UniqueViolation) as caught:
        cursor.execute("insert into parent values (1, 'b')")
    assert str(caught.value) == (
        'duplicate key value violates unique constraint "parent_pkey"\n'
        "DETAIL:  Key (id)=(1) already exists.\n"
    )
    assert caught.value.pgerror == f"ERROR:  {caught.value}"
    with pytest.raises(errors.UndefinedColumn) as caught:
        cursor.execute("select 1,\n\tnothing")
    assert str(caught.value) == ('column "nothing" does not exist\nLINE 2:  nothing\n         ^\n')


def test_diag_has_the_fields(cursor):
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        cursor.execute("insert into child values (9)")
    diag = caught.value.diag
    assert (diag.severity, diag.sqlstate) == ("ERROR", "23503")
    assert (diag.table_name, diag.constraint_name) == ("child", "to_parent")
    assert diag.schema_name.startswith("pg_temp")
    assert diag.message_primary.startswith("insert or update")
    assert diag.message_detail.startswith("Key (id)=(9)")
    assert diag.message_hint is None


def test_an_error_of_the_drivers_own_has_an_empty_diag():
    error = OperationalError("lost")
    assert (error.pgcode, error.pgerror, error.diag.message_primary) == (None, None, None)


def test_an_unreachable_server_and_a_refusal_name_the_place_and_no_password(dsn):
    with pytest.raises(OperationalError, match="127.0.0.1.*port 1 failed") as caught:
        multipool_pg8000.connect(host="127.0.0.1", port=1, password="s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(OperationalError, match='database "nowhere" does not exist') as caught:
        multipool_pg8000.connect(dsn, dbname="nowhere", password="s3cret")
    assert caught.value.sqlstate == "3D000"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("sqlstate", NAMES)
def test_every_sqlstate_has_one_class_with_one_name(sqlstate):
    cls = errors.lookup(sqlstate)
    assert getattr(errors, cls.__name__) is cls
    assert issubclass(cls, multipool_pg8000.DatabaseError)


def test_an_sqlstate_of_ones_own_is_of_its_groups_class(auto):
    with auto.cursor() as cursor, pytest.raises(IntegrityError) as caught:
        cursor.execute("do $$ begin raise 'x' using errcode = '23XYZ'; end $$")
    assert type(caught.value) is IntegrityError
    assert caught.value.sqlstate == "23XYZ"
    with pytest.raises(KeyError):
        errors.lookup("23XYZ")
    with pytest.raises(AttributeError):
        errors.NoSuchThing  # noqa: B018


def test_an_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(OperationalError("lost")))
    assert (type(error), str(error)) == (OperationalError, "lost")
