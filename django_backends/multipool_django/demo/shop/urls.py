"""Where the shop's pages are."""

from __future__ import annotations

from django.urls import path

from multipool_django.demo.shop import views

urlpatterns = [
    path("products/<int:pk>/", views.product, name="product"),
    path("products/<int:pk>/deliver/", views.deliver, name="deliver"),
    path("best-sellers/", views.best_sellers, name="best-sellers"),
    path("orders/", views.buy, name="buy"),
    path("audit/", views.audit, name="audit"),
]
