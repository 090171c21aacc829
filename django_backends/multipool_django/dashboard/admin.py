"""The fleet's page in Django's admin, for who has the permissions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods

from multipool.dashboard.board import Board
from multipool.dashboard.ending import Wish
from multipool.dashboard.http import Response
from multipool.dashboard.page import Viewer
from multipool.dashboard.source import PoolSource
from multipool.fleet.snapshot import Snapshot
from multipool_django.dashboard.models import Dashboard
from multipool_django.dashboard.options import DashboardOptions

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Dashboard]
else:
    _ModelAdmin = admin.ModelAdmin


class _AliasSource:
    """Reads by the pool of the alias that the settings name, whichever pool that is by now."""

    def read(self, *, raw_sql: bool) -> Snapshot:
        return PoolSource(DashboardOptions.read().pool()).read(raw_sql=raw_sql)

    def end(self, wish: Wish, by: str) -> bool:
        return PoolSource(DashboardOptions.read().pool()).end(wish, by)


@cache
def board() -> Board:
    """Return the one of this process, which remembers the last minutes."""
    return Board(_AliasSource())


@admin.register(Dashboard)
class DashboardAdmin(_ModelAdmin):
    """Stands in the admin's index like a model, and leads to the page."""

    def get_urls(self) -> list[URLPattern]:
        """Return the page, where a model has its list, and what it links to."""
        views: list[tuple[str, Callable[..., Any], str]] = [
            ("", require_GET(self.page), "multipool_dashboard_changelist"),
            ("snapshot.json", require_GET(self.json), "multipool_dashboard_json"),
            ("metrics", require_GET(self.metrics), "multipool_dashboard_metrics"),
            ("end", require_http_methods(["GET", "POST"])(self.end), "multipool_dashboard_end"),
        ]
        site = self.admin_site
        # admin_view: who is not signed in is sent to do so; and forms are checked for forgery.
        return [path(route, site.admin_view(view), name=name) for route, view, name in views]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the page stands in the index."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Return whether this user may see the page."""
        return _may(request, "view_dashboard")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: there is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Return False: there is nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Return False: there is nothing to delete."""
        return False

    def page(self, request: HttpRequest) -> HttpResponse:
        """Show the page."""
        return _answer(board().page(self._viewer(request)))

    def json(self, request: HttpRequest) -> HttpResponse:
        """Show the snapshot as JSON."""
        return _answer(board().json(self._viewer(request)))

    def metrics(self, request: HttpRequest) -> HttpResponse:
        """Show the snapshot as Prometheus text."""
        self._viewer(request)
        return _answer(board().metrics())

    def end(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to end a session; by POST, do it."""
        viewer = self._viewer(request)
        if request.method == "POST":
            return _answer(board().end(viewer, request.POST.dict()))
        hidden = [("csrfmiddlewaretoken", get_token(request))]
        return _answer(board().ask(viewer, request.GET.dict(), hidden))

    def _viewer(self, request: HttpRequest) -> Viewer:
        """Return who asks; raises `PermissionDenied` unless they may see the page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        options = DashboardOptions.read()
        return Viewer(
            name=f"{request.user.get_username()} (admin)",
            may_end=options.terminate_backend and _may(request, "terminate_backend"),
            raw_sql=_may(request, "view_raw_sql"),
            back=(reverse(f"{self.admin_site.name}:index"), "Admin"),
        )


def _may(request: HttpRequest, permission: str) -> bool:
    user = request.user
    return isinstance(user, PermissionsMixin | AnonymousUser) and user.has_perm(
        f"multipool.{permission}"
    )


def _answer(response: Response) -> HttpResponse:
    made = HttpResponse(response.encoded(), status=response.status)
    for name, value in response.all_headers():
        made[name] = value
    return made
