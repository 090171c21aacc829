"""How long statements take, by operation, on every driver."""

from __future__ import annotations

import pytest

from multipool import Pool
from multipool.export.operations import operation_name

SECRET = "hunter2"
NAME = "db.client.operation.duration"


@pytest.fixture
def operations(told):
    """The provider of `told`, told of operations too."""
    from multipool.export import otel

    otel.uninstrument(told.provider)
    otel.instrument(told.provider, operations=True)
    return told


@pytest.fixture
def pool(dsn, driver):
    with Pool(dsn, driver=driver, name="shop", max_size=1) as pool:
        yield pool


def execute(pool, *statements):
    with pool.connection() as conn:
        for statement in statements:
            conn.cursor().execute(statement)


def by_operation(told):
    return {
        point.attributes.get("db.operation.name"): point for point in told()[NAME].data.data_points
    }


def test_each_statement_is_recorded_with_the_conventions_attributes(operations, pool, params):
    execute(pool, "select 1", "SELECT 2", "select 3", "create temporary table t (a int)")
    found = by_operation(operations)
    assert {name: point.count for name, point in found.items()} == {
        "select": 2,
        "SELECT": 1,
        "create": 1,
    }
    attributes = dict(found["select"].attributes)
    del attributes["db.operation.name"]
    expected = {
        "db.system.name": "postgresql",
        "db.namespace": params["dbname"],
        "server.address": params["host"],
    }
    if params["port"] != "5432":
        expected["server.port"] = int(params["port"])
    assert attributes == expected


def test_where_a_callable_leads_is_told_as_a_dsn_is(operations, params, driver):
    """As in Django, whose pools ask anew for each connection."""
    with Pool(lambda: params, driver=driver, name="shop") as pool:
        execute(pool, "select 1")
    attributes = by_operation(operations)["select"].attributes
    assert attributes["db.namespace"] == params["dbname"]
    assert attributes["server.address"] == params["host"]


def test_each_fetch_from_a_cursor_on_the_server_is_one_and_rows_in_memory_are_none(
    operations, pool
):
    with pool.connection() as conn, conn.cursor(name="numbers") as cursor:
        cursor.execute("select generate_series(1, 5)")
        cursor.fetchmany(2)
        cursor.fetchmany(2)
        next(cursor)
    counts = {name: point.count for name, point in by_operation(operations).items()}
    assert counts == {"select": 1, "FETCH": 3}


def test_its_name_unit_and_buckets_are_the_conventions(operations, pool):
    metrics = pytest.importorskip("opentelemetry.semconv.metrics.db_metrics")
    execute(pool, "select 1")
    metric = operations()[metrics.DB_CLIENT_OPERATION_DURATION]
    [point] = metric.data.data_points
    assert metric.unit == "s"
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


def test_attributes_are_those_of_the_conventions():
    package = "opentelemetry.semconv.attributes"
    database = pytest.importorskip(f"{package}.db_attributes")
    server = pytest.importorskip(f"{package}.server_attributes")
    errors = pytest.importorskip(f"{package}.error_attributes")
    from multipool.export import operations

    assert operations.SYSTEM == database.DB_SYSTEM_NAME
    assert operations.NAMESPACE == database.DB_NAMESPACE
    assert operations.OPERATION == database.DB_OPERATION_NAME
    assert operations.STATUS == database.DB_RESPONSE_STATUS_CODE
    assert operations.ERROR == errors.ERROR_TYPE
    assert (operations.ADDRESS, operations.PORT) == (server.SERVER_ADDRESS, server.SERVER_PORT)


def test_a_statement_that_fails_is_recorded_with_its_sqlstate(operations, pool):
    with pytest.raises(pool.driver.Error):
        execute(pool, "select 1 / 0")
    [point] = operations()[NAME].data.data_points
    assert point.attributes["error.type"] == "22012"
    assert point.attributes["db.response.status_code"] == "22012"


def test_a_failure_without_sqlstate_is_recorded_under_its_class(operations, pool):
    with pool.connection() as conn, pytest.raises(Exception) as caught:
        conn.cursor().execute("select %s", ())
    [point] = operations()[NAME].data.data_points
    assert point.attributes["error.type"] in (type(caught.value).__qualname__, "42601", "08P01")


def test_pools_made_before_are_told_of_too_and_connections_that_are_open(told, pool):
    from multipool.export import otel

    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        otel.uninstrument(told.provider)
        otel.instrument(told.provider, operations=True)
        conn.cursor().execute("select 2")
    assert by_operation(told)["select"].count == 1


def test_off_again_nothing_is_recorded_and_on_again_everything_once(operations, pool):
    from multipool.export import otel

    otel.uninstrument(operations.provider)
    execute(pool, "select 1")
    otel.instrument(operations.provider, operations=True)
    execute(pool, "select 2")
    assert by_operation(operations)["select"].count == 1


def test_once_it_is_off_no_pool_pays_for_it_any_more(operations, pool, dsn, driver):
    from multipool.export import otel

    assert pool._inner.tracing.observers
    otel.uninstrument(operations.provider)
    with Pool(dsn, driver=driver) as later:
        assert pool._inner.tracing.observers == later._inner.tracing.observers == ()


def test_no_literal_parameter_or_password_is_told(operations, params, driver):
    """Not even where somebody writes it in the place of a command."""
    with Pool(params, driver=driver, name="shop") as pool:
        execute(pool, f"select '{SECRET}'", f"select 1 as {SECRET}", f"/* {SECRET} */ select 1")
        with pytest.raises(driver.Error):
            execute(pool, f"{SECRET} 1")
        shown = str(operations())
    assert "select" in shown
    assert SECRET not in shown
    if params.get("password"):
        assert params["password"] not in shown


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT 1", "SELECT"),
        ("\n  (select 1) union (select 2)", "select"),
        ("insert into t values (1);", "insert"),
        ("copy t from stdin", "copy"),
        ("begin; delete from t", None),
        ("with a as (select 1) delete from t", None),
        ("selection", None),
        ("'select'", None),
        ("", None),
    ],
)
def test_an_operation_is_named_only_where_it_is_the_one(sql, name):
    assert operation_name(sql) == name
