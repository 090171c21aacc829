"""How long each statement took: what OpenTelemetry calls a database client's operations."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from multipool.watch.stacks import Place
from multipool.watch.tracing import More

if TYPE_CHECKING:
    from multipool.pool import Pool

log = logging.getLogger("multipool")

NAME: Final = "db.client.operation.duration"
UNIT: Final = "s"
DESCRIPTION: Final = "Duration of database client operations."

SYSTEM: Final = "db.system.name"
NAMESPACE: Final = "db.namespace"
OPERATION: Final = "db.operation.name"
STATUS: Final = "db.response.status_code"
ERROR: Final = "error.type"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"

#: The conventions want the port only where it is another.
_DEFAULT_PORT: Final = "5432"

#: Words that name an operation when a statement begins with them; so no other text, which may
#: hold anything, becomes an attribute. WITH is none of them, since it begins any of four.
_COMMANDS: Final = frozenset(
    "ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE"
    " DECLARE DELETE DISCARD DO DROP END EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK"
    " MERGE MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT"
    " SECURITY SELECT SET SHOW START TABLE TRUNCATE UNLISTEN UPDATE VACUUM VALUES".split()
)
_FIRST_WORD: Final = re.compile(r"[\s(]*([A-Za-z]{2,12})\b")

Attributes = dict[str, str | int]


class Operations:
    """Observes one pool, see `multipool.watch.tracing.Observer`; does not keep it alive."""

    def __init__(self, pool: Pool, record: Callable[[float, Attributes], object]) -> None:
        self._driver = pool.driver
        # Weakly: a callable of the user's, which it has, may refer to the pool.
        self._target = ref(pool._inner.target)
        self._where: Mapping[str, Any] | None = None
        self._always: Attributes = {}
        self._record = record

    def executed(
        self, sql: str, place: Place, seconds: float, rows: int, error: BaseException | None
    ) -> None:
        """Record one execution."""
        self._tell(operation_name(sql), seconds, error)

    def went_on(self, text: str, place: Place, more: More) -> None:
        """Record a FETCH, which the server sees as an operation of its own."""
        if more.seconds:
            self._tell("FETCH", more.seconds, more.error)

    def _tell(self, operation: str | None, seconds: float, error: BaseException | None) -> None:
        try:
            attributes = dict(self._shared())
            if operation is not None:
                attributes[OPERATION] = operation
            if error is not None:
                attributes |= self._what_went_wrong(error)
            self._record(seconds, attributes)
        except Exception as problem:  # nothing of ours may end a user's statement
            log.warning("a statement's duration was not recorded: %s", type(problem).__name__)

    def _shared(self) -> Attributes:
        """Return what all statements have, by what the pool connected to last."""
        target = self._target()
        if target is not None and (where := target.whereabouts()) is not self._where:
            self._always = {SYSTEM: self._driver.system, **_where(where)}
            self._where = where
        return self._always

    def _what_went_wrong(self, error: BaseException) -> Attributes:
        code = self._driver.sqlstate(error)
        return {ERROR: type(error).__qualname__} if code is None else {ERROR: code, STATUS: code}


def operation_name(sql: str) -> str | None:
    """Return the command that *sql* is, as it is written there; None if it may be several."""
    found = _FIRST_WORD.match(sql)
    if found is None or ";" in sql.rstrip().removesuffix(";"):
        return None
    word = found[1]
    return word if word.upper() in _COMMANDS else None


def _where(params: Mapping[str, Any]) -> Attributes:
    """Return the attributes that tell where a pool connects to."""
    found: Attributes = {}
    if params.get("dbname", "***") != "***":
        found[NAMESPACE] = str(params["dbname"])
    host, port = str(params.get("host", "")), str(params.get("port", _DEFAULT_PORT))
    if host and "," not in host:  # of several nobody knows here which it is
        found[ADDRESS] = host
        if port != _DEFAULT_PORT and port.isdigit():
            found[PORT] = int(port)
    return found
