"""`make demo`: the whole way once, from a catalogue to a filed shop with a review queue, and what came of it.

Of a fully labelled catalogue a fifth of the title groups is imported without its label; the truth stays in
the demo's folder, so the precision that is printed is measured on products whose label the model has never
seen. Running it again changes nothing; another catalogue takes the place of the first, whose database and
model are kept beside the truth.
"""

import argparse
import csv
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import django
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = 5
"""One title group in this many loses its label."""
ADMIN = "admin"
FAMILY = ("--backend", "linear")
"""What the demo trains, in minutes on any machine; without it the setting BACKEND counts, a transformer."""
TRAIN = f"manage.py train_classifier {' '.join(FAMILY)}"
_STATE = "state.json"


class DemoRefused(Exception):
    """The demo cannot go on; the sentence says why and what to type."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A catalogue made ready for the demo."""

    products: Path
    """CSV to import, without the labels that are held out."""
    taxonomy: Path
    """CSV of every category path of the catalogue."""
    truth: Mapping[str, str]
    """Sku to category path of the rows that were imported without their label."""
    rows: int
    unlabelled: int
    """Rows that had no label to begin with; with any, nothing is held out."""
    rejected: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the products that came without a label."""

    filed: int
    right: int | None
    """Of the filed ones, those whose truth is the category or lies below it; None when no truth is known."""
    waiting: int
    labelled: int
    """Products whose label came with the file or from a person."""


def prepare(source: Path, folder: Path) -> Prepared:
    """Read a catalogue; write `products.csv`, `taxonomy.csv`, `truth.json` and `rejected.csv` into `folder`.

    A row without a sku is given one made of its line. Raises InputFileError as the reader does, and
    DemoRefused when no row has a category path.
    """
    from apps.categories.inference.files import COLUMNS, ProductRow, RejectedRow, RejectWriter, open_reader
    from apps.categories.inference.text import group_key

    folder.mkdir(parents=True, exist_ok=True)
    rows: list[ProductRow] = []
    with open_reader(source) as reader, RejectWriter(folder / "rejected.csv") as rejects:
        for row in reader:
            if isinstance(row, RejectedRow):
                rejects.write(row)
            else:
                rows.append(row)
    paths = sorted({row.category_path for row in rows} - {""})
    if not paths:
        raise DemoRefused(f"{source} has no row with a category_path; the demo needs labelled products")
    unlabelled = sum(not row.category_path for row in rows)
    truth: dict[str, str] = {}
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            values = row.as_mapping()
            values["sku"] = row.sku or f"line-{row.line}"
            values["category_code"] = ""
            if not unlabelled and int(group_key(row.title), 16) % HELD_OUT == 0:
                truth[values["sku"]] = row.category_path
                values["category_path"] = ""
            writer.writerow(values)
    with (folder / "taxonomy.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path"], *([path] for path in paths)])
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=0), encoding="utf-8")
    return Prepared(
        products=folder / "products.csv",
        taxonomy=folder / "taxonomy.csv",
        truth=truth,
        rows=len(rows),
        unlabelled=unlabelled,
        rejected=rejects.count,
    )


def measure(truth: Mapping[str, str]) -> Outcome:
    """Read from the database what the model did; `truth` as in `Prepared`."""
    from apps.categories.inference.taxonomy import SEPARATOR
    from apps.categories.models import Product, Source

    products = Product._base_manager
    filed = products.filter(category_source=Source.MODEL).values_list("sku", "category__path")
    known = [(path, truth[sku]) for sku, path in filed.iterator() if sku in truth]
    right = sum(actual == path or actual.startswith(f"{path}{SEPARATOR}") for path, actual in known)
    return Outcome(
        filed=filed.count(),
        right=right if truth else None,
        waiting=products.filter(needs_review=True).count(),
        labelled=products.filter(category_source__in=(Source.IMPORT, Source.HUMAN)).count(),
    )


def summary(outcome: Outcome, prepared: Prepared, *, seconds: float, url: str) -> str:
    """What a newcomer wants to know."""
    came = outcome.filed + outcome.waiting
    share = f"{outcome.filed / came:.0%}" if came else "none"
    lines = [
        "",
        f"{prepared.rows:,} products are in the shop; {outcome.labelled:,} came with their category.",
        f"{came:,} came without one. Of these the model",
        f"  filed {outcome.filed:,} by itself ({share}),",
    ]
    if outcome.right is None:
        lines.append("  (how many of them rightly cannot be said: their true category is not in the file),")
    elif outcome.filed:
        precision = outcome.right / outcome.filed
        lines.append(f"  {outcome.right:,} of them rightly: a measured precision of {precision:.1%},")
    lines += [
        f"  and left {outcome.waiting:,} to you, with its candidates.",
        "",
        f"Look at them: `make serve`, then {url} as {ADMIN}, Review queue.",
        f"Your decisions there are labels: `{TRAIN}` learns from them.",
        f"The demo took {seconds:.0f} s.",
    ]
    return "\n".join(lines)


def admin_user(say: Callable[[str], object]) -> None:
    """Create the admin user with a password that is said once; leave an existing one alone."""
    from django.contrib.auth import get_user_model

    user = get_user_model()
    if user._default_manager.filter(username=ADMIN).exists():
        say(f"The user {ADMIN} exists; for another password: manage.py changepassword {ADMIN}")
        return
    password = secrets.token_urlsafe(12)
    user._default_manager.create_superuser(username=ADMIN, email="", password=password)
    say(f"Admin user: {ADMIN}   password: {password}   (shown only now)")


def digest_of(source: Path) -> str:
    """SHA-256 of a file, or of nothing when it is not there."""
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def make_room(folder: Path, digest: str) -> bool:
    """Whether this catalogue is in the shop already; if another demo's is, that one is set aside first.

    Raises DemoRefused when the database holds products that no demo made.
    """
    from django.db import connection

    from apps.categories.conf import get_settings
    from apps.categories.models import get_product_model

    state = _state(folder)
    database = str(connection.settings_dict["NAME"])
    made_here = state.get("database") == database
    if made_here and state.get("data") == digest and get_product_model()._base_manager.exists():
        return True
    if get_product_model()._base_manager.exists():
        if not made_here or connection.vendor != "sqlite":
            raise DemoRefused(
                f"the database {database} holds products that are not of a demo. Give the demo its own: "
                "DATABASE_URL=sqlite:///demo.sqlite3 BUNORAA_ARTIFACT=demo.pt make demo"
            )
        aside = folder / f"earlier-{time.strftime('%Y%m%dT%H%M%S')}"
        aside.mkdir(parents=True)
        connection.close()
        artifact = get_settings().artifact
        for path in (Path(database), Path(f"{database}-wal"), Path(f"{database}-shm"), artifact):
            if path.exists():
                path.rename(aside / path.name)
        print(f"The shop of the earlier demo is kept in {aside}.")
        call_command("migrate", verbosity=0)
    return False


def _state(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / _STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _step(number: int, text: str) -> None:
    print(f"\n[{number}/6] {text}", flush=True)


def run(source: Path | None, folder: Path, *, rows: int, url: str) -> None:
    """The demo. Raises DemoRefused, CommandError or ClassifierError."""
    from django.db import connection

    from apps.categories import services

    began = time.monotonic()
    _step(1, "The database")
    call_command("migrate", verbosity=0)
    print(f"{connection.settings_dict['NAME']} is ready.")

    _step(2, "A catalogue")
    if source is None:
        source = folder / f"sample-{rows}.csv.gz"
        call_command("sample_data", rows=rows, output=source, verbosity=0)
    prepared = prepare(source, folder)
    print(f"{source}: {prepared.rows:,} products.")
    if prepared.rejected:
        print(f"{prepared.rejected:,} rows cannot be used, with the reasons: {folder / 'rejected.csv'}")
    if prepared.truth:
        print(f"{len(prepared.truth):,} of them come without their category; the truth is kept aside.")
    else:
        print(f"{prepared.unlabelled:,} of them have no category; they are what the model will file.")
    digest = digest_of(source)
    again = make_room(folder, digest)
    # Before the first product, so that an interrupted demo knows its own.
    state = {"database": str(connection.settings_dict["NAME"]), "data": digest}
    (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")

    _step(3, "Into the shop")
    call_command("import_taxonomy", prepared.taxonomy)
    call_command("import_products", prepared.products, rejected=folder / "import.rejected.csv")

    _step(4, "Training")
    live = services.model_info().version if again else None
    if live:
        print(f"{live} has learned from these products already. To train again: {TRAIN}")
    else:
        call_command("train_classifier", *FAMILY)

    _step(5, "Classifying what came without a category")
    call_command("classify_products")

    _step(6, "Result")
    admin_user(print)
    print(summary(measure(prepared.truth), prepared, seconds=time.monotonic() - began, url=url))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of `make demo`; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bunoraa.demo", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--data", type=Path, help="a labelled catalogue (CSV, JSONL, Parquet; plain or gzip)")
    parser.add_argument("--rows", type=int, default=10_000, help="size of the invented catalogue (10000)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where the demo keeps its files")
    parser.add_argument("--url", default="http://127.0.0.1:8000/admin/", help="where `make serve` answers")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
    django.setup()
    from apps.categories.inference.errors import ClassifierError

    try:
        run(options.data, options.folder, rows=options.rows, url=options.url)
    except (DemoRefused, CommandError, ClassifierError) as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. `make demo` goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
