"""What a buyer sends."""

from __future__ import annotations

from django import forms

from multipool_django.demo.shop.models import Customer, Product


class OrderForm(forms.Form):
    """One customer, and one piece each of one product or several."""

    customer = forms.ModelChoiceField(Customer.objects.all())
    products = forms.ModelMultipleChoiceField(Product.objects.all())
