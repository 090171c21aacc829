"""In Django's admin the page is for who has its permissions."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from multipool.driver import drivers

pytest.importorskip("django", reason="install Django (pip install multipool[django])")

INSTALLED = [name for name in drivers() if find_spec(name)]
VISITS = Path(__file__).parent / "admin_visits.py"


@pytest.fixture(scope="module", params=INSTALLED)
def told(request, server) -> Any:
    """What its users got to see, with each installed driver."""
    name = f"admin_{secrets.token_hex(4)}"
    server.psql(f"create database {name}")
    database = {
        "ENGINE": f"multipool_django.{request.param}",
        "HOST": server.params["host"],
        "PORT": server.params.get("port", ""),
        "USER": server.params["user"],
        "PASSWORD": server.params.get("password", ""),
        "NAME": name,
    }
    done = subprocess.run(
        [sys.executable, str(VISITS)],
        env={**os.environ, "DATABASE": json.dumps(database)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    server.psql(f"drop database {name} with (force)")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_who_is_not_signed_in_is_sent_to_do_so(told):
    for who in ("anonymous", "no staff"):
        assert told[who]["status"] == 302
        assert told[who]["headers"]["Location"].startswith("/admin/login/")


def test_without_the_permission_there_is_no_page_no_data_and_no_link(told):
    for where, answer in told["no permission"].items():
        assert answer["status"] == 403, where
        assert "connections" not in answer["body"], where
    assert "/admin/multipool/" not in told["index of no permission"]


def test_with_it_the_page_is_there_and_stands_in_the_index(told):
    assert told["viewer"]["status"] == 200
    assert 'id="verdict"' in told["viewer"]["body"]
    assert 'href="/admin/"' in told["viewer"]["body"]
    assert '/admin/multipool/dashboard/"' in told["index of viewer"]
    assert "multipool_server_max_connections" in told["metrics of viewer"]["body"]


def test_the_page_brings_its_own_policy(told):
    assert told["viewer"]["headers"]["Content-Security-Policy"].startswith("default-src 'none'")
    assert told["viewer"]["headers"]["Cache-Control"].startswith("no-store")


def test_literals_are_for_who_may_see_them(told):
    assert "a literal" not in told["json of viewer"]["body"]
    assert "a literal" in told["json of raw"]["body"]


def test_sessions_are_ended_only_where_settings_permission_and_form_agree(told):
    assert told["ended while off"] == {"question": 403, "answer": 403, "lives": True}
    assert told["ended by viewer"] == {"question": 403, "answer": 403, "lives": True}
    assert told["ended without token"] == {"question": 200, "answer": 403, "lives": True}
    assert told["ended"]["question"] == 200
    assert told["ended"]["answer"] == 303
    assert told["outlived it"] is False


def test_ending_is_on_record_with_the_users_name(told):
    [line] = told["audit"]
    assert f"terminate of backend {told['pid']} " in line
    assert "'ender (admin)'" in line
    assert line.endswith(": done")
