"""Visits every page of the shop, in a process of its own; prints what was answered, as JSON.

Run with the driver's name and the parameters of an empty database (as JSON).
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.models import F

from multipool_django.demo import settings
from multipool_django.demo.stock import fill


def main() -> None:
    driver, params = sys.argv[1], json.loads(sys.argv[2])
    settings.configure(f"multipool_django.{driver}", params, pool=True)
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    call_command("migrate", verbosity=0)
    fill(random.Random(0))
    print(json.dumps(visits()))
    connection.close_pool()


def visits() -> dict[str, Any]:
    from django.test import Client

    from multipool_django.demo.shop.models import Product

    client = Client(headers={"host": "127.0.0.1"})
    first, second = Product.objects.order_by("pk")[:2]

    def ask(method: str, path: str, *form: Any) -> list[Any]:
        answer = getattr(client, method)(path, *form)
        return [answer.status_code, answer.content.decode()]

    def buy(**form: Any) -> list[Any]:
        return ask("post", "/orders/", form)

    found = {
        "name": first.name,
        "audit_before": ask("get", "/audit/"),
        "product": ask("get", f"/products/{first.pk}/"),
        "no_such_product": ask("get", "/products/0/"),
        "best_sellers": ask("get", "/best-sellers/"),
        "bought": buy(customer=1, products=[first.pk, second.pk]),
        "delivered": ask("post", f"/products/{first.pk}/deliver/"),
        "delivered_nowhere": ask("post", "/products/0/deliver/"),
        "bad_form": buy(customer=0, products=[first.pk, 0]),
        "get_orders": ask("get", "/orders/"),
    }
    # The rest of the second product goes back to where it came from.
    Product.objects.filter(pk=second.pk).update(delivered=F("delivered") - F("stock"), stock=0)
    found["sold_out_name"] = second.name
    found["stock_before"] = Product.objects.get(pk=first.pk).stock
    found["sold_out"] = buy(customer=1, products=[first.pk, second.pk])
    found["stock_after"] = Product.objects.get(pk=first.pk).stock
    found["audit_after"] = ask("get", "/audit/")
    return found


if __name__ == "__main__":
    main()
