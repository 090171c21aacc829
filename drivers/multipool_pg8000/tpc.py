"""Two-phase commit, PEP 249's ``tpc_*`` methods."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

from multipool.driver import CLIENT, IDLE
from multipool_pg8000 import errors, messages
from multipool_pg8000.literals import quote

if TYPE_CHECKING:
    from multipool_pg8000.results import Result


class Xid(NamedTuple):
    """A global transaction id, as PEP 249 has it; the last three as ``tpc_recover`` found it."""

    format_id: int | None
    gtrid: str
    bqual: str | None
    prepared: Any = None
    owner: str | None = None
    database: str | None = None

    @property
    def text(self) -> str:
        """The id as PostgreSQL keeps it, encoded as the JDBC driver and psycopg2 do."""
        if self.format_id is None:
            return self.gtrid
        parts = (
            base64.b64encode(part.encode()).decode() for part in (self.gtrid, self.bqual or "")
        )
        return "_".join((str(self.format_id), *parts))

    def __str__(self) -> str:
        return self.text

    @classmethod
    def from_text(cls, text: str, *where: Any) -> Xid:
        """Return the id that PostgreSQL keeps as *text*, whoever gave it."""
        number, _, rest = text.partition("_")
        gtrid, _, bqual = rest.partition("_")
        try:
            parts = (base64.b64decode(part, validate=True).decode() for part in (gtrid, bqual))
            found = cls(int(number), *parts, *where)
        except ValueError:
            found = cls(None, text, None, *where)
        return found if found.text == text else cls(None, text, None, *where)


class TwoPhase:
    """The two-phase methods of a connection."""

    if TYPE_CHECKING:
        state: int
        _autocommit: bool
        _begin: bytes

        def touch(self, what: int) -> None: ...
        def exchange(self, message: bytes, **kwargs: Any) -> Result: ...
        def cursor(self) -> Any: ...

    # The transaction's id from tpc_begin on, and whether it is prepared.
    _tpc: Xid | None = None
    _tpc_prepared = False

    @property
    def in_prepared_transaction(self) -> bool:
        """Whether a transaction was prepared here that `tpc_commit` or `tpc_rollback` awaits."""
        return self._tpc_prepared

    @property
    def tpc_xid(self) -> Xid | None:
        """The id of the two-phase transaction that was begun here and not finished."""
        return self._tpc

    def xid(self, format_id: int, gtrid: str, bqual: str) -> Xid:
        """Return a transaction id for `tpc_begin`. Raises ValueError for what cannot be one."""
        if not 0 <= format_id <= 0x7FFFFFFF:
            raise ValueError("format_id must be a number from 0 to 2147483647")
        for name, part in (("gtrid", gtrid), ("bqual", bqual)):
            if len(part) > 64 or not all(" " <= letter <= "~" for letter in part):
                raise ValueError(f"{name} must be at most 64 printable ASCII characters")
        return Xid(format_id, gtrid, bqual)

    def tpc_begin(self, xid: Xid | str) -> None:
        """Begin a transaction that is to be prepared under *xid*."""
        self._check_outside("tpc_begin()")
        if self._autocommit:
            raise errors.ProgrammingError("tpc_begin() cannot be called in autocommit mode")
        self.touch(CLIENT)  # once prepared, it is not seen in the transaction status
        self.exchange(self._begin + messages.SYNC)
        self._tpc = xid if isinstance(xid, Xid) else Xid.from_text(xid)

    def tpc_prepare(self) -> None:
        """Prepare the transaction: from here on it survives this connection."""
        if self._tpc is None or self._tpc_prepared:
            raise errors.ProgrammingError("tpc_prepare() needs tpc_begin() first, and only once")
        self._run_quoted("PREPARE TRANSACTION", self._tpc)
        self._tpc_prepared = True

    def tpc_commit(self, xid: Xid | str | None = None) -> None:
        """Commit this connection's two-phase transaction, or the prepared one called *xid*."""
        self._finish("COMMIT", xid)

    def tpc_rollback(self, xid: Xid | str | None = None) -> None:
        """Roll back this connection's two-phase transaction, or the prepared one called *xid*."""
        self._finish("ROLLBACK", xid)

    def tpc_recover(self) -> list[Xid]:
        """Return the ids of the transactions that are prepared in any database."""
        was_idle = self.state == IDLE
        with self.cursor() as cursor:
            cursor.execute("SELECT gid, prepared, owner, database FROM pg_prepared_xacts")
            found = [Xid.from_text(gid, *where) for gid, *where in cursor]
        if was_idle and self.state != IDLE:
            self.exchange(messages.query(b"ROLLBACK"))
        return found

    def _finish(self, verb: str, xid: Xid | str | None) -> None:
        if xid is not None:
            self._check_outside(f"tpc_{verb.lower()}() with a transaction id")
            self._run_quoted(
                f"{verb} PREPARED", xid if isinstance(xid, Xid) else Xid.from_text(xid)
            )
            return
        if self._tpc is None:
            raise errors.ProgrammingError(f"tpc_{verb.lower()}() needs tpc_begin() first")
        if self._tpc_prepared:
            self._run_quoted(f"{verb} PREPARED", self._tpc)
        else:
            self.exchange(messages.query(verb.encode()))
        self._tpc, self._tpc_prepared = None, False

    def _run_quoted(self, command: str, xid: Xid) -> None:
        self.exchange(messages.query(f"{command} {quote(xid.text)}".encode()))

    def _check_outside(self, what: str) -> None:
        if self.state != IDLE or self._tpc is not None:
            raise errors.ProgrammingError(f"{what} must be called outside of a transaction")

    def _refuse_in_two_phase(self, what: str) -> None:
        if self._tpc is not None:
            raise errors.ProgrammingError(f"{what} cannot be used in a two-phase transaction")
