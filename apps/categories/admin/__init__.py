"""The admin: the review queue, the products, the tree, the history.

Importing it registers the app's own models but no product model, so that a shop's `admin.py` can inherit
ClassifiableProductAdmin and register its own; see `default` for a shop that has none.
"""

from . import categories, ledger, suggestions
from .products import ClassifiableProductAdmin

__all__ = ["ClassifiableProductAdmin", "categories", "ledger", "suggestions"]
