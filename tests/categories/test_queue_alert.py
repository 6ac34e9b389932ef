"""Somebody is told when the queue passes its limits: once, and never at the cost of a pass."""

import io
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import services
from apps.categories.checks import check_queue_alert, check_settings
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import ClassificationRun, Product, Suggestion
from apps.categories.services import alert
from tests.categories.conftest import UNSURE

heard: list[services.QueueAlert] = []


def hear(told: services.QueueAlert) -> None:
    """A shop's hook."""
    heard.append(told)


def fail(told: services.QueueAlert) -> None:
    """A shop's hook that is broken."""
    raise RuntimeError("the pager is down")


HEAR, FAIL = f"{__name__}.hear", f"{__name__}.fail"


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    heard.clear()


@pytest.fixture
def limits(settings: Settings) -> Callable[..., None]:
    def give(**given: Any) -> None:
        settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, **given}

    return give


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves the clock of the alerts."""
    moved = timedelta()
    real = timezone.now

    def move(by: timedelta) -> None:
        nonlocal moved
        moved += by

    monkeypatch.setattr(alert.timezone, "now", lambda: real() + moved)
    return move


def wait(count: int, *, since: datetime | None = None) -> None:
    """So many products more in the queue."""
    start, now = Product.objects.count(), since or timezone.now()
    for number in range(start, start + count):
        product = Product.objects.create(sku=f"W{number}", title="x", needs_review=True)
        Suggestion.objects.create(
            product=product, model_version="m", text_digest="0" * 32, created_at=now, updated_at=now
        )


def clear() -> None:
    Suggestion.objects.all().delete()


def test_without_a_limit_nothing_is_even_looked_at(
    db: None, limits: Callable[..., None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    limits(QUEUE_ALERT_HOOK=HEAR, QUEUE_ALERT_TO=["anna@shop.example"])
    wait(3)

    with django_assert_num_queries(0):
        assert services.queue_alert() is None
    assert heard == mail.outbox == []


def test_at_the_limit_nobody_is_told_and_above_it_somebody_is(
    db: None, limits: Callable[..., None], later: Callable[[timedelta], None]
) -> None:
    limits(QUEUE_ALERT_SIZE=2, QUEUE_ALERT_HOOK=HEAR)
    wait(2)
    assert services.queue_alert() is None
    wait(1)

    told = services.queue_alert()

    assert heard == [told]
    assert told is not None
    assert (told.size, told.is_reminder) == (3, False)
    assert told.reasons == ("3 wait for a person, more than 2.",)
    assert mail.outbox == []


def test_the_e_mail(db: None, limits: Callable[..., None]) -> None:
    limits(QUEUE_ALERT_HOURS=36, QUEUE_ALERT_TO=["anna@shop.example", "ben@shop.example"])
    wait(1, since=timezone.now() - timedelta(hours=48))
    wait(1)

    services.queue_alert()

    (sent,) = mail.outbox
    assert sent.to == ["anna@shop.example", "ben@shop.example"]
    assert sent.subject == "Review queue: 2 products waiting"
    assert "The oldest has waited 48 hours, longer than 36." in sent.body


def test_once_a_crossing_and_once_a_day(
    db: None, limits: Callable[..., None], later: Callable[[timedelta], None]
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=HEAR)
    wait(1)

    def told(after: timedelta) -> list[bool]:
        heard.clear()
        later(after)
        for _ in range(3):
            services.queue_alert()
        return [one.is_reminder for one in heard]

    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    assert told(timedelta()) == [False]
    assert told(23 * hour) == []
    assert told(hour) == [True]
    assert told(2 * hour) == []
    clear()
    assert told(hour) == []
    assert ClassificationRun.objects.get().status == "finished"
    wait(1)
    assert told(minute) == [False]  # a new crossing, hours after the last word
    clear()
    assert told(minute) == []
    wait(1)
    assert told(minute) == []  # to and fro over the limit within the hour
    assert told(hour) == [False]
    assert ClassificationRun.objects.get().counts == {"waiting": 1, "oldest_hours": 1}


def test_of_two_processes_one_tells(
    db: None, limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=HEAR)
    wait(1)
    services.queue_alert()
    long_ago = timezone.now() - timedelta(days=2)
    ClassificationRun.objects.update(heartbeat_at=long_ago)
    as_read = ClassificationRun.objects.get()
    heard.clear()
    services.queue_alert()
    assert len(heard) == 1

    # The second one has read the row before the first one took it.
    class Stale:
        @staticmethod
        def first() -> ClassificationRun:
            return as_read

    real = ClassificationRun.objects.filter
    monkeypatch.setattr(
        alert.ClassificationRun.objects,
        "filter",
        lambda **asked: real(**asked) if "pk" in asked else type("Q", (), {"order_by": lambda *_: Stale})(),
    )
    assert services.queue_alert() is None
    assert len(heard) == 1


def test_of_two_processes_that_look_for_the_first_time_one_tells(
    db: None, limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=HEAR)
    wait(1)
    real = ClassificationRun.objects.get_or_create

    def after_another(**given: Any) -> Any:
        monkeypatch.setattr(alert.ClassificationRun.objects, "get_or_create", real)
        services.queue_alert()
        return real(**given)

    monkeypatch.setattr(alert.ClassificationRun.objects, "get_or_create", after_another)
    assert services.queue_alert() is None
    assert len(heard) == 1
    assert ClassificationRun.objects.get().counts["waiting"] == 1


def test_a_second_row_of_the_alert_is_refused(db: None) -> None:
    now = timezone.now()
    first = {"kind": alert.KIND, "started_at": now, "heartbeat_at": now}
    ClassificationRun.objects.create(**first)
    ClassificationRun.objects.create(**{**first, "kind": "review"})
    ClassificationRun.objects.create(**{**first, "kind": "review"})
    with pytest.raises(IntegrityError), transaction.atomic():
        ClassificationRun.objects.create(**first)


@pytest.mark.parametrize("hook", [FAIL, "no.such.module.here"])
def test_a_hook_that_fails_is_logged_and_the_mail_still_goes(
    db: None, limits: Callable[..., None], caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=hook, QUEUE_ALERT_TO=["anna@shop.example"])
    wait(1)

    with caplog.at_level(logging.ERROR):
        assert services.queue_alert() is not None

    assert f"The hook {hook} failed." in caplog.text
    assert len(mail.outbox) == 1


def test_what_could_not_be_told_is_tried_again_after_an_hour(
    db: None,
    limits: Callable[..., None],
    later: Callable[[timedelta], None],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_TO=["anna@shop.example"])
    settings.EMAIL_BACKEND = "no.such.Backend"
    wait(1)

    services.queue_alert()
    assert "could not be sent" in caplog.text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    services.queue_alert()
    assert mail.outbox == []
    later(timedelta(hours=1, seconds=1))
    services.queue_alert()

    assert len(mail.outbox) == 1


def test_a_mail_server_that_does_not_answer_is_not_waited_for(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    seen: list[Any] = []

    class Connection:
        timeout: int | None = None

        def send_messages(self, messages: Any) -> int:
            seen.append(self.timeout)
            return 1

    told = services.QueueAlert(
        size=1, oldest=timedelta(), reasons=("x",), is_reminder=True, at=timezone.now()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alert, "get_connection", Connection)
        alert._mail(told, ("anna@shop.example",))

    assert seen == [alert.MAIL_TIMEOUT]


def test_a_database_that_fails_is_logged(
    db: None,
    limits: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=HEAR)

    def broken(**_: Any) -> Any:
        raise DatabaseError("gone")

    monkeypatch.setattr(alert.figures, "queue_state", broken)

    assert services.queue_alert() is None
    assert "could not be looked at: gone" in caplog.text


def test_a_pass_tells_at_its_end(
    live_model: ProductionClassifier, add_products: Callable[..., Any], limits: Callable[..., None]
) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=FAIL, QUEUE_ALERT_TO=["anna@shop.example"])
    add_products(UNSURE)

    call_command("classify_products", "--dry-run", stdout=io.StringIO())
    assert mail.outbox == []
    call_command("classify_products", stdout=io.StringIO())

    assert len(mail.outbox) == 1
    assert Product.objects.get().needs_review


def test_without_a_model_the_queue_is_looked_at_all_the_same(db: None, limits: Callable[..., None]) -> None:
    limits(QUEUE_ALERT_SIZE=0, QUEUE_ALERT_HOOK=HEAR)
    wait(1)

    with pytest.raises(CommandError):
        call_command("classify_products", stdout=io.StringIO())

    assert len(heard) == 1


def test_a_watching_worker_looks_once_a_minute(
    live_model: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    clock = 0.0
    monkeypatch.setattr("apps.categories.services.sweep.queue_alert", lambda: looks.append(clock))
    monkeypatch.setattr("apps.categories.services.sweep.time.monotonic", lambda: clock)

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += seconds
        if clock > 130:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.products_watch(
            services.SweepOptions(), interval=10, on_pass=lambda _: None, on_trouble=print, sleep=sleep
        )

    assert looks == [0, 60, 120]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"QUEUE_ALERT_SIZE": 5, "QUEUE_ALERT_TO": ["anna@shop.example"]}, []),
        ({"QUEUE_ALERT_HOURS": 5, "QUEUE_ALERT_HOOK": HEAR}, []),
        ({"QUEUE_ALERT_SIZE": 5}, ["categories.W001"]),
        ({"QUEUE_ALERT_TO": ["anna@shop.example"]}, ["categories.W002"]),
        ({"QUEUE_ALERT_SIZE": 5, "QUEUE_ALERT_HOOK": "no.such.hook"}, ["categories.E007"]),
        ({"QUEUE_ALERT_SIZE": 5, "QUEUE_ALERT_HOOK": f"{__name__}.HEAR"}, ["categories.E007"]),
        ({"QUEUE_ALERT_SIZE": "many"}, []),  # said by the other check
    ],
)
def test_the_settings_of_the_alert_are_checked(
    limits: Callable[..., None], given: dict[str, Any], found: list[str]
) -> None:
    limits(**given)
    assert [message.id for message in check_queue_alert()] == found


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("QUEUE_ALERT_SIZE", -1, "a whole number from 0"),
        ("QUEUE_ALERT_SIZE", True, "a whole number from 0"),
        ("QUEUE_ALERT_HOURS", -1, "0 to 87,600"),
        ("QUEUE_ALERT_HOURS", float("nan"), "0 to 87,600"),
        ("QUEUE_ALERT_TO", "anna@shop.example", "a list of e-mail addresses"),
        ("QUEUE_ALERT_TO", ["anna"], "a list of e-mail addresses"),
        ("QUEUE_ALERT_TO", ["anna@shop.example\nBcc: x@y.example"], "a list of e-mail addresses"),
        ("QUEUE_ALERT_HOOK", "tell", "dotted path"),
        ("QUEUE_ALERT_HOOK", print, "dotted path"),
    ],
)
def test_a_wrong_limit_is_an_error_with_a_hint(
    limits: Callable[..., None], key: str, value: Any, hint: str
) -> None:
    limits(**{key: value})
    (message,) = check_settings()
    assert message.id == "categories.E002"
    assert hint in str(message.hint)
