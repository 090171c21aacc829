"""TLS: libpq's ``sslmode`` and its companions as an `ssl.SSLContext`.

Building a context reads the system's certificates and takes tens of milliseconds, so it
is kept for each set of settings and made anew when one of its files has changed.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from multipool.errors import PoolConfigError
from multipool_pg8000.errors import OperationalError
from multipool_pg8000.transport import TLSSocket

_VERSIONS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TLS:
    """What libpq's parameters say about encryption; paths are None where there is no file."""

    mode: str
    rootcert: str | None = None
    cert: str | None = None
    key: str | None = None
    password: str | None = field(default=None, repr=False)
    crl: str | None = None
    minimum: str = "TLSv1.2"
    maximum: str | None = None

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """Return what the parameters *texts* say, with libpq's default files.

        Raises `PoolConfigError` for the system's certificates without the check of the host's
        name: anyone can have a certificate of theirs.
        """
        root = texts.get("sslrootcert") or _if_there("~/.postgresql/root.crt")
        mode = texts.get("sslmode") or ("verify-full" if root == "system" else "prefer")
        if root == "system" and mode != "verify-full":
            raise PoolConfigError(
                f'weak sslmode "{mode}" may not be used with sslrootcert=system (use "verify-full")'
            )
        return cls(
            mode=mode,
            rootcert=root,
            cert=texts.get("sslcert") or _if_there("~/.postgresql/postgresql.crt"),
            key=texts.get("sslkey") or _if_there("~/.postgresql/postgresql.key"),
            password=texts.get("sslpassword"),
            crl=texts.get("sslcrl") or _if_there("~/.postgresql/root.crl"),
            minimum=texts.get("ssl_min_protocol_version", "TLSv1.2"),
            maximum=texts.get("ssl_max_protocol_version"),
        )

    def attempts(self) -> tuple[bool, ...]:
        """Return whether to encrypt, in the order in which it is tried."""
        return {"disable": (False,), "allow": (False, True), "prefer": (True, False)}.get(
            self.mode, (True,)
        )

    @property
    def required(self) -> bool:
        """Whether an unencrypted connection will not do."""
        return self.mode not in ("disable", "allow", "prefer")

    def context(self) -> ssl.SSLContext:
        """Return the context. Raises `OperationalError` that names what is wrong with a file."""
        return _context(self, tuple(map(_changed, (self.rootcert, self.cert, self.key, self.crl))))


@lru_cache(maxsize=32)
def _context(tls: TLS, changed: tuple[int | None, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = TLSSocket
    for name, value in (("minimum", tls.minimum), ("maximum", tls.maximum)):
        if value is not None:
            setattr(context, f"{name}_version", _VERSIONS[value.casefold()])
    # With a root certificate at hand, "require" verifies as "verify-ca" does.
    verify = tls.mode.startswith("verify") or (tls.mode == "require" and tls.rootcert is not None)
    context.check_hostname = tls.mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if verify:
        _trust(context, tls)
    if tls.cert is not None:
        try:
            # An empty password, so that nobody is asked for one on the terminal.
            context.load_cert_chain(tls.cert, tls.key, tls.password or "")
        except (OSError, ssl.SSLError) as error:
            raise OperationalError(
                f"sslcert {tls.cert!r} with sslkey {tls.key!r} cannot be used: {error}"
            ) from error
    return context


def _trust(context: ssl.SSLContext, tls: TLS) -> None:
    if tls.rootcert is None:
        raise OperationalError(
            f"sslmode={tls.mode} needs sslrootcert, the file ~/.postgresql/root.crt,"
            " or sslrootcert=system"
        )
    try:
        if tls.rootcert == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(tls.rootcert)
        if tls.crl is not None:
            context.load_verify_locations(tls.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except (OSError, ssl.SSLError) as error:
        raise OperationalError(
            f"sslrootcert {tls.rootcert!r} or sslcrl cannot be used: {error}"
        ) from error


def _if_there(path: str) -> str | None:
    full = Path(path).expanduser()
    return str(full) if full.exists() else None


def _changed(path: str | None) -> int | None:
    """Return when the file was last changed, in nanoseconds, or None if there is none."""
    try:
        return Path(path).stat().st_mtime_ns if path else None
    except OSError:
        return None
