"""What the shop knows of: customers, products, and orders of several lines."""

# mypy: disable-error-code="var-annotated, no-any-return"
# Only mypy's Django plugin knows the type of a field that is not annotated.

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Customer(models.Model):
    """Somebody who buys."""

    name = models.CharField(max_length=80)
    email = models.EmailField(unique=True)

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """Something on the shelf. ``delivered`` never changes, so that the books can be audited."""

    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    delivered = models.PositiveIntegerField()
    stock = models.PositiveIntegerField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(stock__lte=F("delivered")), name="stock_was_delivered"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What one customer bought at one time."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"order {self.pk}"


class OrderLine(models.Model):
    """One product of an order, at the price of that moment."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="lines")
    quantity = models.PositiveSmallIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["order", "product"], name="one_line_per_product"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product}"
