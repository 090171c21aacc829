"""libpq's two ways of writing where to connect: a URI, or ``key=value`` pairs.

Every adapter is given the same parameters, whichever form was used and whether or
not its driver stands on libpq. The rules are those of PostgreSQL's "Connection
Strings" chapter. No message here repeats what stands in the string: a password with
an unescaped ``@`` or ``/`` slips easily into what looks like a host, port or name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from multipool.errors import PoolConfigError

#: The keywords of libpq (PostgreSQL 18).
KEYWORDS: Final = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname
    fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version oauth_client_id oauth_client_secret
    oauth_issuer oauth_scope options passfile password port replication require_auth
    requirepeer requiressl scram_client_key scram_server_key service servicefile
    ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression
    sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert
    sslsni target_session_attrs tcp_user_timeout user
    """.split()
)

#: Those whose value is never shown.
SECRETS: Final = frozenset(
    ["password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"]
)

_FLAG: Final = ("0", "1")
# To libpq a flag is off unless it begins with a 1. Who says "on" is told; this is what it means.
_OFF: Final = frozenset(["false", "no", "off"])
_PROTOCOLS: Final = ("3.0", "3.2", "latest")
_TLS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
#: Those that libpq knows a few values of.
CHOICES: Final = {
    "channel_binding": ("disable", "prefer", "require"),
    "gssdelegation": _FLAG,
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
    "max_protocol_version": _PROTOCOLS,
    "min_protocol_version": _PROTOCOLS,
    "ssl_max_protocol_version": _TLS,
    "ssl_min_protocol_version": _TLS,
    "sslcertmode": ("disable", "allow", "require"),
    "sslcompression": _FLAG,
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "sslsni": _FLAG,
    "target_session_attrs": (
        "any",
        "read-write",
        "read-only",
        "primary",
        "standby",
        "prefer-standby",
    ),
}
_WHOLE_NUMBERS: Final = frozenset(
    """
    connect_timeout keepalives keepalives_count keepalives_idle keepalives_interval
    tcp_user_timeout
    """.split()
)
# As strtol() reads it.
_WHOLE: Final = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)

_SCHEMES: Final = ("postgresql://", "postgres://")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


def parse(dsn: str) -> dict[str, str]:
    """Return the parameters in *dsn* by libpq's keywords.

    Raises `PoolConfigError` for what libpq would refuse; the text says which part is
    wrong and what is expected there, and repeats no value.
    """
    for scheme in _SCHEMES:
        if dsn.startswith(scheme):
            params = _parse_uri(dsn[len(scheme) :])
            break
    else:
        if "://" in dsn.partition("=")[0]:
            raise PoolConfigError(f"bad DSN: a URI must begin with {' or '.join(_SCHEMES)}")
        params = _parse_pairs(dsn)
    check(params)
    return params


def check(params: Mapping[str, Any], extra: Iterable[str] = ()) -> None:
    """Refuse a parameter that is neither one of libpq's nor one of *extra*.

    *extra* are the driver's own keyword arguments. Also refuses a value that libpq would not
    take, where it takes a few, a number or a port, and a flag that it would misread. Raises
    `PoolConfigError`, which names the parameter and those allowed, or the values.
    """
    known = KEYWORDS.union(extra)
    for name in params:
        if name not in known:
            raise PoolConfigError(
                f"unknown connection parameter {name!r}{did_you_mean(name, known)};"
                f" allowed: {', '.join(sorted(known))}"
            )
    for name, value in params.items():
        if value is None or value == "":  # libpq's default
            continue
        if name in CHOICES:
            refuse_unless_among(CHOICES[name], name, value)
        if name in _WHOLE_NUMBERS and not _is_whole(value):
            raise PoolConfigError(f"bad connection parameter {name}: must be a whole number")
    port = params.get("port")
    if port is not None:
        for one in str(port).split(","):
            if one and not (one.isascii() and one.isdigit() and 1 <= int(one) <= 65535):
                raise PoolConfigError(
                    "bad connection parameter port: must be a number from 1 to 65535,"
                    " or several separated by commas"
                )


def refuse_unless_among(
    allowed: tuple[str, ...], name: str, value: object, whose: str = ""
) -> None:
    """Refuse the *value* of parameter *name* unless it is one of those *allowed*, in words."""
    if allowed is _FLAG and str(value).casefold() in _OFF:
        return
    # libpq heeds the case but for versions of TLS.
    fold = str.casefold if allowed is _TLS else str
    if fold(str(value)) not in map(fold, allowed):
        either = " or ".join(filter(None, [", ".join(allowed[:-1]), allowed[-1]]))
        raise PoolConfigError(f"bad connection parameter {name}: must be {either}{whose}")


def _is_whole(value: object) -> bool:
    return _WHOLE.fullmatch(str(value)) is not None and not isinstance(value, bool)


#: What other libraries, and Django's settings, call it, where that is not spelt alike.
_ELSEWHERE: Final = {
    "database": "dbname",
    "db": "dbname",
    "pwd": "password",
    "pool_size": "max_size",
    "max_connections": "max_size",
    "maxconnections": "max_size",
    "maxconn": "max_size",
    "minconn": "min_size",
    "pool_recycle": "max_lifetime",
    "recycle": "max_lifetime",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the name in *known* nearest to *name*, or nothing."""
    names = list(known)
    other = _ELSEWHERE.get(str(name).lower())
    near = [other] if other in names else difflib.get_close_matches(str(name), names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def redact(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return *params* with each secret's value replaced by ``***``."""
    return {k: "***" if k in SECRETS else v for k, v in params.items()}


def _parse_uri(rest: str) -> dict[str, str]:
    params: dict[str, str] = {}
    # As libpq does: credentials end at an "@" before any "/", and may hold a "?".
    end = next((i for i, letter in enumerate(rest) if letter in "@/"), -1)
    userinfo = ""
    if end >= 0 and rest[end] == "@":
        userinfo, rest = rest[:end], rest[end + 1 :]
    rest, _, query = rest.partition("?")
    hosts, _, dbname = rest.partition("/")
    if "@" in hosts or "@" in dbname:
        raise _more_than_one_at()
    user, _, password = userinfo.partition(":")
    for name, value in (("user", user), ("password", password), ("dbname", dbname)):
        if value:
            params[name] = _decode(value, name)
    if hosts:
        names, ports = zip(*map(_split_host, hosts.split(",")), strict=True)
        if any(names):
            params["host"] = ",".join(_decode(name, "host") for name in names)
        if any(ports):
            params["port"] = ",".join(_decode(port, "port") for port in ports)
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        name = _decode(name, "parameter name")
        if not equals or "=" in value:
            raise PoolConfigError(
                "bad DSN: after '?' expected name=value pairs joined by '&',"
                " with '=' and '&' in a value written as %3D and %26"
            )
        if name not in KEYWORDS and "@" in query:
            raise _more_than_one_at()  # the name is a part of the password
        _refuse_spill(name, params)
        if name == "ssl" and value == "true":  # JDBC's spelling, which libpq reads too
            name, value = "sslmode", "require"
        params[name] = _decode(value, name)
    return params


def _more_than_one_at() -> PoolConfigError:
    return PoolConfigError(
        "bad DSN: more than one '@'; write an '@' in the user or password as %40, a '/' as %2F"
    )


def _refuse_spill(name: str, before: dict[str, str]) -> None:
    """Refuse an unknown *name* after a secret without repeating it: it may be the secret's rest."""
    last = next(reversed(before), "")
    if name not in KEYWORDS and last in SECRETS:
        raise PoolConfigError(
            f"bad DSN: what follows {last} is no connection parameter; a value with spaces must"
            " stand in single quotes, and in a URI '&' and '=' are written as %26 and %3D"
        )


def _split_host(hostspec: str) -> tuple[str, str]:
    if hostspec.startswith("["):
        host, bracket, rest = hostspec[1:].partition("]")
        if not bracket or not host or (rest and not rest.startswith(":")):
            raise PoolConfigError("bad DSN: an IPv6 address must be written as [address]:port")
        return host, rest[1:]
    host, _, port = hostspec.partition(":")
    return host, port


def _decode(value: str, what: str) -> str:
    if _BAD_ESCAPE.search(value):
        raise PoolConfigError(
            f"bad DSN: invalid percent-escape in the {what}; write a '%' itself as %25"
        )
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise PoolConfigError(f"bad DSN: the {what} is not UTF-8 once decoded") from None


# name = value, where the value is bare or in single quotes, backslash escaping either.
_PAIR: Final = re.compile(
    r"""\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\']|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|$)""",
    re.DOTALL,
)


def _parse_pairs(dsn: str) -> dict[str, str]:
    params: dict[str, str] = {}
    at, end = 0, len(dsn.rstrip())
    while at < end:
        match = _PAIR.match(dsn, at)
        if match is None:
            raise PoolConfigError(
                "bad DSN: expected name=value pairs separated by spaces (a value with spaces"
                f" in single quotes) or a URI that begins with {_SCHEMES[0]};"
                f" wrong in pair {len(params) + 1}"
            )
        name, quoted, bare = match.groups()
        _refuse_spill(name, params)
        params[name] = re.sub(r"\\(.)", r"\1", quoted or bare or "", flags=re.DOTALL)
        at = match.end()
    return params
