"""``OPTIONS["pool"]``: what it may be, and which pool options it stands for."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from multipool import Pool, pools
from multipool.config import WITHOUT_EFFECT
from multipool.watch.usage import HoldUntil
from multipool_django.naming import with_name
from multipool_django.targets import Owner, is_derived

#: Where it is not the pool's own default: a request costs a thousand times what a stack does,
#: and a query of the ORM hundreds of times what it costs to count it.
_DEFAULTS: Final = {"trace": "full", "queries": True}

#: Until when a connection is held: the end of the request, or of what needs it.
REQUEST: Final[HoldUntil] = "request"
TRANSACTION: Final[HoldUntil] = "transaction"

#: The entries of a dict in ``OPTIONS["pool"]`` that are Django's business, not the pool's: until
#: when a connection is held, and the name of a pool that is shared.
_HOLD: Final = "hold"
_SHARED: Final = "shared"
#: The pool's option for which there is no use here: Django ends its cursors by itself.
_STRICT: Final = "strict"


def owner(alias: str, settings: dict[str, Any]) -> Owner:
    """Return whose pools serve *alias*."""
    given = settings["OPTIONS"].get("pool")
    name = given.get(_SHARED) if isinstance(given, dict) else given
    return ("pool", name) if isinstance(name, str) else ("alias", alias)


def read(alias: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the pool options that ``DATABASES[alias]["OPTIONS"]["pool"]`` asks for.

    ``True``, or nothing at all
        a pool of this alias with the default options;
    a dict
        a pool of this alias with these options, without `hold` and those that `PoolConfig`
        has no use for (a system check's warning);
    a string
        a pool with the options of the `Pool` of that name, shared by the aliases that
        name it as far as they connect to the same target. Only its options are
        borrowed: host, user and database always come from the settings, which the test
        runner changes. ``{"shared": name}`` is the same, with room for `hold`.
    ``False``
        no pool; this is not called.

    Raises `ImproperlyConfigured` for anything else.
    """
    given = settings["OPTIONS"].get("pool", True)
    if given is True:
        found = {"name": alias, **_DEFAULTS}
    elif isinstance(given, dict) and _SHARED in given:
        found = _borrowed(alias, _name_in(alias, given))
    elif isinstance(given, dict):
        without = {_HOLD, *WITHOUT_EFFECT}
        useful = {option: given[option] for option in given if option not in without}
        found = {"name": alias, **_DEFAULTS, **useful}
    elif isinstance(given, str):
        found = _borrowed(alias, given)
    else:
        raise ImproperlyConfigured(
            f"{_where(alias)} is {given!r}; it must be True, False, a dict of options"
            " or the name of a pool"
        )
    if found.get(_STRICT):
        raise ImproperlyConfigured(
            f"{_where(alias)} asks for {_STRICT}={found[_STRICT]!r}: Django needs the driver's own"
            f" connections, not proxies of them; it must be False, or left out"
        )
    if found.get("budget") is not None and not found.get("fleet"):
        found["fleet"] = True  # which that needs
    if found.get("fleet"):
        found["fleet"] = with_name(found["fleet"])
    return found


def hold(alias: str, settings: dict[str, Any]) -> str:
    """Return ``OPTIONS["pool"]["hold"]``: `REQUEST`, which is the default, or `TRANSACTION`.

    Raises `ImproperlyConfigured` for anything else.
    """
    given = settings["OPTIONS"].get("pool")
    found = given.get(_HOLD, REQUEST) if isinstance(given, dict) else REQUEST
    if found not in (REQUEST, TRANSACTION):
        raise ImproperlyConfigured(
            f"{_where(alias)}[{_HOLD!r}] is {found!r}; it must be {REQUEST!r} or {TRANSACTION!r}"
        )
    return str(found)


def refuse_persistence(alias: str, settings: dict[str, Any], max_age: float | None) -> None:
    """Raise `ImproperlyConfigured` if a pool was asked for and *max_age* is not 0.

    Where nobody asked, and aliases are pooled by default, it is a system check's warning.
    """
    if "pool" in settings["OPTIONS"] and max_age != 0:
        # Django's own words, so that who searches for them finds the reason.
        raise ImproperlyConfigured(
            f"Pooling doesn't support persistent connections. Set CONN_MAX_AGE of alias"
            f" {alias!r} to 0, or remove {_where(alias)}, or set it to False."
        )


def _name_in(alias: str, given: dict[str, Any]) -> str:
    """Return the name of the pool that a dict says is shared."""
    name = given[_SHARED]
    if not isinstance(name, str):
        raise ImproperlyConfigured(
            f"{_where(alias)}[{_SHARED!r}] is {name!r}; it must be the name of a pool"
        )
    others = sorted(given.keys() - {_SHARED, _HOLD}, key=str)
    if others:
        raise ImproperlyConfigured(
            f"{_where(alias)} has {', '.join(map(repr, others))} beside {_SHARED!r}: the options"
            f" are those of the pool {name!r}; only {_HOLD!r} may stand there"
        )
    return name


def _borrowed(alias: str, name: str) -> dict[str, Any]:
    lenders = {pool.name: pool for pool in pools() if not is_derived(pool)}
    lender: Pool | None = lenders.get(name)
    if lender is None:
        known = ", ".join(map(repr, sorted(lenders))) or "there is none"
        if "://" in name or "=" in name:  # and there may be a password in it
            raise ImproperlyConfigured(
                f"{_where(alias)} is a DSN; it must be True, False, a dict of options or the name"
                " of a pool. Where the server is say HOST, PORT, NAME, USER and PASSWORD"
            )
        raise ImproperlyConfigured(
            f"{_where(alias)} names the pool {name!r}, which does not exist; known: {known}"
        )
    config = lender.config
    borrowed = {option: getattr(config, option) for option in config.names()}
    return {**borrowed, "name": f"{name}/{alias}"}


def _where(alias: str) -> str:
    return f'DATABASES[{alias!r}]["OPTIONS"]["pool"]'
