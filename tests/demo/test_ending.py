"""How the demo's processes end, one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from multipool_django.demo.signals import Stop, Stopped

CHILD = """
import threading
from multipool.watch import expose
from multipool_django.demo import child

child.job()
expose()
child.tell(ready=True)
threading.Event().wait()
"""


def test_a_child_that_multipool_top_may_ask_takes_its_socket_away(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "MULTIPOOL_RUNTIME_DIR": str(tmp_path / "run")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write("{}\n")
        process.stdin.flush()
        assert process.stdout.readline() == '{"ready": true}\n'
        assert len(list((tmp_path / "run").iterdir())) == 1
        process.stdin.close()
        assert process.wait(20) == 0
    assert list((tmp_path / "run").iterdir()) == []


def test_under_nohup_a_terminal_that_is_closed_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(Stopped, match="SIGTERM"), Stop():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
