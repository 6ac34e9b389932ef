"""What a decision costs: a few statements, whatever waits beside it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.categories import services
from apps.categories.models import Assignment, Category, Product, Suggestion

from .waiting import put_in_queue

pytestmark = pytest.mark.django_db

ACTS: dict[str, Callable[[Suggestion, User, Category], Any]] = {
    "approve": lambda waiting, actor, _: services.suggestion_approve(waiting, actor=actor),
    "correct": lambda waiting, actor, place: services.suggestion_correct(
        waiting, actor=actor, category=place
    ),
    "reject": lambda waiting, actor, _: services.suggestion_reject(waiting, actor=actor),
}


def cost(act: Callable[[], Any]) -> int:
    """Statements, with those that open and close the transaction."""
    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)


@pytest.mark.parametrize("name", ACTS)
def test_a_decision_and_its_undo_cost_at_most_eight_statements(
    shop_tree: None, admin_user: User, name: str
) -> None:
    place = Category.objects.get(code="CAT_TOOLS_SAWS")
    costs = []
    for size in (10, 1000):
        put_in_queue([f"drill shawl {number}" for number in range(size)])
        suggestion = Suggestion.objects.filter(status="pending").earliest("pk")
        decided = cost(lambda suggestion=suggestion: ACTS[name](suggestion, admin_user, place))
        line = Assignment.objects.latest("pk")
        assert line.product_id == suggestion.product_id
        costs.append((decided, cost(lambda line=line: services.decision_undo(line, actor=admin_user))))
    assert costs[0] == costs[1]
    assert max(costs[0]) <= 8


def test_a_bulk_act_costs_the_same_for_10_and_for_200(shop_tree: None, admin_user: User) -> None:
    costs = []
    for size in (10, 200):
        waiting = put_in_queue([f"drill shawl {number}" for number in range(size)])
        pks = [suggestion.pk for suggestion in waiting]
        costs.append(
            cost(lambda pks=pks: services.suggestions_approve_top(pks, actor=admin_user, confirm_low=True))
        )
    assert costs[0] == costs[1]
    assert Product.objects.filter(category_source="human").count() == 210
