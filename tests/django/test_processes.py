"""Real servers and workers, which fork, reload and end: each process has connections of its own.

Each of them uses the database before it forks, so that its children inherit a pool with an
open connection.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import Thread, until

from multipool.watch import runtime
from multipool.watch.asking import processes

MakeAlias = Callable[..., Any]

PROJECT = Path(__file__).parent / "project"
LOOPBACK = "127.0.0.1"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


class Site:
    """A program that runs the project, and what the server sees of it."""

    def __init__(self, database: dict[str, Any], watcher: Any, folder: Path) -> None:
        self._name = f"{database['ENGINE']} {folder.name}"[-60:]
        self._watcher = watcher
        self.report = folder / "report"
        self.sockets = folder / "run"
        with socket.create_server((LOOPBACK, 0)) as listener:
            self.port = listener.getsockname()[1]
        database = {**database, "OPTIONS": {"application_name": self._name}}
        # Their own warnings are not ours to judge, nor what Python says of forks beside threads.
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "LIBRARY_DATABASES": json.dumps({"default": database}),
            "LIBRARY_REPORT": str(self.report),
            "MULTIPOOL_TOP": "1",
            runtime.VARIABLE: str(folder / "run"),
            "PYTHONDEVMODE": "",
            "PYTHONWARNINGS": "",
        }
        self.environment.pop("WEB_CONCURRENCY", None)

    @contextmanager
    def running(
        self, *command: object, project: Path = PROJECT, end: signal.Signals = signal.SIGTERM
    ) -> Iterator[subprocess.Popen[str]]:
        """Run *command* in *project*; at the end it must go by itself, and silently."""
        with subprocess.Popen(
            [str(word) for word in command],
            cwd=project,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            output = Thread(process.stdout.read)  # type: ignore[union-attr]
            try:
                yield process
                if process.poll() is None:
                    process.send_signal(end)
                process.wait(30)
            except BaseException as error:
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.killpg(process.pid, signal.SIGKILL)
                error.add_note(output.outcome())
                raise
            said = output.outcome()
        assert "Traceback" not in said, said

    def backends(self) -> set[int]:
        """Return the pids of the server processes that serve it."""
        sql = "select pid from pg_stat_activity where application_name = %s"
        with self._watcher.cursor() as cursor:
            cursor.execute(sql, [self._name])
            return {pid for (pid,) in cursor.fetchall()}

    def get(self) -> dict[str, Any]:
        """Get the page that tells who served it."""
        client = HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            client.request("GET", "/process/", headers={"Connection": "close"})
            answer = client.getresponse()
            body = answer.read()
        finally:
            client.close()
        assert answer.status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def told(self) -> set[int]:
        """Return the pids of the processes that tell ``multipool top`` of their pool."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(runtime.VARIABLE, str(self.sockets))
            return {process["pid"] for process in processes() if process["pools"]}

    def process(self) -> int | None:
        """Return who serves, or None if nobody answers now, or not to the end."""
        try:
            pid: int = self.get()["process"]
        except (OSError, HTTPException, json.JSONDecodeError):
            return None
        return pid


@pytest.fixture
def run(make_alias: MakeAlias, database: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    """What runs the project; when that has ended, nothing of it is left on the server."""
    site = Site(database, make_alias("watcher"), tmp_path)
    yield site
    until(lambda: not site.backends())


def assert_each_worker_has_its_own(site: Site, workers: int) -> None:
    """Get pages until each worker has served one, and compare."""
    until(site.process, timeout=30)
    seen: list[dict[str, Any]] = []

    def all_have_served() -> bool:
        clients = [Thread(site.get) for _ in range(2 * workers)]
        seen.extend(client.outcome(30) for client in clients)
        return len({page["process"] for page in seen}) == workers

    until(all_have_served, timeout=30)
    of_each: dict[int, set[int]] = {}
    for page in seen:
        of_each.setdefault(page["process"], set()).add(page["backend"])
        assert page["upkeep"] == 1
    assert site.told() >= of_each.keys()
    backends = [pid for own in of_each.values() for pid in own]
    assert len(backends) == len(set(backends)), "two processes share a connection"
    parents = int(seen[0]["loaded_by"])
    assert parents not in backends
    assert parents in site.backends(), "a child has ended its parent's connection"


def program(name: str) -> str | None:
    """Return the path of a program beside this Python, or wherever it is found."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(not find_spec("gunicorn"), reason="pip install gunicorn")
def test_gunicorns_workers_after_preload_each_have_connections_of_their_own(run: Site) -> None:
    with run.running(
        *(sys.executable, "-m", "gunicorn", "library.wsgi", "--preload"),
        *("--workers", 2, "--threads", 2, "--bind", f"{LOOPBACK}:{run.port}"),
        *("--worker-tmp-dir", run.report.parent),
    ):
        assert_each_worker_has_its_own(run, 2)


@pytest.mark.skipif(not program("uwsgi"), reason="pip install pyuwsgi (or uwsgi)")
def test_uwsgis_workers_each_have_connections_of_their_own(run: Site) -> None:
    with run.running(
        *(program("uwsgi"), "--http-socket", f"{LOOPBACK}:{run.port}", "--module", "library.wsgi"),
        *("--master", "--processes", 2, "--threads", 2, "--enable-threads", "--need-app"),
        *("--virtualenv", sys.prefix, "--die-on-term", "--pythonpath", PROJECT),
    ):
        assert_each_worker_has_its_own(run, 2)


@pytest.mark.skipif(not find_spec("celery"), reason="pip install celery")
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celerys_tasks_give_back_clean_connections_of_their_own_process(
    run: Site, pool: str
) -> None:
    with run.running(
        *(sys.executable, "-m", "celery", "-A", "library.tasks", "worker", "-P", pool, "-c", 2),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "critical"),
    ) as worker:
        until(lambda: run.report.exists() and '"after"' in run.report.read_text(), timeout=60)
        # Its own way to end takes five seconds and more.
        os.killpg(worker.pid, signal.SIGKILL)
    *tasks, parent = map(json.loads, run.report.read_text().splitlines())
    assert len(tasks) == 8
    assert all(task["fresh"] for task in tasks)
    of_each: dict[int, set[int]] = {}
    for task in tasks:
        of_each.setdefault(task["process"], set()).add(task["backend"])
    if pool == "prefork":
        # One each, kept from task to task.
        assert [len(own) for own in of_each.values()] == [1] * len(of_each)
        assert parent["process"] not in of_each
        assert parent["before"] not in set.union(*of_each.values())
        assert parent["before"] == parent["after"]
    else:
        assert set(of_each) == {parent["process"]}
        assert len(of_each[parent["process"]]) <= 2
        assert parent["usage"]["library.tasks.ask"] == "task"


def test_runserver_that_reloads_leaves_no_process_and_no_connection_behind(
    run: Site, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    arguments = (sys.executable, "manage.py", "runserver", f"{LOOPBACK}:{run.port}")
    with run.running(*arguments, project=project, end=signal.SIGINT) as server:
        until(run.process, timeout=30)
        before = run.get()
        # The reloader looks at whole seconds.
        views = project / "library" / "views.py"
        os.utime(views, (views.stat().st_atime, views.stat().st_mtime + 10))
        until(lambda: run.process() not in (None, before["process"]), timeout=30)
        after = run.get()
        assert after["upkeep"] == 1
        until(lambda: before["backend"] not in run.backends())
        # What Ctrl-C in a terminal reaches.
        os.killpg(server.pid, signal.SIGINT)


def test_a_management_command_leaves_no_connection_behind_even_if_it_fails(run: Site) -> None:
    fails = (
        "from django.db import connection\n"
        "connection.cursor().execute('select 1')\n"
        "raise SystemExit(3)\n"
    )
    with run.running(sys.executable, "manage.py", "shell", "-v", "0", "-c", fails) as command:
        assert command.wait(30) == 3
