"""multipool itself, on each driver and without its thread."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.peers.base import EVERYTHING, Hook, Lending, Options, Params


class Multipool(Lending):
    """Ours, as it comes: the upkeep thread on, sockets watched, sessions reset if touched."""

    label = "multipool"
    short = "multipool"
    distribution = "multipool"
    driver = "psycopg2"
    modules = ("multipool", "psycopg2")
    offers = EVERYTHING
    extra: ClassVar[dict[str, Any]] = {}

    def __init__(self, params: Params, options: Options) -> None:
        super().__init__(params, options)
        from multipool import Pool

        wanted = {"max_lifetime": options.lifetime, "reset": options.reset}
        self.pool = Pool(
            dict(params),
            driver=self.driver,
            max_size=options.size,
            timeout=options.timeout,
            configure=_configure(options),
            **{name: value for name, value in wanted.items() if value is not None},
            **self.extra,
        )


class MultipoolPure(Multipool):
    """Ours as it is where nothing could be compiled when it was installed."""

    label = "multipool, Python alone"
    short = ".. in Python"

    def __init__(self, params: Params, options: Options) -> None:
        from multipool import compiled_path

        before, compiled_path.in_use = compiled_path.in_use, False
        try:
            super().__init__(params, options)
        finally:
            compiled_path.in_use = before


class MultipoolPsycopg(Multipool):
    """Ours, lending psycopg's connections."""

    label = "multipool, psycopg"
    short = ".. psycopg"
    driver = "psycopg"
    modules = ("multipool", "psycopg")


class MultipoolPg8000(Multipool):
    """Ours, lending pg8000's connections."""

    label = "multipool, pg8000"
    short = ".. pg8000"
    driver = "pg8000"
    modules = ("multipool", "pg8000")


class MultipoolInline(Multipool):
    """Ours without a thread: upkeep is done by whoever calls, sockets are looked at on checkout."""

    label = "multipool, inline"
    short = ".. inline"
    extra: ClassVar[dict[str, Any]] = {"upkeep": "inline"}


class MultipoolPolling(Multipool):
    """Ours without a thread and with a look at the socket at each checkout."""

    label = "multipool, inline, a poll each time"
    short = ".. polling"
    extra: ClassVar[dict[str, Any]] = {"upkeep": "inline", "check_after": 0}


def _configure(options: Options) -> Hook | None:
    if not options.autocommit:
        return options.configure

    def configure(conn: Any) -> None:
        conn.autocommit = True
        if options.configure is not None:
            options.configure(conn)

    return configure
