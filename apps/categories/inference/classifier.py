"""`ProductionClassifier`: an artifact loaded, proven and ready to answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import artifact as artifacts
from .decision import Policy, Prediction
from .decisions import Decisions, asked_above, decide
from .engines import Engine, forms, load_engine
from .errors import ArtifactInvalid
from .ranking import Calibration, Ranked, Tree, rank
from .taxonomy import Taxonomy
from .text import TEXT_FIELDS, clean, product_text

BATCH = 2048
"""Texts scored at a time: the memory of a call is bounded by this times the number of classes."""
GOLDEN_TOLERANCE = 2e-3
"""Largest difference of a golden confidence between the machine that exported and this one."""

_AGAIN = "train and export it again"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What a header that does not add up makes the code that reads it raise."""


class ProductionClassifier:
    """Answers for one artifact. Made by `load`; may be used by several threads at once."""

    def __init__(self, artifact: artifacts.Artifact) -> None:
        """Build and prove the model of an intact artifact. Raises ArtifactInvalid when it does not add up."""
        self.artifact = artifact
        self.sha256 = artifact.sha256
        """Of the whole file, 64 hex digits."""
        try:
            header = json.loads(bytes(artifact.records["header"]))
            golden = json.loads(bytes(artifact.records["golden"]))
            self.header: Mapping[str, Any] = MappingProxyType(header)
            """What training recorded: recipe, metrics, threshold evidence, options."""
            self.version: str = str(header["version"])
            self.codes: tuple[str, ...] = tuple(header["classes"])
            """The classes, in the order of the model's scores."""
            self.segments = tuple(tuple(str(field) for field in fields) for fields in header["segments"])
            """The recipe: segments of fields, see `text.product_text`."""
            self.policy = Policy.of_header(header["threshold"])
            """The bars that training certified."""
            self._calibration = Calibration.of_header(header["calibration"])
            self.taxonomy = Taxonomy.from_json(artifact.records["taxonomy"])
            self.tree = Tree(self.taxonomy, self.codes)
            """Where a product can be filed: the classes, and what lies above them."""
            self._forms = forms(header)
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        self._prove_a_form(golden)

    @classmethod
    def load(cls, path: str | Path, *, expected_sha256: str | None = None) -> Self:
        """Read, verify and prove the artifact at `path`.

        `expected_sha256`: refuse any other file. Raises ArtifactMissing, ArtifactInvalid or ArtifactTooNew.
        """
        artifact = artifacts.read(Path(path))
        if expected_sha256 is not None and artifact.sha256 != expected_sha256.lower():
            raise ArtifactInvalid(f"{path} has SHA-256 {artifact.sha256}, expected {expected_sha256}")
        return cls(artifact)

    @property
    def threshold(self) -> float | None:
        """Lowest confidence at which the target precision is certified; None: nowhere."""
        return self.policy.threshold

    @property
    def fields(self) -> tuple[str, ...]:
        """The product fields that the model reads, each once, in the order of the recipe."""
        return tuple(dict.fromkeys(field for fields in self.segments for field in fields))

    def path(self, code: str) -> str:
        """The path of a class or of what lies above one, as it was trained on. Raises KeyError."""
        return self.taxonomy.path(code)

    def text(self, item: str | Mapping[str, object]) -> str:
        """What the model reads of an item: a string as it is (cleaned), a product by the recipe."""
        return clean(item) if isinstance(item, str) else product_text(item, self.segments)

    def predict(self, texts: Sequence[str | Mapping[str, object]], top_k: int = 3) -> list[list[Prediction]]:
        """The best `top_k` classes of each text, by falling confidence.

        One list a text, each `{"category_code": str, "confidence": 0.0 … 1.0}`; `top_k` is capped at the
        number of classes. A text without anything that the model knows gets `[]`. Raises ValueError for a
        `top_k` under 1 and TypeError for a bare string.
        """
        if isinstance(texts, str):
            raise TypeError("predict takes a list of texts; for one text: predict([text])")
        return [answer for ranked in self._ranked(texts, top_k) for answer in self.predictions(ranked)]

    def predictions(self, ranked: Ranked) -> list[list[Prediction]]:
        """Ranked texts in the shape of `predict`."""
        codes = self.codes
        return [
            [
                {"category_code": codes[place], "confidence": confidence}
                for place, confidence in zip(places, confidences, strict=True)
            ]
            if read
            else []
            for places, confidences, read in zip(
                ranked.classes.tolist(), ranked.confidences.tolist(), ranked.read.tolist(), strict=True
            )
        ]

    def predict_arrays(self, texts: Sequence[str | Mapping[str, object]], top_k: int = 3) -> Ranked:
        """`predict` as arrays, for whole catalogues. Raises as `predict`."""
        return Ranked.joined([*self._ranked(texts, top_k)] or [self._none(top_k)])

    def assess(
        self, texts: Sequence[str | Mapping[str, object]], policy: Policy | None = None, top_k: int = 3
    ) -> tuple[Ranked, Decisions]:
        """The candidates of each text as `predict_arrays` gives them, and what to do with it.

        `policy`: in place of the one that training certified. Raises as `predict`.
        """
        policy = policy or self.policy
        ranked = Ranked.joined([*self._ranked(texts, top_k, policy)] or [self._none(top_k, policy)])
        return ranked, decide(ranked, policy, self.tree)

    def class_scores(self, texts: Sequence[str | Mapping[str, object]]) -> NDArray[np.float32]:
        """The engine's own scores, before any calibration, shape (texts, classes): what places texts beside
        each other for this model. Memory: that array."""
        return self._engine.scores([self.text(item) for item in texts])[0]

    def embed(self, texts: Sequence[str | Mapping[str, object]]) -> NDArray[np.float32] | None:
        """The encoder's own vectors, shape (texts, width), see `EncoderModel.embed`; None without any (the
        linear family, and artifacts from before). Memory: that array."""
        return self._engine.embed([self.text(item) for item in texts])

    def explain(
        self, item: str | Mapping[str, object], codes: Sequence[str], *, limit: int = 6
    ) -> list[list[tuple[str, float]]]:
        """For each of `codes` the words that spoke for it, (word, weight above 0), the strongest first.

        At most `limit` words each; empty for a code that is no class of this model. For the linear family the
        weights are what each word adds to the class's score, for a transformer what its log-probability loses
        without it (one run of the model a word).
        """
        places = {code: place for place, code in enumerate(self.codes)}
        known = [code for code in codes if code in places]
        found = self._engine.word_weights(self.text(item), [places[code] for code in known]) if known else []
        columns = {code: column for column, code in enumerate(known)}
        answer = []
        for code in codes:
            column = columns.get(code)
            spoke = [] if column is None else [(word, float(weights[column])) for word, weights in found]
            spoke = sorted((pair for pair in spoke if pair[1] > 0), key=lambda pair: -pair[1])
            answer.append(spoke[:limit])
        return answer

    def _none(self, top_k: int, policy: Policy | None = None) -> Ranked:
        return self._rank([], min(top_k, len(self.codes)), policy)

    def _ranked(
        self, items: Sequence[str | Mapping[str, object]], top_k: int, policy: Policy | None = None
    ) -> Iterator[Ranked]:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; at least 1")
        # A batch's scores are bounded in bytes, so that ten thousand classes need no more than ten.
        step = max(16, min(BATCH, 2**22 // len(self.codes)))
        for start in range(0, len(items), step):
            texts = [self.text(item) for item in items[start : start + step]]
            yield self._rank(texts, min(top_k, len(self.codes)), policy)

    def _rank(self, texts: list[str], k: int, policy: Policy | None) -> Ranked:
        scores, read = self._engine.scores(texts)
        if policy is None:
            return rank(scores, read, self._calibration, k=k)
        bars = asked_above(policy, self.tree)
        return rank(scores, read, self._calibration, k=k, tree=self.tree, bars=bars)

    def _build(self, form: str) -> Engine:
        """The model in one form. Raises ArtifactInvalid when it cannot be built, here or anywhere."""
        try:
            engine = load_engine(self.header, self.artifact.records, form=form)
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        unknown = {field for fields in self.segments for field in fields} - set(TEXT_FIELDS)
        if unknown or len(self.codes) != engine.classes or not len(self.segments):
            raise ArtifactInvalid(
                f"{self.artifact.path} is intact, but its recipe {self.segments} and its {len(self.codes)} "
                f"classes do not fit its model; {_AGAIN}"
            )
        return engine

    def _unreadable(self, error: Exception) -> ArtifactInvalid:
        return ArtifactInvalid(
            f"{self.artifact.path} is intact, but its header or its model is not one that this version reads "
            f"({type(error).__name__}: {error}); {_AGAIN}"
        )

    def _prove_a_form(self, golden: Mapping[str, Any]) -> None:
        """Serve in the first form that answers the golden texts as it did where it was exported."""
        refused: list[str] = []
        for form in self._forms:
            try:
                self._engine = self._build(form)
                self._prove(golden, form)
            except ArtifactInvalid as error:
                refused.append(str(error))
                continue
            self.form = form
            """In which form the engine answers: int8, fp32; `whole` where there is but one."""
            self.refused_forms: tuple[str, ...] = self._forms[: len(refused)]
            """Forms that cannot be built, or do not prove themselves, on this machine."""
            return
        raise ArtifactInvalid(refused[0])

    def _prove(self, golden: Mapping[str, Any], form: str) -> None:
        """Score the golden texts again; refuse a model that answers otherwise than where it was made."""
        try:
            texts, expected = golden["texts"], golden["predictions"][form]
            answers = [(self.predict([text], top_k=3) or [[]])[0] for text in texts]
            differing = [
                text
                for text, answer, wanted in zip(texts, answers, expected, strict=True)
                if not _alike(answer, wanted)
            ]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ArtifactInvalid(
                f"{self.artifact.path}: its golden texts cannot be scored ({error}); {_AGAIN}"
            ) from error
        if differing or not texts:
            raise ArtifactInvalid(
                f"{self.artifact.path} answers {len(differing)} of its {len(texts)} golden texts otherwise "
                f"here than where it was exported, {differing[:1]!r} for one; {_AGAIN}"
            )


def _alike(answer: Sequence[Prediction], expected: Sequence[Sequence[Any]]) -> bool:
    """Whether the confidences agree rank by rank, and the best class does where it leads clearly."""
    if len(answer) != len(expected):
        return False
    if not answer:
        return True
    close = all(
        abs(found["confidence"] - float(confidence)) <= GOLDEN_TOLERANCE
        for found, (_, confidence) in zip(answer, expected, strict=True)
    )
    tied = len(expected) > 1 and float(expected[0][1]) - float(expected[1][1]) <= GOLDEN_TOLERANCE
    return close and (tied or answer[0]["category_code"] == expected[0][0])
