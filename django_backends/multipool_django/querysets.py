"""Querysets as what a pool may prepare: ``pool.prepare(Book.objects.filter(...))``."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.query import RawQuerySet

from multipool.plans.source import sql_of


def register() -> None:
    """Let pools take querysets, of whatever model."""
    sql_of.register(QuerySet, _compiled)
    sql_of.register(RawQuerySet, _raw)


def _compiled(queryset: QuerySet[Any]) -> str:
    """Return the text that the queryset executes, on the alias that it would use.

    Raises Django's ``EmptyResultSet`` for one that executes nothing.
    """
    # A copy, since compiling resolves some of what a query holds.
    sql, _ = queryset.query.clone().get_compiler(using=queryset.db).as_sql()
    return str(sql)


def _raw(queryset: RawQuerySet[Any]) -> str:
    return str(queryset.raw_query)
