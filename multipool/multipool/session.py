"""What a statement does to a PostgreSQL session, and how that is undone.

For adapters to PostgreSQL: they see their user's SQL go by and tell the pool with
`Pooled.touch`. Seeing nothing where there was something would hand one user's settings to
the next, seeing too much costs one round trip on return: so whatever is in doubt touches.
What cannot be seen from here is state set inside a server function; ``reset="always"`` is
the guarantee.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from multipool.placeholders import is_several

# A first word after which nothing outlives the transaction, unless the text has one of
# `_LASTING` in it. All others (SET, LISTEN, PREPARE, DO, CALL, COPY, ...) touch.
_HARMLESS: Final = frozenset(
    """
    abort alter analyze begin checkpoint close cluster comment commit create declare delete drop
    end
    execute explain fetch grant import insert lock merge move notify reassign refresh reindex
    release revoke rollback savepoint select show start table truncate update vacuum values
    with
    """.split()
)

_COMMENT: Final = r"--[^\n]*\n|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/"

# `set_limit` is pg_trgm's. To update pg_settings is to SET. In U&"..." any name may be hidden.
_LASTING: Final = re.compile(
    r"set_config|setseed|set_limit|pg_settings|advisory|dblink|\btemp(?:orary)?\b|pg_temp|\bu&\""
    rf"|with(?:\s|{_COMMENT})+hold\b|;\s*\S",
    re.IGNORECASE,
)

# A semicolon after which something comes, be it in a literal.
_SECOND: Final = re.compile(r";\s*\S")

_FIRST_WORD: Final = re.compile(rf"(?:\s|\(|{_COMMENT})*([a-z]+)", re.IGNORECASE)

# A comment of sqlcommenter's at the end, as the option ``comments`` appends them. In its few
# characters nothing can be executed, even if what comes before makes it something else.
_APPENDED: Final = re.compile(r"/\*[\w.~%'=,-]*\*/(?=\s*;?\s*\Z)")

# Longer texts are data as a rule; remembering them would cost more than looking.
_LONG: Final = 2000


def first_word(sql: str) -> str:
    """Return the first word of *sql* in small letters; empty where there is none."""
    found = _FIRST_WORD.match(sql)
    return found[1].lower() if found else ""


def without_comment(sql: str) -> str:
    """Return *sql* without what `Comments` may have appended: it is none of the user's words."""
    return _APPENDED.sub("", sql) if "*/" in sql else sql


#: Texts that were looked at and leave nothing behind. Adapters look in here before they ask
#: `touches`, which is what each execution of theirs pays. None with a string literal, which may be
#: a password, and seldom comes again.
innocent: Final[set[str]] = set()
_MANY: Final = 2048


def may_be_remembered(sql: str) -> bool:
    """Return whether *sql* may be kept: it is short, and has no string literal."""
    return len(sql) <= _LONG and "'" not in sql and "$" not in sql


def touches(sql: str) -> bool:
    """Return whether running *sql* may leave something behind in the session."""
    if sql in innocent:
        return False
    if _touches(sql):
        return True
    if may_be_remembered(sql):
        if len(innocent) >= _MANY:
            innocent.clear()
        innocent.add(sql)
    return False


def _touches(sql: str) -> bool:
    found = _FIRST_WORD.match(sql)
    if found is None:
        return bool(sql.strip())
    word = found[1].lower()
    return word not in _HARMLESS or _LASTING.search(without_comment(sql)) is not None


# Statements that mean the same with a BEGIN right before them in the same message. COPY does
# not (its data follow), nor does what ends or begins a transaction itself.
_CARRYING: Final = frozenset(
    """
    declare delete execute explain insert lock merge savepoint select set show table truncate
    update values with
    """.split()
)


#: How the SQLSTATEs begin that end a wait: for a lock, of a deadlock, by a cancel. None of them is
#: about a statement's text, though it may name a place in it.
WAITED: Final = ("55", "40", "57")


def carries_begin(sql: str) -> bool:
    """Return whether *sql* is one statement, with which its transaction's BEGIN may travel.

    In doubt it is not: that costs one round trip.
    """
    return _carries_remembered(sql) if may_be_remembered(sql) else _carries(sql)


def _carries(sql: str) -> bool:
    found = _FIRST_WORD.match(sql)
    return found is not None and found[1].lower() in _CARRYING and not _SECOND.search(sql)


_carries_remembered = lru_cache(maxsize=2048)(_carries)

#: What ``configure`` made, to be made again after a reset: name and value of each setting, the
#: session's user if it is not who logged in, and the role, which goes with that; then what it has
#: prepared by SQL, and what it listens to.
READ_CONFIGURED: Final = (
    "select name, setting from pg_catalog.pg_settings where source = 'session'"
    " union all select 'session_authorization', session_user from pg_catalog.pg_stat_activity"
    " where pid = pg_catalog.pg_backend_pid() and usename <> session_user"
    " union all select 'role', pg_catalog.current_setting('role')"
    " where pg_catalog.current_setting('role') <> 'none'"
    " union all select 'prepare', statement from pg_catalog.pg_prepared_statements"
    " where from_sql and name !~ '^(multipool|_pg3)_[0-9]+$'"
    " union all select 'listen', channel from pg_catalog.pg_listening_channels() as channel"
)

# A name of two parts or more, as settings of one's own have. Tables and columns have such too.
_NAME: Final = re.compile(
    r'(?<![\w$."])(?:"?[^\W\d][\w$]*"?\.)+"?[^\W\d][\w$]*"?',
)


def note_names(conn: Any, sql: str) -> None:
    """Note what may be a setting of one's own in *sql*, about to be executed on *conn*.

    Adapters call this with what `touches`. It does nothing but while *conn* is set up: then
    `read_configured` asks for these by name, since no view of the server's lists them.
    """
    if conn._multipool_noting:
        conn._multipool_named |= {name.replace('"', "") for name in _NAME.findall(sql)}


def read_configured(conn: Any) -> str:
    """Return the query for what ``configure`` made of *conn*, for `reset_sql`."""
    if not conn._multipool_named:
        return READ_CONFIGURED
    names = ", ".join(map(_literal, sorted(conn._multipool_named)))
    return (
        f"{READ_CONFIGURED} union all select name, pg_catalog.current_setting(name, true)"  # noqa: S608  # literals
        f" from pg_catalog.unnest(array[{names}]) as name"
        " where pg_catalog.current_setting(name, true) is not null"
    )


#: DISCARD ALL in pieces, since that may not stand beside other statements in one message. And what
#: that leaves: whoever knows what `random` was seeded with knows what it returns.
RESET: Final = (
    "close all; set session authorization default; reset all; deallocate all; unlisten *;"
    " select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences;"
    " select pg_catalog.setseed(pg_catalog.date_part("
    "'microseconds', pg_catalog.clock_timestamp()) / 60000000)"
)


def reset_sql(configured: list[tuple[str, str]]) -> str:
    """Return the text that resets a session and makes again what *configured* holds.

    That is what the server gave for `read_configured`.
    """
    return "; ".join([RESET, *filter(None, (_again(name, value) for name, value in configured))])


def _again(name: str, value: str) -> str:
    """Return what makes one row of *configured* again; empty for what cannot be."""
    if name == "listen":
        return 'listen "' + value.replace('"', '""') + '"'
    if name == "prepare":
        # Read only when it is executed: until then quotes mean what the last borrower has set.
        block = f"begin execute {_literal(value)}; end"
        # The server keeps the whole text that it came with, where others may stand.
        return "" if is_several(value) else f"do {_literal(block)}"
    return f"select pg_catalog.set_config({_literal(name)}, {_literal(value)}, false)"


def _literal(text: str) -> str:
    # E'' reads the same whatever standard_conforming_strings says.
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
