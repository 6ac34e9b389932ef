"""The health page, and the form that suggests while the seller types."""

import json
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings

from apps.categories import runtime, selectors
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Category, Product
from tests.rewriting import rewritten
from training.pipeline import TrainingResult

from .conftest import SURE

pytestmark = pytest.mark.django_db


def test_healthy(client: Client, live_model: ProductionClassifier) -> None:
    Product.objects.bulk_create(
        [Product(sku="A", title=SURE), Product(sku="B", title=SURE, needs_review=True)]
    )
    answer = client.get("/categories/health/")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ok",
            "model": {
                "version": live_model.version,
                "newer_file_refused": False,
                "form": "whole",
                "refused_forms": [],
            },
            "waiting": {"review": 1, "stale": 2},
        },
    )
    assert "no-store" in answer["Cache-Control"]


def test_no_model_is_said_without_telling_where(client: Client, settings: Settings) -> None:
    answer = client.get("/categories/health/")
    assert (answer.status_code, answer.json()["status"]) == (503, "no model")
    assert settings.CATEGORY_CLASSIFIER["ARTIFACT"] not in answer.content.decode()


def test_a_refused_newer_file_is_said(
    client: Client, settings: Settings, tmp_path: Path, tiny_artifact: Path
) -> None:
    path = tmp_path / "live.pt"
    path.write_bytes(tiny_artifact.read_bytes())
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(path), "RELOAD_SECONDS": 0}
    runtime.get_classifier()
    path.write_bytes(b"cut")
    answer = client.get("/categories/health/")
    assert (answer.status_code, answer.json()["model"]["newer_file_refused"]) == (200, True)


def test_a_form_that_does_not_prove_itself_here_is_said(
    client: Client, settings: Settings, tmp_path: Path, tiny_encoder: TrainingResult
) -> None:
    def turn(records: dict[str, bytes]) -> None:
        golden = json.loads(records["golden"])
        golden["predictions"]["int8"] = golden["predictions"]["int8"][::-1]
        records["golden"] = json.dumps(golden).encode()

    whole = tmp_path / "whole.pt"
    whole.write_bytes(tiny_encoder.artifact)
    path = rewritten(whole, tmp_path / "turned.pt", turn)
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(path)}

    model = client.get("/categories/health/").json()["model"]

    assert (model["version"], model["form"]) == (tiny_encoder.version, "fp32")
    assert model["refused_forms"] == ["int8"]


def test_no_database_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, int]:
        raise DatabaseError

    monkeypatch.setattr(selectors, "waiting_counts", fail)
    answer = client.get("/categories/health/")
    assert (answer.status_code, answer.json()["status"]) == (503, "no database")


def test_suggestions_are_for_people_who_are_logged_in(client: Client) -> None:
    for path in ("/categories/suggest/", "/categories/suggest/answer/?title=drill"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")


def test_suggest(admin_client: Client, live_model: ProductionClassifier) -> None:
    answer = admin_client.get("/categories/suggest/answer/", {"title": SURE}).json()["candidates"]
    assert len(answer) == 3
    assert answer[0] == {
        "category_code": "CAT_TOOLS_DRILLS",
        "category_path": "Tools > Drills",
        "confidence": live_model.predict([SURE])[0][0]["confidence"],
    }
    drills = Category.objects.get(code="CAT_TOOLS_DRILLS")
    drills.name = "Bohrer"
    drills.save()
    Category.objects.filter(code=answer[1]["category_code"]).update(is_active=False)
    answer = admin_client.get("/categories/suggest/answer/", {"title": SURE}).json()["candidates"]
    assert answer[0]["category_path"] == "Tools > Bohrer"
    assert len(answer) == 2


@pytest.mark.parametrize("title", ["", "   ", "—", "\x00\ud800", "x" * 100_000])
def test_odd_titles(admin_client: Client, live_model: ProductionClassifier, title: str) -> None:
    sent = title.encode("utf-8", "surrogatepass").decode("latin-1") if "\ud800" in title else title
    answer = admin_client.get("/categories/suggest/answer/", {"title": sent})
    assert answer.status_code == 200
    json.loads(answer.content)


def test_without_a_model_the_form_says_so(admin_client: Client) -> None:
    answer = admin_client.get("/categories/suggest/answer/", {"title": SURE})
    assert answer.status_code == 503
    assert "pick a category yourself" in answer.json()["error"]
    assert admin_client.post("/categories/suggest/answer/").status_code == 405


def test_the_page_loads_its_script_from_a_file(admin_client: Client) -> None:
    page = admin_client.get("/categories/suggest/").content.decode()
    assert 'data-answer="/categories/suggest/answer/"' in page
    assert page.count("<script") == page.count("<script src=") == 2
    assert "suggest.js" in page
