"""Everything that can happen to a shop, in any order: nothing a person said is lost, and the books agree."""

import functools
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import TestCase
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from apps.categories import runtime, selectors, services, tasks
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.files import ProductRow
from apps.categories.inference.text import text_digest
from apps.categories.models import (
    LABELS,
    Assignment,
    Category,
    ClassificationRun,
    Product,
    Source,
    Suggestion,
)
from apps.categories.services.history import filed_source
from tests.rewriting import rewritten

from .conftest import SURE, UNREADABLE, UNSURE

pytestmark = pytest.mark.django_db

DRILLS, SAWS, MUGS, TOOLS = CODES = ("CAT_TOOLS_DRILLS", "CAT_TOOLS_SAWS", "CAT_KITCHEN_MUGS", "CAT_TOOLS")
TITLES = (SURE, UNSURE, f"{UNSURE} 5 mm", "drill saw", "coffee mug", UNREADABLE, "")
MOST_PRODUCTS = 6
PENDING, QUEUES = Suggestion.Status.PENDING, Suggestion.Queue

some = st.integers(0, 11)
"""One of what there is, counted from any place."""
several = st.sets(some, min_size=1, max_size=4)
titles, codes = st.sampled_from(TITLES), st.sampled_from(CODES)
places = st.none() | codes
people = st.sampled_from(["anna", "bert"])


class Shop(RuleBasedStateMachine):
    """One shop, from its first product on. What a service refuses in words is no failure."""

    go_live: ClassVar[Callable[[int], None]]
    mishaps: ClassVar[list[str]]
    """What was caught and logged where nothing may go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = transaction.atomic()
        self.shop.__enter__()
        self.made = 0
        self.held: dict[Any, Product] = {}
        self.people = {name: User.objects.get(username=name) for name in ("anna", "bert")}
        self.tree = {place.code: place for place in Category.objects.filter(code__in=CODES)}
        self.swept = False
        type(self).go_live(0)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.shop.__exit__(None, None, None)

    # --- What there is ----------------------------------------------------------------

    def product(self, number: int) -> Product:
        found = list(Product.objects.order_by("pk"))
        return found[number % len(found)]

    def suggestion(self, number: int, **only: Any) -> Suggestion | None:
        found = list(Suggestion.objects.filter(**only).order_by("product_id"))
        return found[number % len(found)] if found else None

    def chosen(self, numbers: set[int]) -> list[int]:
        """Suggestions, waiting or not, and one that is not there."""
        found = list(Suggestion.objects.order_by("product_id").values_list("pk", flat=True))
        return [*{found[number % len(found)] for number in sorted(numbers) if found}, 0]

    def filing(self) -> tuple[list[Any], list[Any]]:
        """What an undo brings back."""
        products = Product.objects.order_by("pk").values_list(
            "pk", "category", "category_source", "category_confidence", "model_version", "needs_review"
        )
        asked = Suggestion.objects.order_by("pk").values_list(
            "pk", "status", "queue", "candidates", "decided_by", "decided_category"
        )
        return list(products), list(asked)

    def take_back(self, outcome: services.BulkOutcome, before: tuple[list[Any], list[Any]], who: str) -> None:
        self.swept = False
        summary = services.run_undo(outcome.run, actor=self.people[who])
        assert (summary.undone, summary.later) == (len(outcome.decided), 0)
        assert self.filing() == before

    def place(self, code: str | None) -> Category | None:
        return None if code is None else self.tree[code]

    def save(self, product: Product, **options: Any) -> None:
        self.swept = False
        with TestCase.captureOnCommitCallbacks(execute=True):
            product.save(**options)

    def decide(self, act: Callable[[], object]) -> bool:
        """Whether it was not refused."""
        try:
            act()
        except services.ReviewError:
            return False
        return True

    # --- The shop's own code ----------------------------------------------------------

    @initialize(title=titles)
    def first(self, title: str) -> None:
        self.add(title=title, code=None)

    @precondition(lambda self: self.made < MOST_PRODUCTS)
    @rule(title=titles, code=places)
    def add(self, title: str, code: str | None) -> None:
        # The keys are given, so that an example is the same however often it is run.
        self.made += 1
        self.save(
            Product(pk=self.made, sku=f"S{self.made}", title=title, category=self.place(code)),
            force_insert=True,
        )

    @rule(number=some, title=titles, fields=st.none() | st.just(["title"]))
    def reword(self, number: int, title: str, fields: list[str] | None) -> None:
        product = self.product(number)
        product.title = title
        self.save(product, update_fields=fields)

    @rule(number=some, title=titles)
    def reword_past_every_signal(self, number: int, title: str) -> None:
        self.swept = False
        Product.objects.filter(pk=self.product(number).pk).update(title=title)

    @rule(number=some, code=places)
    def file_in_code(self, number: int, code: str | None) -> None:
        product = self.product(number)
        product.category = self.place(code)
        self.save(product)

    @rule(number=some)
    def hold(self, number: int) -> None:
        """Load a product, as a slow request does."""
        product = self.product(number)
        self.held[product.pk] = product

    @precondition(lambda self: self.held)
    @rule(number=some, title=st.none() | titles, code=st.just("") | places)
    def save_held(self, number: int, title: str | None, code: str | None) -> None:
        pks = sorted(self.held)
        product = self.held.pop(pks[number % len(pks)])
        if title is not None:
            product.title = title
        if code != "":
            product.category = self.place(code)
        self.save(product)

    @rule(number=some, title=titles, code=places)
    def import_row(self, number: int, title: str, code: str | None) -> None:
        self.swept = False
        row = ProductRow(line=2, sku=self.product(number).sku, title=title, category_code=code or "")
        services.products_import(lambda: [row], name="rows.csv")

    # --- The model --------------------------------------------------------------------

    @rule(everything=st.booleans(), marked_only=st.booleans())
    def sweep(self, everything: bool, marked_only: bool) -> None:
        options = services.SweepOptions(everything=everything, marked_only=marked_only and not everything)
        services.products_sweep(options)
        self.swept = not options.marked_only

    @rule(number=some, force=st.booleans())
    def classify(self, number: int, force: bool) -> None:
        services.products_classify([self.product(number).pk], force=force)

    @rule(which=st.integers(0, 2))
    def retrain(self, which: int) -> None:
        type(self).go_live(which)

    @rule(size=st.integers(1, 4))
    def draw_an_audit(self, size: int) -> None:
        services.audit_fill(size)

    @rule(numbers=st.sets(some, min_size=1, max_size=3), code=codes)
    def doubt_labels(self, numbers: set[int], code: str) -> None:
        products = {product.pk: product for product in map(self.product, sorted(numbers))}
        suspects = [
            services.LabelSuspect(
                product=product.pk,
                category_code=product.category.code,
                text_digest=text_digest(product.classifier_text()),
                candidates=((code, 0.8), (product.category.code, 0.1)),
                margin=0.7,
            )
            for product in products.values()
            if product.category_source in LABELS and product.category.code != code
        ]
        services.label_errors_fill(suspects, model_version="doubter")

    @rule()
    def put_in_order(self) -> None:
        services.priorities_refresh()

    # --- People -----------------------------------------------------------------------

    @rule(number=some, who=people, code=places)
    def approve(self, number: int, who: str, code: str | None) -> None:
        if suggestion := self.suggestion(number):
            actor = self.people[who]
            self.decide(lambda: services.suggestion_approve(suggestion, actor=actor, category_code=code))

    @rule(number=some, who=people, code=codes)
    def correct(self, number: int, who: str, code: str) -> None:
        if suggestion := self.suggestion(number):
            actor, place = self.people[who], self.tree[code]
            self.decide(lambda: services.suggestion_correct(suggestion, actor=actor, category=place))

    @rule(number=some, who=people)
    def reject(self, number: int, who: str) -> None:
        if suggestion := self.suggestion(number):
            actor = self.people[who]
            self.decide(lambda: services.suggestion_reject(suggestion, actor=actor))

    @rule(number=some, who=people, code=codes)
    def settle(self, number: int, who: str, code: str) -> None:
        if suggestion := self.suggestion(number, status=PENDING):
            others = [row.pk for row in selectors.cluster_of(suggestion)]
            actor = self.people[who]
            self.decide(
                lambda: services.suggestions_settle(suggestion, others, category_code=code, actor=actor)
            )

    @rule(number=some, who=people, code=places)
    def file_by_hand(self, number: int, who: str, code: str | None) -> None:
        product, actor = self.product(number), self.people[who]
        # Without a label the model may look again.
        self.swept = self.swept and code is not None
        self.decide(lambda: services.product_set_category(product, self.place(code), actor=actor))

    @rule(who=people, confirm_low=st.booleans())
    def approve_all(self, who: str, confirm_low: bool) -> None:
        pks = list(Suggestion.objects.order_by("product_id").values_list("pk", flat=True))
        services.suggestions_approve_top(pks, actor=self.people[who], confirm_low=confirm_low)

    @rule(numbers=several, who=people, code=codes, taken_back=st.booleans())
    def file_several(self, numbers: set[int], who: str, code: str, taken_back: bool) -> None:
        pks, before, actor = self.chosen(numbers), self.filing(), self.people[who]
        outcome = services.suggestions_set_category(pks, category_code=code, actor=actor)
        if taken_back:
            self.take_back(outcome, before, who)

    @rule(numbers=several, who=people, taken_back=st.booleans())
    def reject_several(self, numbers: set[int], who: str, taken_back: bool) -> None:
        pks, before, actor = self.chosen(numbers), self.filing(), self.people[who]
        outcome = services.suggestions_reject(pks, actor=actor)
        if taken_back:
            self.take_back(outcome, before, who)

    @rule(back=st.integers(0, 2), who=people)
    def undo_a_bulk_act(self, back: int, who: str) -> None:
        self.swept = False
        for run in ClassificationRun.objects.filter(kind="review").order_by("-pk")[back : back + 1]:
            self.decide(lambda: services.run_undo(run, actor=self.people[who]))  # noqa: B023

    @rule(back=st.integers(0, 4), who=people)
    def undo(self, back: int, who: str) -> None:
        lines = list(Assignment.objects.order_by("-pk")[back : back + 1])
        for line in lines:
            if self.decide(lambda: services.decision_undo(line, actor=self.people[who])):  # noqa: B023
                product = Product.objects.get(pk=line.product_id)
                assert (product.category_id, product.category_source) == (
                    line.from_category_id,
                    line.from_source,
                )

    @rule(back=st.integers(0, 4), who=people)
    def undo_run(self, back: int, who: str) -> None:
        self.swept = False
        for run in ClassificationRun.objects.order_by("-pk")[back : back + 1]:
            self.decide(lambda: services.run_undo(run, actor=self.people[who]))  # noqa: B023

    @rule(who=people, order=st.sampled_from(["value", "newest", "audit", "label"]), count=st.integers(1, 2))
    def take(self, who: str, order: str, count: int) -> None:
        now, actor = timezone.now(), self.people[who]
        others = Suggestion.objects.filter(status=PENDING, claimed_until__gt=now).exclude(claimed_by=actor)
        theirs = set(others.values_list("pk", flat=True))
        mine = services.claim_next(actor, order=order, count=count)
        assert not theirs & {row.pk for row in mine}

    @rule(who=people)
    def give_back(self, who: str) -> None:
        services.claims_release(self.people[who])

    @rule()
    def the_claims_run_out(self) -> None:
        Suggestion.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))

    # --- What always holds ------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        products = {product.pk: product for product in Product.objects.all()}
        self.the_history_says_how_every_product_came_to_be_where_it_is(products)
        for product in products.values():
            self.is_whole(product)
        self.every_queue_holds_what_it_is_for(products)
        if self.swept:
            assert not selectors.stale_products().exists(), "a pass has left something behind"
        assert self.mishaps == []

    def the_history_says_how_every_product_came_to_be_where_it_is(self, products: dict[Any, Product]) -> None:
        stands: dict[Any, tuple[Any, str]] = dict.fromkeys(products, (None, Source.NONE))
        for line in Assignment.objects.order_by("pk"):
            before = stands[line.product_id]
            assert (line.from_category_id, line.from_source) == before, f"{line} begins elsewhere: {before}"
            undo, in_code = line.act == Assignment.Act.UNDO, line.note == "set in code"
            if before[1] in LABELS:
                assert line.source != Source.MODEL or undo, "a model has overwritten a label"
            if before[1] == Source.HUMAN:
                assert line.source == Source.HUMAN or undo or in_code, "a person's label is lost"
            stands[line.product_id] = (line.to_category_id, filed_source(line))
        now = {pk: (product.category_id, product.category_source) for pk, product in products.items()}
        assert stands == now, "the history ends elsewhere"

    def is_whole(self, product: Product) -> None:
        source = product.category_source
        assert (product.category_id is None) == (source == Source.NONE)
        assert (product.category_confidence is None) == (source != Source.MODEL)
        if source in LABELS:
            assert not product.needs_review
        if source == Source.MODEL:
            assert product.model_version

    def every_queue_holds_what_it_is_for(self, products: dict[Any, Product]) -> None:
        asked = set()
        for row in Suggestion.objects.filter(status=PENDING).defer("candidates"):
            product = products[row.product_id]
            source = product.category_source
            if row.queue == QUEUES.LABEL:
                assert source in LABELS
            elif row.queue == QUEUES.AUDIT:
                assert source == Source.MODEL
            else:
                asked.add(product.pk)
                assert source not in LABELS
                assert product.needs_review or source == Source.MODEL or product.is_stale
        assert {product.pk for product in products.values() if product.needs_review} <= asked


@pytest.fixture
def any_order(
    live_model: ProductionClassifier,
    tiny_artifact: Path,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three models to go live in turn: one sure of little, one that files above, one sure of nothing."""

    def renamed(records: dict[str, bytes]) -> None:
        header = json.loads(records["header"])
        header["version"] += "-again"
        records["header"] = json.dumps(header).encode()

    again = rewritten(tiny_artifact, tmp_path / "again.pt", renamed)
    given = settings.CATEGORY_CLASSIFIER
    models = ((tiny_artifact, 0.9), (again, 0.5), (again, 1.0))
    monkeypatch.setattr(ProductionClassifier, "load", functools.cache(ProductionClassifier.load))

    def go_live(which: int) -> None:
        path, bar = models[which]
        settings.CATEGORY_CLASSIFIER = {**given, "ARTIFACT": str(path), "THRESHOLD": bar}
        runtime.reset()

    mishaps: list[str] = []
    monkeypatch.setattr(tasks.logger, "exception", lambda *said: mishaps.append(str(said)))
    monkeypatch.setattr(Shop, "go_live", staticmethod(go_live), raising=False)
    monkeypatch.setattr(Shop, "mishaps", mishaps, raising=False)
    for name in ("anna", "bert"):
        User.objects.create(username=name)


def run(examples: int, steps: int, *, derandomize: bool) -> None:
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=derandomize,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_in_any_order_nothing_is_lost(any_order: None) -> None:
    run(20, 30, derandomize=True)


@pytest.mark.slow
def test_in_many_orders_nothing_is_lost(any_order: None) -> None:
    run(400, 60, derandomize="CI" in os.environ)
