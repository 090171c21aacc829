"""A Django project with the page in its admin, and what its users get to see; as JSON.

Run by test_admin.py in a process of its own, since settings are for a whole process.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
from typing import Any

import django
from django.conf import settings
from django.urls import path

PAGE = "/admin/multipool/dashboard/"
LITERAL = "a literal"


def urlpatterns() -> list[Any]:
    from django.contrib import admin

    return [path("admin/", admin.site.urls)]


def configure() -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": json.loads(os.environ["DATABASE"])},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "multipool_django.dashboard",
            "multipool_django.fleet",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        ROOT_URLCONF=type("Urls", (), {"urlpatterns": property(lambda self: urlpatterns())})(),
        SECRET_KEY="not a secret",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()


def user(name: str, *permissions: str, staff: bool = True) -> Any:
    """Return a client that is signed in as a new user with *permissions*."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    made = User.objects.create_user(name, is_staff=staff)
    for codename in permissions:
        made.user_permissions.add(
            Permission.objects.get(content_type__app_label="multipool", codename=codename)
        )
    client = Client(enforce_csrf_checks=True)
    client.force_login(made)
    return client


def visit(client: Any, where: str = "", **query: str) -> dict[str, Any]:
    """Return what the dashboard answers."""
    answer = client.get(PAGE + where, query)
    return {
        "status": answer.status_code,
        "body": answer.content.decode(),
        "headers": dict(answer.items()),
    }


class Victim:
    """A session beside the pool's, in a transaction, whose last statement has a literal."""

    def __init__(self) -> None:
        from django.db import connection

        self._connection = connection.copy("victim")
        self._connection.settings_dict["OPTIONS"] = {"pool": False, "application_name": "victim"}
        with self._connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            (self.pid,) = cursor.fetchone()
            cursor.execute(f"select '{LITERAL}'")

    def lives(self) -> bool:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("select count(*) from pg_stat_activity where pid = %s", [self.pid])
            return cursor.fetchone()[0] == 1

    def outlives(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.lives():
            if time.monotonic() > deadline:
                return True
        return False

    def close(self) -> None:
        self._connection.close()


def end(client: Any, victim: Victim, with_token: bool = True) -> dict[str, Any]:
    """Ask the question as a user does, and send the form; return both statuses."""
    shown = json.loads(visit(client, "snapshot.json")["body"])
    [backend] = [one for one in shown["snapshot"]["backends"] if one["pid"] == victim.pid]
    wish = {"pid": str(victim.pid), "started": backend["started"], "how": "terminate"}
    question = visit(client, "end", **wish)
    if with_token and question["status"] == 200:
        wish["csrfmiddlewaretoken"] = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', question["body"]
        )[1]
    answer = client.post(f"{PAGE}end", wish)
    return {"question": question["status"], "answer": answer.status_code, "lives": victim.lives()}


def main() -> dict[str, Any]:
    configure()
    from django.core.management import call_command
    from django.test import Client, override_settings

    call_command("migrate", verbosity=0)
    said: list[str] = []
    audit = logging.getLogger("multipool.fleet.audit")
    audit.addHandler(
        type(
            "Said",
            (logging.Handler,),
            {"emit": lambda self, record: said.append(record.getMessage())},
        )()
    )
    audit.propagate = False

    victim = Victim()
    viewer = user("viewer", "view_dashboard")
    ender = user("ender", "view_dashboard", "terminate_backend")
    told = {
        "anonymous": visit(Client()),
        "no staff": visit(user("guest", "view_dashboard", staff=False)),
        "no permission": {
            where: visit(user(f"staff {where}"), where)
            for where in ("", "snapshot.json", "metrics", "end")
        },
        "index of no permission": user("other").get("/admin/").content.decode(),
        "index of viewer": viewer.get("/admin/").content.decode(),
        "viewer": visit(viewer),
        "json of viewer": visit(viewer, "snapshot.json"),
        "metrics of viewer": visit(viewer, "metrics"),
        "json of raw": visit(user("raw", "view_dashboard", "view_raw_sql"), "snapshot.json"),
        "ended while off": end(ender, victim),
    }
    with override_settings(MULTIPOOL_DASHBOARD={"TERMINATE_BACKEND": True}):
        told["ended by viewer"] = end(viewer, victim)
        told["ended without token"] = end(ender, victim, with_token=False)
        told["ended"] = end(ender, victim)
        told["outlived it"] = victim.outlives(5)
    told["audit"] = said
    told["pid"] = victim.pid
    victim.close()
    call_command("dumpdata", stdout=io.StringIO())
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    return told


if __name__ == "__main__":
    print(json.dumps(main()))
