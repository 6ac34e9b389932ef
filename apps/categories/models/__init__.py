"""The tables. Import models from here only."""

from .category import Category, CategoryCodeError, CategoryQuerySet
from .ledger import Assignment, ClassificationRun, HistoryIsAppendOnly, ModelVersion
from .product import ClassifiableProduct, Product, Source, get_product_model
from .suggestion import Candidate, Suggestion

__all__ = [
    "Assignment",
    "Candidate",
    "Category",
    "CategoryCodeError",
    "CategoryQuerySet",
    "ClassifiableProduct",
    "ClassificationRun",
    "HistoryIsAppendOnly",
    "ModelVersion",
    "Product",
    "Source",
    "Suggestion",
    "get_product_model",
]
