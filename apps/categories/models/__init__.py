"""The tables. Import models from here only."""

from .category import Category, CategoryCodeError, CategoryQuerySet
from .ledger import Assignment, ClassificationRun, HistoryIsAppendOnly, ModelVersion
from .product import ClassifiableProduct, Product, get_product_model
from .source import LABELS, Source
from .suggestion import Candidate, Suggestion

__all__ = [
    "LABELS",
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
