"""Where the drivers differ from each other is what the tables in docs/drivers.md say."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path
from uuid import UUID

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "drivers.md"
VALUES = {
    "Decimal": Decimal,
    "UUID": UUID,
    "ip_address": ip_address,
    "ip_network": ip_network,
}

UUID_OID, UUIDS_OID, INET_OID, CIDR_OID = 2950, 2951, 869, 650


def table(title):
    """Return the rows of the table whose first column is *title*: its cell, and each driver's."""
    lines = iter(DOCUMENT.read_text().splitlines())
    head = next(line for line in lines if line.startswith(f"| {title} |"))
    names = cells(head)[1:]
    next(lines)
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            return rows
        first, *others = cells(line)
        rows[first] = dict(zip(names, others, strict=True))
    raise AssertionError("the table does not end")


def cells(line):
    return [cell.strip(" `") for cell in line.strip("|").split("|")]


SENT, FETCHED = table("sent"), table("fetched")


@pytest.fixture
def _as_shipped(driver, monkeypatch):
    """psycopg2 without what the process's other users, Django for one, register in it."""
    if driver.name == "psycopg2":
        from psycopg2 import extensions

        for cls, protocol in list(extensions.adapters):
            if cls in (UUID, IPv4Address, IPv4Network):
                monkeypatch.delitem(extensions.adapters, (cls, protocol))
        for oid in (UUID_OID, UUIDS_OID, INET_OID, CIDR_OID):
            monkeypatch.delitem(extensions.string_types, oid, raising=False)


@pytest.fixture
def cursor(_as_shipped, conn, driver):
    conn.autocommit = True
    driver.execute(conn, "set time zone 'UTC'")
    with conn.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("route", ["direct"])
@pytest.mark.parametrize("value", SENT)
def test_a_value_that_is_sent_arrives_as_the_table_says(cursor, driver, value):
    try:
        sent = eval(value, VALUES)
        cursor.execute("select x::text, pg_typeof(x)::text from (select %s as x) as one", (sent,))
        found = " ".join(cursor.fetchone())
    except driver.Error as error:
        found = type(error).__name__
    assert found == SENT[value][driver.name]


@pytest.mark.parametrize("route", ["direct"])
@pytest.mark.parametrize("sql", FETCHED)
def test_a_value_that_is_fetched_comes_back_as_the_table_says(cursor, driver, sql):
    try:
        cursor.execute(f"select {sql}")
        found = re.sub(" at 0x[0-9a-fA-F]+", "", repr(cursor.fetchone()[0]))
    except (driver.Error, ValueError) as error:
        found = type(error).__name__
    assert found == FETCHED[sql][driver.name]


@pytest.mark.parametrize("rows", [SENT, FETCHED], ids=["sent", "fetched"])
def test_the_tables_hold_nothing_but_differences(rows):
    assert all(len(set(row.values())) > 1 for row in rows.values())
