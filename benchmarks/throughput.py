"""Speed of `linear` beside fastText and scikit-learn, and of the site around it; ratios of one run.

    OMP_NUM_THREADS=1 python -m benchmarks.throughput [CATALOGUE …]
    OMP_NUM_THREADS=1 python -m benchmarks.throughput --site     the database in DATABASE_URL, SQLite if unset

Raw strings to the three best categories with their confidences, one thread. The contenders answer in turn,
round by round, so that a slow moment of the machine meets all of them; the ratios are of medians.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from benchmarks import catalogues
from training import pipeline
from training.config import TrainingConfig
from training.data import LabelledRow

ROUNDS = 7
TEXTS = 2000
SITE_ROWS = 10_000
# The recipe is fixed to the title: raw strings are what is measured.
CONFIG = TrainingConfig(backend="linear", fields=("title",), class_weight="none", selection_rows=500, folds=2)


def train(rows: Sequence[LabelledRow], folder: Path) -> ProductionClassifier:
    """A linear model of these rows, loaded as a server does."""
    path = folder / "classifier.pt"
    artifact.publish(pipeline.run(rows, CONFIG).artifact, path)
    return ProductionClassifier.load(path)


def fasttext_answer(rows: Sequence[LabelledRow]) -> Callable[[Sequence[str]], object]:
    """The peer of the accuracy benchmark; its speed does not depend on how long it was trained."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        for row in rows:
            file.write(f"__label__{row.category_code} {' '.join(row.title.lower().split())}\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name, dim=100, wordNgrams=2, minn=2, maxn=5, epoch=1, lr=0.5, thread=1, verbose=0
        )
    return lambda texts: model.predict([" ".join(text.lower().split()) for text in texts], k=3)


def sklearn_answer(rows: Sequence[LabelledRow]) -> Callable[[Sequence[str]], object]:
    """TF-IDF of words (1, 2) and characters (2, 5) under a LinearSVC, softmax over its scores."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    # How long it is fitted changes nothing about its speed either.
    model = make_pipeline(features, LinearSVC(C=0.1, tol=0.1, max_iter=20))
    model.fit([row.title for row in rows], [row.category_code for row in rows])

    def answer(texts: Sequence[str]) -> object:
        scores = model.decision_function(texts)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        best = np.argpartition(-scores, 3, axis=1)[:, :3]
        return [
            [(model.classes_[place], scores[row, place]) for place in places]
            for row, places in enumerate(best)
        ]

    return answer


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def model_speed(name: str) -> None:
    """Print texts a second, ratios to both peers, and one title's latency."""
    split = catalogues.split(catalogues.load(name), 0)
    with tempfile.TemporaryDirectory() as folder:
        classifier = train(split.train, Path(folder))
    titles = [row.title for row in split.test]
    texts = (titles * (TEXTS // len(titles) + 1))[:TEXTS]
    contenders: dict[str, Callable[[Sequence[str]], object]] = {
        "linear": lambda asked: classifier.predict(asked, top_k=3),
        "fastText": fasttext_answer(split.train),
        "scikit-learn": sklearn_answer(split.train),
    }
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    for number in range(ROUNDS + 1):
        for contender, answer in contenders.items():
            taken = seconds(lambda answer=answer: answer(texts))  # type: ignore[misc]
            if number:
                times[contender].append(taken)
    medians = {contender: statistics.median(taken) for contender, taken in times.items()}
    latencies = sorted(seconds(lambda text=text: classifier.predict([text])) for text in texts)  # type: ignore[misc]
    for contender, median in medians.items():
        print(
            f"{name} ({len(classifier.codes)} classes) {contender}: {TEXTS / median:,.0f} texts/s, "
            f"linear is {median / medians['linear']:.2f}x"
        )
    print(
        f"{name} one title: p50 {1000 * latencies[len(latencies) // 2]:.2f} ms, "
        f"p99 {1000 * latencies[len(latencies) * 99 // 100]:.2f} ms"
    )


def site_speed(name: str) -> None:
    """Print what `services.classify` adds, and `classify_products` beside its model and its writes alone."""
    rows = catalogues.load(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        classifier = train(rows, folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder / 'benchmark.sqlite3'}")
        import django
        from django.conf import settings

        django.setup()
        settings.CATEGORY_CLASSIFIER = {"ARTIFACT": folder / "classifier.pt"}
        if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            # A shop's SQLite is a file, not memory.
            settings.DATABASES["default"]["TEST"]["NAME"] = folder / "test.sqlite3"
        _in_a_test_database(rows, classifier)


def _in_a_test_database(rows: Sequence[LabelledRow], classifier: ProductionClassifier) -> None:
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(verbosity=0, interactive=False)
    try:
        _overhead([row.title for row in rows][:1000], classifier)
        _sweep(rows, classifier, connection.vendor)
    finally:
        teardown_databases(made, verbosity=0)


def _overhead(texts: Sequence[str], classifier: ProductionClassifier) -> None:
    from apps.categories import services

    plain, service = [], []
    for _ in range(4 * ROUNDS):
        plain.append(seconds(lambda: classifier.predict(texts, top_k=3)))
        service.append(seconds(lambda: services.classify(texts, top_k=3)))
    added = statistics.median(service) / statistics.median(plain) - 1
    print(f"services.classify on {len(texts):,} texts: {100 * added:+.1f}% beside the model alone")


def _sweep(rows: Sequence[LabelledRow], classifier: ProductionClassifier, vendor: str) -> None:
    from django.db import transaction

    from apps.categories import services
    from apps.categories.conf import get_settings
    from apps.categories.models import Assignment, Category, Product, Suggestion

    for code in classifier.taxonomy.codes:
        path = classifier.path(code)
        above = classifier.taxonomy.parent(code)
        parent = Category.objects.get(code=above) if above else None
        Category.objects.create(code=code, name=path.split(" > ")[-1], parent=parent)
    chosen = [rows[number % len(rows)] for number in range(SITE_ROWS)]
    Product.objects.bulk_create(
        [
            Product(sku=f"B{number:06d}", title=row.title, brand=row.brand)
            for number, row in enumerate(chosen)
        ],
        batch_size=1000,
    )
    size = get_settings().batch_size

    def model_alone() -> None:
        for start in range(0, len(chosen), size):
            classifier.predict([row.fields() for row in chosen[start : start + size]], top_k=3)

    def sweep() -> None:
        services.products_sweep(services.SweepOptions())

    def reset() -> None:
        Assignment.objects.all()._raw_delete("default")
        Suggestion.objects.all()._raw_delete("default")
        Product.objects.update(
            category=None, category_source="none", is_stale=True, text_digest="", classified_at=None
        )

    batches = _recorded(sweep)
    reset()

    def write_alone() -> None:
        for batch in batches:
            with transaction.atomic():
                for write in batch:
                    write()

    times: dict[str, list[float]] = {"model": [], "write": [], "sweep": []}
    for _ in range(5):
        for part, work in (("model", model_alone), ("write", write_alone), ("sweep", sweep)):
            times[part].append(seconds(work))
            reset()
    speed = {part: SITE_ROWS / statistics.median(taken) for part, taken in times.items()}
    share = speed["sweep"] / min(speed["model"], speed["write"])
    print(
        f"classify_products on {vendor}, {SITE_ROWS:,} rows: {speed['sweep']:,.0f} rows/s; model alone "
        f"{speed['model']:,.0f}, write alone {speed['write']:,.0f}; {100 * share:.0f}% of the slower"
    )


def _recorded(sweep: Callable[[], None]) -> list[list[Callable[[], None]]]:
    """The writes that a sweep makes, one list a transaction, to be made again without it."""
    from apps.categories.services import filing, history

    batches: list[list[Callable[[], None]]] = []

    def recorder(write: Callable[..., None]) -> Callable[..., None]:
        def call(model: object, columns: object, rows: Iterable[object], **options: object) -> None:
            again = partial(write, model, columns, list(rows), **options)
            if columns is filing._FILED:
                batches.append([])
            batches[-1].append(again)
            again()

        return call

    with (
        patch.object(filing, "update_rows", recorder(filing.update_rows)),
        patch.object(filing, "insert_rows", recorder(filing.insert_rows)),
        patch.object(history, "insert_rows", recorder(history.insert_rows)),
    ):
        sweep()
    return batches


def main() -> None:
    """Read the command line."""
    parser = catalogues.arguments("Speed beside the peers, and of the site.")
    parser.add_argument("--site", action="store_true", help="services.classify and classify_products")
    options = parser.parse_args()
    for name in options.names or ("ferreteria_es", "flipkart"):
        if options.site:
            site_speed(name)
            return
        model_speed(name)


if __name__ == "__main__":
    main()
