"""The pages of the library."""

from django.urls import path

from library import views

urlpatterns = [
    path("slow/", views.slow),
    path("broken/", views.broken),
    path("state/", views.state),
    path("process/", views.process),
    path("stream/", views.stream),
    path("leave/", views.leave),
    path("see/", views.see),
    path("hold/", views.hold),
    path("hold/twice/", views.hold_twice),
    path("books/<slug:secret>/", views.book),
    path("trickle/", views.trickle, name="trickle"),
    path("async/", views.count),
    path("waiting/", views.wait),
    path("waiting/in/a/query/", views.wait_in_a_query),
]
