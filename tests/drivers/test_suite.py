"""The compliance suite passes a right adapter, however it is used, and fails a wrong one.

Each wrong one is a right one but for a method or two. What fails it must pass the right one.
"""

from __future__ import annotations

import pytest

from multipool.driver import OUTAGE, REFUSAL, SESSION
from multipool.session import RESET
from multipool.testing.compliance import DriverCompliance


def suite_of(adapter, params):
    suite = type("Suite", (DriverCompliance,), {"driver": adapter, "params": params})()
    suite.opened = []

    def connect():
        suite.opened.append(adapter.connect(params, timeout=10))
        return suite.opened[-1]

    suite.connect = connect
    return suite


class AdapterError(Exception):
    """Raised by a wrong adapter."""


@pytest.fixture
def judge(driver, params, monkeypatch):
    """Ask a question of the suite of *driver*, then of one with other methods, which must fail.

    *patience*: seconds that are enough for one that fails.
    """
    asked = []

    def judge(question, patience=5.0, **methods):
        wrong = type("Wrong", (type(driver),), methods)()
        asked.extend(suite_of(adapter, params) for adapter in (driver, wrong))
        question(asked[0])
        monkeypatch.setattr("multipool.testing.compliance.life.PATIENCE", patience)
        with pytest.raises((AssertionError, pytest.fail.Exception, AdapterError)):
            question(asked[1])

    yield judge
    for suite in asked:
        for conn in suite.opened:
            driver.close(conn)


def raising(*_args, **_options):
    raise AdapterError


def lending(**methods):
    """Return a ``connect`` whose connections are right but for *methods*."""

    def connect(self, params, timeout):
        conn = super(type(self), self).connect(params, timeout)
        conn.__class__ = type("Wrong", (type(conn),), {"__slots__": (), **methods})
        return conn

    return connect


def unreachable(suite):
    suite.test_nobody_there_is_an_operational_error(dict(suite.params))


def refused(suite):
    suite.test_what_the_server_refuses_it_will_refuse_again(dict(suite.params))


@pytest.mark.parametrize(
    ("question", "answer"),
    [(unreachable, REFUSAL), (unreachable, "whatever"), (refused, OUTAGE), (refused, "whatever")],
)
def test_who_misjudges_a_failed_connect_fails(judge, question, answer):
    judge(question, failure=lambda self, error: answer)


@pytest.mark.parametrize("question", [unreachable, refused])
def test_who_cannot_judge_a_failed_connect_fails(judge, question):
    judge(question, failure=raising)


def sessions(suite):
    suite.test_a_connect_opens_one_session_and_close_ends_it(suite.connect, dict(suite.params))


def test_who_leaves_the_session_on_the_server_when_it_closes_fails(judge):
    kept = []
    judge(sessions, patience=0.2, close=lambda self, conn: kept.append(conn))
    for conn in kept:
        conn.close()


def test_who_opens_a_second_connection_fails(judge):
    kept = []

    def connect(self, params, timeout):
        kept.append(super(type(self), self).connect(params, timeout))
        return super(type(self), self).connect(params, timeout)

    judge(sessions, connect=connect)
    for conn in kept:
        conn.close()


def test_who_ignores_the_timeout_fails_and_hangs_nobody(judge):
    def connect(self, params, timeout):
        return super(type(self), self).connect(params, None)

    def silent(suite):
        suite.test_a_server_that_never_answers_is_given_up_after_the_timeout(dict(suite.params))

    judge(silent, patience=0.6, connect=connect)


def left(name):
    def left(suite):
        suite.test_the_next_borrower_finds_nothing_of_what_the_last_left(dict(suite.params), name)

    return left


@pytest.mark.parametrize("name", sorted(DriverCompliance.leavings))
def test_who_does_not_see_that_a_session_is_touched_fails(judge, name):
    touch = lambda self, what=SESSION: None  # noqa: E731
    judge(left(name), connect=lending(touch=touch))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("advisory lock", "select pg_catalog.pg_advisory_unlock_all(); "),
        ("cursor with hold", "close all; "),
        ("listen", "unlisten *; "),
        ("prepared statement", "deallocate all; "),
        ("role", "set session authorization default; "),
        ("setting", "reset all; "),
        ("temporary table", "discard temp; "),
    ],
)
def test_whose_reset_leaves_something_fails(judge, name, words):
    assert words in RESET
    reset = RESET.replace(words, "")
    judge(left(name), reset=lambda self, conn, settings: self.execute(conn, reset))


def test_who_keeps_a_failed_reset_to_itself_fails(judge):
    judge(
        lambda suite: suite.test_a_reset_that_cannot_be_had_raises(suite.connect),
        reset=lambda self, conn, settings: None,
    )


def asking(suite):
    for changed in (False, True):
        suite.test_ask_returns_one_value_as_text_and_leaves_the_connection_as_it_was(
            suite.connect(), changed
        )


def asking_wrongly(suite):
    suite.test_an_error_in_ask_is_the_drivers_and_leaves_the_connection_of_use(suite.connect())


def left_open(self, conn, sql, *values):
    cursor = conn.cursor()
    cursor.execute(sql, values)
    row = cursor.fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("question", [asking, asking_wrongly])
@pytest.mark.parametrize("ask", [raising, left_open, lambda *_: "nonsense"])
def test_who_says_that_it_asks_and_cannot_fails(judge, question, ask):
    judge(question, ask=ask)


def planning(suite):
    suite.test_a_statement_of_a_pool_that_prepares_is_prepared(dict(suite.params))


def watching(suite):
    suite.test_a_pool_counts_what_is_executed(dict(suite.params))


def at_once(suite):
    suite.test_a_statement_of_the_pools_own_is_executed_on_any_connection(dict(suite.params))


def travelling(suite):
    for end in ("commit", "rollback"):
        suite.test_a_begin_that_travels_with_a_statement_is_a_transaction_like_any_other(
            suite.connect(), end
        )


@pytest.mark.parametrize(
    ("question", "method"),
    [(planning, "use_plans"), (watching, "observe"), (travelling, "piggyback_begin")],
)
def test_whose_offer_raises_fails(judge, question, method):
    judge(question, **{method: raising})


@pytest.mark.parametrize(("question", "method"), [(planning, "use_plans"), (watching, "observe")])
def test_who_does_nothing_of_what_it_offers_fails(judge, question, method):
    judge(question, **{method: lambda *_: None})


def test_whose_begin_never_travels_for_it_is_in_autocommit_fails(judge):
    judge(travelling, piggyback_begin=lambda self, conn: setattr(conn, "autocommit", True))


def test_whose_private_cursor_cannot_be_had_fails(judge):
    judge(at_once, connect=lending(private_cursor=raising))


@pytest.mark.parametrize(
    "more",
    [
        lambda params: {"port": int(params.get("port", 5432))},
        lambda params: {"connect_timeout": 5, "application_name": None},
        lambda params: {"cursor_factory": None},
    ],
    ids=["numbers", "None", "the driver's own"],
)
def test_whatever_form_right_parameters_have_the_suite_takes_them(driver, params, more):
    given = {**params, **more(params)}
    suite_of(driver, params).test_a_uri_and_pairs_mean_the_same_and_connect(given)


def test_a_dsn_needs_no_database(driver, server):
    given = {name: value for name, value in server.params.items() if name != "dbname"}
    suite_of(driver, given).test_a_uri_and_pairs_mean_the_same_and_connect(given)
