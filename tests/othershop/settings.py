"""A shop with a product table of its own, on the same settings otherwise."""

from bunoraa.settings import *  # noqa: F403 - a settings file is the one place for it
from bunoraa.settings import INSTALLED_APPS as THEIRS

INSTALLED_APPS = [*THEIRS, "tests.othershop"]
CATEGORIES_PRODUCT_MODEL = "othershop.Article"
