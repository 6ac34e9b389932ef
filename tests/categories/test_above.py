"""Products that the model files above their category, and those that are like nothing it knows."""

import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from apps.categories import selectors, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.decision import UNFAMILIAR
from apps.categories.models import Assignment, Category, Product, Suggestion

from .conftest import SURE

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]
FORKED = "power tool gabecide"


def sweep(**options: bool) -> services.ClassifySummary:
    return services.products_sweep(services.SweepOptions(**options))


def place() -> tuple[str | None, str, bool]:
    """Where the one product is, who says so, and whether it waits for a person."""
    found: tuple[str | None, str, bool] = Product.objects.values_list(
        "category__code", "category_source", "needs_review"
    ).get()
    return found


def test_unsure_of_the_category_it_is_filed_above_it_and_may_be_refined(
    forked_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(FORKED)

    summary = sweep()

    assert (summary.filed, summary.above, summary.review) == (1, 1, 0)
    assert place() == ("CAT_TOOLS", "model", False)
    assert Assignment.objects.get().to_category == Category.objects.get(code="CAT_TOOLS")
    suggestion = Suggestion.objects.get()
    offered = {item["category_code"] for item in suggestion.candidates[:2]}
    assert offered == {"CAT_TOOLS_DRILLS", "CAT_TOOLS_SAWS"}
    assert suggestion.is_pending
    assert suggestion.reason.startswith("unsure of the exact category; 9")
    assert suggestion.threshold == forked_model.policy.bar(suggestion.top_code)
    assert list(selectors.refine_queue()) == [suggestion]
    assert not selectors.review_queue().exists()
    assert selectors.waiting_counts() == {"review": 0, "stale": 0}


def test_a_category_whose_own_rows_speak_against_it_shows_its_own_bar(
    forked_model: ProductionClassifier, add_products: AddProducts
) -> None:
    """The title says drill a little: drills are what it is unsure of, and these need a higher bar."""
    add_products(f"{FORKED} drill saw")

    sweep()

    suggestion = Suggestion.objects.get()
    assert suggestion.top_code == "CAT_TOOLS_DRILLS"
    assert suggestion.threshold == forked_model.policy.bar("CAT_TOOLS_DRILLS")
    assert suggestion.threshold > (forked_model.threshold or 1)


def test_the_chance_stored_is_that_of_the_place_it_is_filed_at(
    forked_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(FORKED)
    sweep()

    stored = Product.objects.get().category_confidence
    assert stored is not None
    assert stored >= 0.95 > Suggestion.objects.get().candidates[0]["confidence"]


def test_a_person_refines_it(
    forked_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products(FORKED)
    sweep()

    services.suggestion_approve(Suggestion.objects.get(), actor=admin_user, category_code="CAT_TOOLS_SAWS")

    assert place() == ("CAT_TOOLS_SAWS", "human", False)
    assert not selectors.refine_queue().exists()
    assert sweep(everything=True).seen == 0


def test_rejected_candidates_leave_it_where_it_is(
    forked_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products(FORKED)
    sweep()

    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)

    assert place() == ("CAT_TOOLS", "model", False)
    assert sweep(everything=True).passed_over == 1
    assert not selectors.refine_queue().exists()


def test_sure_of_the_category_after_all(
    forked_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(FORKED)
    sweep()

    Product.objects.update(title=SURE)
    assert (summary := sweep()).filed == 1
    assert summary.above == 0
    assert place() == ("CAT_TOOLS_DRILLS", "model", False)
    assert not Suggestion.objects.exists()

    Product.objects.update(title=FORKED)
    assert sweep().above == 1
    assert place() == ("CAT_TOOLS", "model", False)
    assert Suggestion.objects.get().is_pending


def test_a_retired_category_above_is_no_place_to_file_at(
    forked_model: ProductionClassifier, add_products: AddProducts
) -> None:
    Category.objects.filter(code="CAT_TOOLS").update(is_active=False)
    add_products(FORKED)

    summary = sweep()

    assert (summary.filed, summary.above, summary.review) == (0, 0, 1)
    assert place() == (None, "none", True)
    assert Suggestion.objects.get().reason == "the category CAT_TOOLS is retired"


def test_a_label_is_not_moved_up(
    forked_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    (product,) = add_products(FORKED)
    services.product_set_category(product, Category.objects.get(code="CAT_KITCHEN_MUGS"), actor=admin_user)

    assert sweep(everything=True).seen == 0
    assert place() == ("CAT_KITCHEN_MUGS", "human", False)


def test_the_commands_say_so(forked_model: ProductionClassifier, add_products: AddProducts) -> None:
    add_products(FORKED, SURE)
    out = io.StringIO()

    call_command("classify_products", stdout=out)
    call_command("classify_text", FORKED, stdout=out)

    assert "2  filed by the model" in out.getvalue()
    assert "1  of these above their category" in out.getvalue()
    assert "would be filed in the parent Tools: unsure of the exact category" in out.getvalue()


def test_the_admin_offers_it_for_refining_and_not_for_review(
    forked_model: ProductionClassifier, add_products: AddProducts, admin_client: Client
) -> None:
    add_products(FORKED)
    sweep()
    queue = "/admin/categories/suggestion/"

    assert FORKED not in admin_client.get(queue).content.decode()
    refining = admin_client.get(queue + "?status=refine").content.decode()
    assert FORKED in refining
    assert "Filed now under" in refining
    assert "filed above, to refine" in admin_client.get("/admin/categories/product/").content.decode()


def test_a_text_unlike_the_training_data_goes_to_a_person(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products("assorted item")

    assert sweep().review == 1
    suggestion = Suggestion.objects.get()
    # Without a bar nobody approves it in bulk unasked.
    assert (suggestion.reason, suggestion.threshold) == (UNFAMILIAR, None)
    assert place() == (None, "none", True)
