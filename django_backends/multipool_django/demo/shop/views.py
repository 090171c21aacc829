"""The shop's pages: one product, the best sellers, buying, delivering, the audit of the books."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Count, DecimalField, F, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from multipool_django.demo.shop.forms import OrderForm
from multipool_django.demo.shop.models import Order, OrderLine, Product

BEST_SELLERS: Final = 10

_TURNOVER: Final = Sum(
    F("quantity") * F("price"),
    output_field=DecimalField(max_digits=12, decimal_places=2),
    default=Decimal(0),
)


@require_GET
def product(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one product, and what others bought with it: two queries, no transaction."""
    shown = get_object_or_404(Product, pk=pk)
    together = (
        Product.objects.filter(lines__order__lines__product=shown)
        .exclude(pk=pk)
        .annotate(times=Count("lines"))
        .order_by("-times", "pk")[:3]
    )
    return render(request, "shop/product.html", {"product": shown, "together": together})


@require_GET
def best_sellers(request: HttpRequest) -> HttpResponse:
    """Add up all orders: the products that sold best, and the turnover of the whole shop."""
    products = (
        OrderLine.objects.values("product_id", "product__name")
        .annotate(sold=Sum("quantity"), turnover=_TURNOVER)
        .order_by("-turnover", "product_id")[:BEST_SELLERS]
    )
    total = OrderLine.objects.aggregate(turnover=_TURNOVER)
    return render(request, "shop/best_sellers.html", {"products": products, **total})


@require_POST
@transaction.atomic
def buy(request: HttpRequest) -> HttpResponse:
    """Place an order, all of it or nothing.

    Answers 201 with the order's number, 400 with what is wrong with the form, or 409 with
    the name of a product that is sold out.
    """
    form = OrderForm(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors.get_json_data(), status=400)
    # Everybody locks in the same order, so that no two buyers wait for each other.
    shelf = form.cleaned_data["products"].order_by("pk").select_for_update()
    products = list(shelf)
    for each in products:
        if not each.stock:
            return JsonResponse({"sold_out": each.name}, status=409)
    order = Order.objects.create(customer=form.cleaned_data["customer"])
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=each, quantity=1, price=each.price) for each in products
    )
    shelf.update(stock=F("stock") - 1)
    return JsonResponse({"order": order.pk}, status=201)


@require_POST
@transaction.atomic
def deliver(request: HttpRequest, pk: int) -> HttpResponse:
    """Put one more piece on the shelf: a transaction of one query.

    Answers 200 with how many products there are of that number, which is 1 or 0.
    """
    shelf = Product.objects.filter(pk=pk)
    delivered = shelf.update(delivered=F("delivered") + 1, stock=F("stock") + 1)
    return JsonResponse({"delivered": delivered})


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """Count the orders, and the pieces that were delivered but neither sold nor are in stock."""
    books = Product.objects.aggregate(delivered=Sum("delivered"), stock=Sum("stock"))
    sold = OrderLine.objects.aggregate(sold=Sum("quantity"))["sold"]
    missing = books["delivered"] - books["stock"] - sold
    return JsonResponse({"orders": Order.objects.count(), "missing": missing})
