"""Hostile text stays text on every page."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from apps.categories import services
from apps.categories.models import Assignment, Category, ClassificationRun, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, bulk, page

SCRIPT = "<script>alert('{}')</script>"


def test_a_script_tag_in_every_text_field_stays_text(
    managing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion
) -> None:
    nasty = Category.objects.create(name=SCRIPT.format("name"), description=SCRIPT.format("about"))
    below = Category.objects.create(name=SCRIPT.format("leaf"), parent=nasty, external_id=SCRIPT.format("id"))
    person = member("<script>alert('who')</script>")
    texts: dict[str, Any] = {name: SCRIPT.format(name) for name in ("description", "brand", "seller", "sku")}
    first, second, third = (
        make_suggestion(
            SCRIPT.format("title"),
            [(nasty.code, 0.95), (SCRIPT.format("code"), 0.4)],
            **{**texts, "sku": texts["sku"] + str(number)},
            image='/x"><script>alert(1)</script>',
            reason=SCRIPT.format("reason"),
        )
        for number in range(3)
    )
    Suggestion.objects.update(model_version=SCRIPT.format("version"))
    services.suggestion_approve(first, actor=person, category_code=below.code, note=SCRIPT.format("note"))
    run = ClassificationRun.objects.create(
        kind="review",
        options={SCRIPT.format("key"): SCRIPT.format("value")},
        started_at=first.created_at,
        heartbeat_at=first.created_at,
    )
    pages = [
        managing.get(address)
        for address in (
            "/admin/",
            QUEUE,
            QUEUE + "?status=all",
            QUEUE + "?q=<script>alert('q')</script>",
            f"{QUEUE}{first.pk}/change/",
            f"{QUEUE}{second.pk}/change/?find=<script>",
            "/admin/categories/product/",
            f"/admin/categories/product/?under={nasty.pk}",
            f"/admin/categories/product/{first.product_id}/change/",
            f"/admin/categories/product/{second.product_id}/change/",
            "/admin/categories/category/",
            f"/admin/categories/category/?under={nasty.pk}",
            "/admin/categories/category/?q=script",
            f"/admin/categories/category/{below.pk}/change/",
            "/admin/categories/assignment/",
            f"/admin/categories/assignment/{Assignment.objects.get().pk}/change/",
            "/admin/categories/classificationrun/",
            f"/admin/categories/classificationrun/{run.pk}/change/",
        )
    ]
    pages.append(bulk(managing, second))
    pages.append(
        managing.post(
            f"{QUEUE}{first.pk}/decide/", {"reject": "1", "next": QUEUE + "?status=all"}, follow=True
        )
    )
    pages.append(
        managing.post(f"{QUEUE}{third.pk}/decide/", {"approve": nasty.code, "next": QUEUE}, follow=True)
    )

    for response in pages:
        html = page(response)
        assert response.status_code == 200
        assert "<script>alert" not in html, response.request["PATH_INFO"]
        assert "alert(&#x27;" in html or "alert" not in html, response.request["PATH_INFO"]
    data = managing.get(f"{QUEUE}find/", {"q": "script"})
    assert data["Content-Type"] == "application/json"
    assert data["X-Content-Type-Options"] == "nosniff"
