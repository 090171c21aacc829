"""What an error of a prepared execution means, and whether it may run once more, unprepared."""

from __future__ import annotations

from typing import Any, Final

from multipool.driver import IDLE
from multipool.plans.shelf import Shelf
from multipool.plans.statement import Statement

#: SQLSTATE: the server knows no such prepared statement; it has one of this name already.
GONE: Final = "26000"
THERE_ALREADY: Final = "42P05"
#: Among others "cached plan must not change result type".
NOT_SUPPORTED: Final = "0A000"


def is_about_the_text(code: str) -> bool:
    """Return whether an error of SQLSTATE *code* may be one of the prepared form alone."""
    return code in (GONE, NOT_SUPPORTED) or code.startswith("42")


def may_run_again(
    conn: Any, shelf: Shelf, statement: Statement, error: Exception, idle: bool
) -> bool:
    """Return whether *statement*, whose prepared execution raised *error*, may run unprepared.

    That is so if no transaction was open before (*idle*); one that it began itself is rolled
    back. In any case the connection knows afterwards what is not to be relied on.
    """
    driver = shelf.driver
    code = driver.sqlstate(error) or ""
    if not is_about_the_text(code):
        return False
    if code == GONE:
        shelf.mistrust()
    elif code == NOT_SUPPORTED:
        shelf.planner.renew()
    else:
        shelf.leave_behind([form for form in list(shelf.held) if form.statement is statement])
    if not idle or conn.closed:
        return False
    if driver.status(conn) != IDLE:
        conn.rollback()
    return True
