"""Articles: other names, another primary key, the maker in a table of its own, and unknown columns."""

import uuid

from django.db import models

from apps.categories.models import ClassifiableProduct


class Maker(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Article(ClassifiableProduct):
    classifier_fields = {
        "title": "name",
        "description": "long_text",
        "brand": "maker__name",
        "sku": "number",
        "price": "net_price",
    }

    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=30, unique=True)
    name = models.CharField(max_length=300)
    long_text = models.TextField(blank=True, default="")
    maker = models.ForeignKey(Maker, null=True, blank=True, on_delete=models.SET_NULL)
    net_price = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    warehouse = models.CharField(max_length=20, default="north")
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
