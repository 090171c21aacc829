"""Statements prepared and executed by SQL: PREPARE, and then EXECUTE.

For adapters to drivers that write parameters into the text, and so have no prepared
statements of their own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from itertools import count, islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from multipool import placeholders
from multipool.driver import IDLE, INERROR
from multipool.plans import limits
from multipool.plans.recovery import (
    GONE,
    NO_TRANSACTION,
    THERE_ALREADY,
    is_about_the_text,
    may_run_again,
    say_whose,
    status_alone,
)
from multipool.plans.shelf import BATCH, Shelf
from multipool.plans.statement import DROP_OURS, Quick, Wording
from multipool.plans.text_form import TextForm, kinds_of

_SAVE: Final = "savepoint multipool"
_RELEASE: Final = "release savepoint multipool"
_BACK: Final = "rollback to savepoint multipool; release savepoint multipool"


class PlannedByText:
    """In front of a cursor class: executes what is on its connection's `Shelf` prepared.

    A connection without plans has no cursor of this class.
    """

    # The connection; the driver's own attribute.
    connection: Any

    # -- what the adapter provides ---------------------------------------------------------

    #: Returns a text with parameters written into it, as ``execute`` would send it.
    _merged: Callable[[str, Any], bytes]

    if TYPE_CHECKING:  # it is that of the class behind

        def _send(self, message: bytes) -> Any:
            """Execute *message* as a statement of the user's, in a transaction if need be."""

    @abstractmethod
    def _begins(self) -> bool:
        """Return whether `_command` would have the driver begin a transaction first."""

    @abstractmethod
    def _command(self, sql: str) -> Any:
        """Run statements of ours; return the first column of the last one's row, if any."""

    # -- what it is given ------------------------------------------------------------------

    def _prepared(self, shelf: Shelf, sql: str, wording: Wording, params: Any) -> bytes | None:
        """Execute *sql* prepared and return what was sent; None if it is to run as it stands.

        The caller then runs it, and tells the shelf how long that took.
        """
        statement = wording.statement
        if not shelf.wants(statement):
            return None
        found = self._message(shelf, wording, params)
        if found is None:
            return None
        form, message = found
        if statement.touches:
            self.connection.touch()
        thinking = not form.template or wording.values or statement.touches
        # Which means another thing with and without parameters, even with none to be used.
        if "%%" in sql or (not params and "%" in sql):
            thinking = True
        quick = shelf.be_quick(statement if thinking else sql, statement, form)
        return self._quickly(shelf, quick, params, message)

    def _quickly(
        self, shelf: Shelf, quick: Quick, params: Any, message: bytes | None = None
    ) -> bytes | None:
        """Do the same with what the shelf has found to be quick.

        The *message* may be known, as from `TextForm.with_integers`, where nobody has the driver
        adapt integers otherwise.
        """
        conn = self.connection
        if message is None:
            form: TextForm = quick.form
            try:
                message = self._merged(form.template, params)
            except Exception:
                return None  # what the driver says of the statement itself is clearer
            if not form.fits(message):
                return None
        idle = not shelf.status(conn)
        begun = perf_counter()
        try:
            if not shelf.shared:
                self._send(message)
            elif not self._send_in_turn(shelf, quick.form, message):
                return None
        except shelf.driver.Error as error:
            if not may_run_again(conn, shelf, quick.statement, error, idle):
                say_whose(error, quick.form)
                raise
            return None
        seconds = perf_counter() - begun
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        return message

    def _send_in_turn(self, shelf: Shelf, form: TextForm, message: bytes) -> bool:
        """Send what executes *form*, if it is prepared and until then stays so."""
        with shelf.turn:
            if form not in shelf.held:
                return False
            self._send(message)
            return True

    def _message(
        self, shelf: Shelf, wording: Wording, params: Any
    ) -> tuple[TextForm, bytes] | None:
        """Return the form of *wording*, prepared by now, and what executes it with *params*.

        None if it is to run as it stands.
        """
        statement = wording.statement
        if shelf.driver.status(self.connection) == INERROR:
            return None
        text = statement.sql
        if statement.limits:
            text, params = limits.with_parameters(text, wording.values, params)
        elif params is None:
            text = text.replace("%", "%%")
        escapes = shelf.driver.parameter_status(self.connection, "standard_conforming_strings")
        try:
            parsed = placeholders.read(text, escapes == "off")
            literals = [
                self._merged("%s", (value,))
                for value in parsed.pick(() if params is None else params)
            ]
        except Exception:
            return None  # as above
        kinds = kinds_of(parsed, literals)
        if kinds is None:
            statement.obstacle = "some parameters must stand in the text"
            return None
        key = text, isinstance(params, Mapping), kinds
        form: TextForm | None = statement.forms.get(key)
        if form is None:
            form = TextForm(statement, parsed, kinds)
            statement.add(key, form)
        statement.obstacle = None
        if form not in shelf.held:
            with shelf.turn:
                if form not in shelf.held and not self._prepare(shelf, form):
                    return None
        return form, form.message(literals)

    def _prepare(self, shelf: Shelf, form: TextForm) -> bool:
        """Prepare *form* on the connection, in turn; return whether it is."""
        conn, driver, planner = self.connection, shelf.driver, shelf.planner
        if not planner.route_known:
            planner.learn(driver.backend_pid(conn), int(self._command("select pg_backend_pid()")))
        if planner.off is not None:
            return False
        begun = status_alone(driver, conn) != IDLE
        inside = begun or self._begins()
        left = shelf.make_room(form, inside=begun)
        if left is None:
            return False
        doubtful = shelf.doubtful
        clearing = [DROP_OURS] if doubtful else [f"deallocate {name}" for name in left]
        steps = [*clearing, form.prepare]
        if inside:  # a failure of ours must not be the user's
            # All in one message: another thread may end the transaction between two.
            prepare = form.prepare if form.parses else _in_a_block(form.prepare)
            steps = [_SAVE, *clearing, prepare, _RELEASE]
        try:
            self._command("; ".join(steps))
        except driver.Error as error:
            code = driver.sqlstate(error) or ""
            if code == NO_TRANSACTION:  # another thread has ended it since, and nothing was run
                return False
            shelf.mistrust()
            if not is_about_the_text(code):
                raise  # cancelled, out of memory, connection lost: as it would be without
            if inside:
                self._command(_BACK)
            if code not in (GONE, THERE_ALREADY):
                planner.give_up(form.statement, f"cannot be prepared (SQLSTATE {code})")
            return False
        except BaseException:  # an interrupt: nobody knows what the server has
            shelf.mistrust()
            raise
        if doubtful:
            shelf.cleared()
        else:
            shelf.dropped(left)
        form.parses = True
        shelf.held[form] = None
        return True


def _in_a_block(sql: str) -> str:
    """Return what executes *sql*, whose syntax errors are then those of an execution.

    Of a message with one anywhere in it nothing at all is run, not even a savepoint.
    """
    block, text = islice((tag for number in count() if (tag := f"$m{number}$") not in sql), 2)
    return f"do {block} begin execute {text}{sql}{text}; end {block}"
