"""How much is filed at its own category, beside an SVC whose threshold was chosen on the test labels.

    python -m benchmarks.filed [CATALOGUE …] [--splits 5] [--backend linear]

The splits and rows are those of benchmarks.accuracy. Ours is trained, calibrated and certified on the
training part alone. The SVC (TF-IDF of words and characters of title, brand and description) has an oracle:
its temperature and its threshold are those that the test labels themselves would choose for TARGET.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.softmax import log_softmax
from apps.categories.inference.text import product_text
from benchmarks import catalogues
from benchmarks.certify import TARGET, oracle
from training import outcomes, pipeline
from training.backends.fitted import Fitted
from training.calibration import fit_scale
from training.certification import certify_held
from training.config import BACKENDS, TrainingConfig
from training.data import LabelledRow, TrainingData

NAMES = ("mercadona_es", "flipkart", "bigbasket")
FIELDS = ("title", "brand", "description")
COST = 1.5


def peer(train: Sequence[LabelledRow], test: Sequence[LabelledRow]) -> tuple[float, float]:
    """Top-1 of the SVC, and the share of the test rows that its oracle threshold files."""

    def texts(rows: Sequence[LabelledRow]) -> list[str]:
        return [product_text(row.fields(), (FIELDS,)) for row in rows]

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = LinearSVC(C=COST).fit(features.fit_transform(texts(train)), [row.category_path for row in train])
    scores = np.asarray(model.decision_function(features.transform(texts(test))), np.float32)
    place = {path: number for number, path in enumerate(model.classes_)}
    labels = np.array([place.get(row.category_path, -1) for row in test], np.int64)
    best = log_softmax(scores, fit_scale(scores, labels))
    right = best.argmax(axis=1) == labels
    return float(right.mean()), oracle(best.max(axis=1), right)


def ours(train: list[LabelledRow], test: Sequence[LabelledRow], config: TrainingConfig) -> outcomes.Outcomes:
    """The test rows as the certified model files them."""
    trained = pipeline.run(train, config, progress=lambda line: print("   ", line, flush=True))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.pt"
        artifact.publish(trained.artifact, path)
        classifier = ProductionClassifier.load(path)
    known = frozenset(classifier.codes)
    rows = [row if row.category_code in known else replace(row, category_code="") for row in test]
    return outcomes.score(classifier, rows)


def told(fitted: Fitted, data: TrainingData, test: Sequence[LabelledRow], target: float) -> str:
    """What the bars that are certified on the rows it held out do on the test rows."""
    certified = certify_held(fitted.scores, fitted.held, data, target=target)
    scores, read = fitted.engine().scores([product_text(row.fields(), fitted.segments) for row in test])
    place = {code: number for number, code in enumerate(data.classes)}
    labels = [place.get(row.category_code, -1) for row in test]
    # Without back-off first: what is filed at the category itself.
    leaves = replace(certified, threshold=replace(certified.threshold, parent=None))
    lines = []
    for name, bars in (("at the category", leaves), ("with back-off", certified)):
        found = bars.test(scores.copy(), read, labels)
        lines.append(f"files {found.coverage:.3f} {name}, {found.precision or 0:.3f} of them rightly")
    return ", ".join(lines)


def main() -> None:
    """Read the command line."""
    parser = catalogues.arguments("What is filed at its category, beside an SVC with an oracle threshold.")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--backend", choices=BACKENDS, default="linear")
    parser.add_argument("--base-model", default="minilm", help="of the transformer")
    options = parser.parse_args()
    lines = []
    for name in options.names or NAMES:
        catalogue = catalogues.load(name)
        figures = []
        for number in range(options.splits):
            split = catalogues.split(catalogue, number)
            top1, covered = peer(split.train, split.test)
            found = ours(
                split.train,
                split.test,
                TrainingConfig(
                    backend=options.backend,
                    base_model=options.base_model,
                    seed=number,
                    selection_rows=4000,
                    test_fraction=0,
                ),
            )
            at_leaf = np.array([decision.action == "assign" for decision in found.decisions])
            figures.append(
                (
                    top1,
                    covered,
                    float(found.right.mean()),
                    float(at_leaf.mean()),
                    float(found.right[at_leaf].mean()) if at_leaf.any() else 0.0,
                    float(found.filed.mean()),
                    float(found.filed_right[found.filed].mean()) if found.filed.any() else 0.0,
                )
            )
            print(name, number, [round(figure, 4) for figure in figures[-1]], flush=True)
        mean = np.mean(figures, axis=0)
        lines.append(f"| {name} | {len(figures)} | " + " | ".join(f"{figure:.3f}" for figure in mean) + " |")
    print(f"\nat a precision of {TARGET:.0%}:")
    print(
        "| catalogue | splits | SVC: top-1 | filed by its oracle | ours: top-1 | filed at the category | "
        "of them right | filed with back-off | of them right |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
