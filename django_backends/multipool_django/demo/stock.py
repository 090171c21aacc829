"""The process that opens the shop: tables by ``migrate``, then products, customers, orders."""

from __future__ import annotations

import random
from decimal import Decimal
from importlib import import_module
from typing import Final

from django.core.management import call_command
from django.db import connection, transaction

from multipool_django.demo import child, settings
from multipool_django.demo.scale import CUSTOMERS, DELIVERED, ORDERS, PRODUCTS

_COLOURS: Final = ("red", "green", "blue", "yellow", "black", "white", "grey", "orange")
_THINGS: Final = ("cup", "bowl", "plate", "lamp", "chair", "table", "shelf", "rug", "vase", "clock")


def main() -> None:
    """Migrate and stock the database of the job, then tell the driver's version."""
    job = child.job()
    settings.configure(job["engine"], job["params"], pool=False)
    call_command("migrate", verbosity=0)
    fill(random.Random(0))
    connection.close()
    # psycopg2 goes on after its number: "2.9.13 (dt dec pq3 ext lo64)".
    version = import_module(job["driver"]).__version__
    child.tell(version=version.partition(" ")[0])


@transaction.atomic
def fill(chance: random.Random) -> None:
    """Fill the empty tables; equal *chance*, equal shop."""
    from multipool_django.demo.shop.models import Customer, Order, OrderLine, Product

    products = [
        Product(
            name=f"{chance.choice(_COLOURS)} {chance.choice(_THINGS)} no. {number}",
            price=Decimal(chance.randint(199, 19_999)) / 100,
            delivered=DELIVERED,
            stock=DELIVERED,
        )
        for number in range(1, PRODUCTS + 1)
    ]
    Product.objects.bulk_create(products)
    customers = Customer.objects.bulk_create(
        Customer(name=f"Customer {number}", email=f"customer{number}@example.org")
        for number in range(1, CUSTOMERS + 1)
    )
    orders = Order.objects.bulk_create(
        Order(customer=chance.choice(customers)) for _ in range(ORDERS)
    )
    lines = []
    for order in orders:
        for product in chance.sample(products, k=chance.randint(1, 4)):
            quantity = chance.randint(1, 3)
            product.stock -= quantity
            lines.append(
                OrderLine(order=order, product=product, quantity=quantity, price=product.price)
            )
    OrderLine.objects.bulk_create(lines)
    Product.objects.bulk_update(products, ["stock"])


if __name__ == "__main__":
    main()
