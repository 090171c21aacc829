"""The embedded server starts, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from multipool.testing.server import _copy, _installed, embedded_server, uri, version


@pytest.fixture(autouse=True)
def _only_with_the_embedded_server(server):
    """These tests are about the embedded server: skipped where another is named."""


def gone(pid):
    """Tell whether a process has ended; one that nobody has reaped yet has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def eventually(condition):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def postmaster(server):
    return int((server.home / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_several_run_at_once_each_with_its_own_data():
    with embedded_server() as one, embedded_server() as two:
        one.psql("create table t ()")
        assert one.psql("select to_regclass('t')") == "t"
        assert two.psql("select to_regclass('t')") == ""


def test_at_the_end_process_and_directory_are_gone():
    with embedded_server() as server:
        pid = postmaster(server)
    assert gone(pid)
    assert not server.home.exists()
    assert not server.running


def test_a_block_that_raises_leaves_nothing_either():
    with pytest.raises(KeyboardInterrupt), embedded_server() as server:
        raise KeyboardInterrupt
    assert not server.home.exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_killed_process_leaves_no_server(name):
    program = """
import time
from multipool.testing.server import embedded_server
with embedded_server() as server:
    print(server.home, (server.home / "data/postmaster.pid").read_text().split()[0], flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        home, pid = process.stdout.readline().split()
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=20)
    assert eventually(lambda: gone(pid))
    assert eventually(lambda: not Path(home).exists())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_that_leaves_the_block_does_not_stop_the_server():
    with embedded_server() as server:
        pid = os.fork()
        if pid == 0:
            try:
                server._end()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert server.psql("select 1") == "1"


def test_it_stops_starts_and_restarts_on_the_same_address_with_its_data():
    with embedded_server(tcp=True) as server:
        server.psql("create table t ()")
        server.stop()
        assert not server.running
        with pytest.raises(RuntimeError, match="stopped already"):
            server.stop()
        dsn = server.tcp_dsn
        server.start()
        with pytest.raises(RuntimeError, match="running already"):
            server.start()
        server.restart()
        assert server.tcp_dsn == dsn
        assert server.psql("select to_regclass('t')") == "t"


def test_after_a_crash_it_starts_again():
    with embedded_server() as server:
        os.kill(postmaster(server), signal.SIGKILL)
        assert eventually(lambda: not server.running)
        server.start()
        assert server.psql("select 1") == "1"


def test_settings_reach_the_server_and_a_wrong_one_is_named():
    with embedded_server(max_connections=7, search_path='a, "b\'c"') as server:
        assert server.psql("show max_connections") == "7"
        assert server.psql("show search_path") == 'a, "b\'c"'
    with pytest.raises(RuntimeError, match="no_such_setting"), embedded_server(no_such_setting=1):
        pass


def test_what_libpq_finds_in_the_environment_is_about_another_server(monkeypatch):
    with embedded_server() as server:
        for name, value in (("PGSSLMODE", "require"), ("PGSERVICE", "shop"), ("PGOPTIONS", "-x")):
            monkeypatch.setenv(name, value)
        assert server.psql("select 1") == "1"


def test_a_folder_for_temporary_files_with_a_comma_is_refused_by_name(monkeypatch, tmp_path):
    folder = tmp_path / "a,b"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(RuntimeError, match="a,b.*set TMPDIR"), embedded_server():
        pass
    assert list(folder.iterdir()) == []


def test_without_tcp_there_is_no_tcp_address():
    with embedded_server() as server, pytest.raises(RuntimeError, match="tcp=True"):
        server.tcp_dsn  # noqa: B018  (a property that raises)


def test_lines_of_pg_hba_come_before_those_that_trust():
    lines = ["host all app 127.0.0.1/32 scram-sha-256"]
    with embedded_server(tcp=True, hba=lines) as server:
        server.psql("create role app login password 'right'")
        app = {**server.tcp_params, "user": "app"}
        environment = {**os.environ, "PGPASSWORD": "wrong"}
        done = subprocess.run(
            [server._binaries / "psql", "-d", uri(app), "-c", "select 1"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "password authentication failed" in done.stderr


def test_the_compliance_suite_is_imported_where_there_are_neither_users_nor_sigquit():
    """As on Windows, where an adapter for another database may be tested."""
    program = """
import signal, sys
sys.modules["pwd"] = None
del signal.SIGQUIT
import multipool.testing.compliance, multipool.testing.proxy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_uri_is_quoted():
    assert uri({"dbname": "a/b", "host": "/tmp/x y"}) == "postgresql:///a%2Fb?host=%2Ftmp%2Fx%20y"


def test_a_uri_needs_no_database():
    assert uri({"host": "here"}) == "postgresql:///?host=here"


def test_programs_that_its_user_cannot_reach_are_copied_and_run(tmp_path):
    """Root's own environments are often closed to the user that the server runs as."""
    folder = _copy(_installed(), tmp_path)
    assert folder.is_relative_to(tmp_path)
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=True)
    assert version() in done.stdout.decode()
