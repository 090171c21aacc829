"""What an error of a prepared execution means, and whether it may run once more, unprepared."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any, Final

from multipool.driver import ACTIVE, IDLE, Driver
from multipool.plans.shelf import Shelf
from multipool.plans.statement import Form, Statement

#: SQLSTATE: the server knows no such prepared statement; it has one of this name already.
GONE: Final = "26000"
THERE_ALREADY: Final = "42P05"
#: Among others "cached plan must not change result type".
NOT_SUPPORTED: Final = "0A000"
# A parameter's value does not fit its type, which was inferred when it was prepared, and may be
# another by now: a number out of range, text or a date that is none, a type that was dropped.
_MISFITS: Final = frozenset(["22003", "22P02", "22007", "22008", "XX000"])
#: A savepoint outside of a transaction.
NO_TRANSACTION: Final = "25P01"


#: Seconds for which another thread's statement is waited for; and between two looks. One that was
#: interrupted looks the same, for good.
_PATIENCE: Final = 1.0
_POLL: Final = 0.0005


def status_alone(driver: Driver, conn: Any) -> int:
    """Return the status of *conn* when no other thread that shares it executes something.

    Whether a transaction is open is not to be seen meanwhile, and who wants to execute something
    waits for that thread anyway.
    """
    until = monotonic() + _PATIENCE
    while (status := driver.status(conn)) == ACTIVE and monotonic() < until:
        sleep(_POLL)
    return status


def is_about_the_text(code: str) -> bool:
    """Return whether an error of SQLSTATE *code* may be one of the prepared form alone."""
    return code in (GONE, NOT_SUPPORTED) or code.startswith("42")


def say_whose(error: Exception, form: Form) -> None:
    """Have *error* tell which statement *form* is, if it speaks of that by our name for it.

    As in ``LINE 1: execute multipool_7 ('x')``, which is what the server was sent. It is a note,
    which tracebacks show: what the server says stays as it is. There is no literal in it, nor a
    parameter.
    """
    if form.name in str(error):
        error.add_note(f"multipool has prepared as {form.name}: {form.statement.shown()}")


def may_run_again(
    conn: Any, shelf: Shelf, statement: Statement, error: Exception, idle: bool
) -> bool:
    """Return whether *statement*, whose prepared execution raised *error*, may run unprepared.

    That is so if no transaction was open before (*idle*), or none has failed now; one that it
    began itself is rolled back. In any case the connection knows afterwards what is not to be
    relied on.
    """
    driver = shelf.driver
    code = driver.sqlstate(error) or ""
    if code == GONE:
        shelf.mistrust()
    elif is_about_the_text(code):
        shelf.fail(statement, code)
        if code == NOT_SUPPORTED:
            shelf.planner.renew()
    elif idle and code in _MISFITS:
        shelf.doubt(statement)
    else:
        return False
    if conn.closed:
        return False
    if status_alone(driver, conn) != IDLE:
        # Among threads it may be another's, begun since: what that did must not be lost unseen.
        if not idle or shelf.shared:
            return False
        conn.rollback()
    return True
