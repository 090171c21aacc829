"""Django's ``CursorWrapper`` with fewer calls between a query and the driver's cursor.

Django's goes through a context manager for each statement, and through ``__getattr__`` and a
function made for the occasion for each fetch. What a request pays for being watched is saved
here.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any, Final

from django.apps import apps
from django.db.backends import utils
from django.db.backends.utils import CursorWrapper

# What is left out here. Where another library has put its own in the place of one of them, as
# those that trace queries do, Django's way is gone.
_HOOKS: Final = ("__init__", "__getattr__", "execute", "_execute", "_execute_with_wrappers")


#: What goes to the server by methods of a driver's cursor that Django does not know.
_SENT: Final = frozenset(["copy", "copy_expert", "copy_from", "copy_to", "stream"])


class RefusingCursorWrapper(CursorWrapper):
    """Sends nothing any more once Django has closed the connection that it was made on.

    That may be another's by then. To be put before the class that Django, or who traces it, has.
    """

    #: The connection that its wrapper of Django's had when this was made.
    made_on: Any

    def __init__(self, cursor: Any, db: Any) -> None:
        super().__init__(cursor, db)
        self.made_on = db.connection

    def execute(self, *args: Any, **options: Any) -> Any:
        """Execute a statement, as Django does."""
        if self.made_on is not self.db.connection:
            self._refuse()
        return super().execute(*args, **options)

    def executemany(self, *args: Any, **options: Any) -> Any:
        """Execute a statement for each of its parameters, as Django does."""
        if self.made_on is not self.db.connection:
            self._refuse()
        return super().executemany(*args, **options)

    def callproc(self, *args: Any, **options: Any) -> Any:
        """Call a function, as Django does."""
        if self.made_on is not self.db.connection:
            self._refuse()
        return super().callproc(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name in _SENT and self.made_on is not self.db.connection:
            self._refuse()
        return super().__getattr__(name)

    def _refuse(self) -> None:
        with self.db.wrap_database_errors:
            raise self.db.Database.InterfaceError("connection already closed")


class ShortCursorWrapper(RefusingCursorWrapper):
    """Does what Django's does, for as long as nothing but Django has a say in it."""

    def __init__(self, cursor: Any, db: Any) -> None:
        self.cursor, self.db = cursor, db
        self.made_on = db.connection

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Execute *sql*, as Django does."""
        db = self.db
        if self.made_on is not db.connection:
            self._refuse()
        if db.execute_wrappers or not apps.ready:
            return super().execute(sql, params)
        if db.needs_rollback:
            db.validate_no_broken_transaction()
        try:
            if params is None:
                return self.cursor.execute(sql)
            return self.cursor.execute(sql, params)
        except Exception:
            with db.wrap_database_errors:
                raise

    def fetchone(self) -> Any:
        """Return the next row, as the driver does."""
        try:
            return self.cursor.fetchone()
        except Exception:
            with self.db.wrap_database_errors:
                raise

    def fetchmany(self, *args: Any, **options: Any) -> Any:
        """Return some rows, as the driver does."""
        try:
            return self.cursor.fetchmany(*args, **options)
        except Exception:
            with self.db.wrap_database_errors:
                raise

    def fetchall(self) -> Any:
        """Return the rows that are left, as the driver does."""
        try:
            return self.cursor.fetchall()
        except Exception:
            with self.db.wrap_database_errors:
                raise

    def close(self) -> Any:
        """Close the driver's cursor."""
        return self.cursor.close()


def _djangos(name: str) -> Any:
    """Return Django's own method *name*; None, which is no method, where it was replaced."""
    found = vars(CursorWrapper).get(name)  # a subclass in its place need not have all
    own = isinstance(found, FunctionType) and found.__globals__ is vars(utils)
    return found if own else None


_init, _getattr, _execute, _inner, _with_wrappers = map(_djangos, _HOOKS)

# What Django's has none of, since it passes them on: a library may add one. To ask for each takes
# longer than to see that nothing was added.
_SHORT: Final = frozenset(["fetchone", "fetchmany", "fetchall", "close"])
_own: Final = vars(CursorWrapper)  # as it is, not as it was
_size: Final = len(_own) if _SHORT.isdisjoint(_own) else -1


def wrapper_class() -> type[CursorWrapper]:
    """Return the class that a cursor for Django is to be wrapped in."""
    theirs = utils.CursorWrapper
    own: Any = theirs  # django-stubs leave out the two that begin with an underscore
    if (
        theirs is CursorWrapper
        and theirs.__init__ is _init
        and theirs.execute is _execute
        and own._execute is _inner
        and own._execute_with_wrappers is _with_wrappers
        and theirs.__getattr__ is _getattr
        and (len(_own) == _size or _SHORT.isdisjoint(_own))
    ):
        return ShortCursorWrapper
    return refusing(theirs) if isinstance(theirs, type) else theirs


@cache
def refusing(theirs: type[CursorWrapper]) -> type[CursorWrapper]:
    """Return the subclass of *theirs* that is a `RefusingCursorWrapper` too."""
    names = {"__module__": theirs.__module__, "__doc__": theirs.__doc__}
    return type(theirs.__name__, (RefusingCursorWrapper, theirs), names)
