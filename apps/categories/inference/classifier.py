"""`ProductionClassifier`: an artifact loaded, proven and ready to answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import artifact as artifacts
from .decision import Prediction
from .engines import Engine, forms, load_engine
from .errors import ArtifactInvalid
from .taxonomy import Taxonomy
from .text import TEXT_FIELDS, clean, product_text

BATCH = 2048
"""Texts scored at a time: the memory of a call is bounded by this times the number of classes."""
GOLDEN_TOLERANCE = 2e-3
"""Largest difference of a golden confidence between the machine that exported and this one."""

_AGAIN = "train and export it again"


@dataclass(frozen=True, kw_only=True)
class TopK:
    """The best classes of some texts, as arrays."""

    classes: NDArray[np.int64]
    """Shape (texts, k): indices into `ProductionClassifier.codes`, by falling confidence."""
    confidences: NDArray[np.float32]
    """Shape (texts, k): calibrated, 0 to 1."""
    read: NDArray[np.bool_]
    """Shape (texts,): False where the text held nothing that the model knows."""


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
            threshold = header["threshold"]["value"]
            self.threshold: float | None = None if threshold is None else float(threshold)
            """Lowest confidence at which the target precision is certified; None: nowhere."""
            self._scale = np.float32(header["calibration"]["scale"])
            self.taxonomy = Taxonomy.from_json(artifact.records["taxonomy"])
            self._paths = [self.taxonomy.path(code) for code in self.codes]
            self._forms = forms(header)
            self._engine = self._build(self._forms[0])
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ArtifactInvalid(
                f"{artifact.path} is intact, but its header is not one that this version reads "
                f"({type(error).__name__}: {error}); {_AGAIN}"
            ) from error
        unknown = {field for fields in self.segments for field in fields} - set(TEXT_FIELDS)
        if unknown or len(self.codes) != self._engine.classes or not len(self.segments):
            raise ArtifactInvalid(
                f"{artifact.path} is intact, but its recipe {self.segments} and its {len(self.codes)} "
                f"classes do not fit its model; {_AGAIN}"
            )
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
        codes = self.codes
        answers: list[list[Prediction]] = []
        for top in self._top(texts, top_k):
            classes, confidences = top.classes.tolist(), top.confidences.tolist()
            for index, read in enumerate(top.read.tolist()):
                if read:
                    answers.append(
                        [
                            {"category_code": codes[place], "confidence": confidence}
                            for place, confidence in zip(classes[index], confidences[index], strict=True)
                        ]
                    )
                else:
                    answers.append([])
        return answers

    def predict_arrays(self, texts: Sequence[str | Mapping[str, object]], top_k: int = 3) -> TopK:
        """`predict` as arrays, for whole catalogues. Raises as `predict`."""
        parts = list(self._top(texts, top_k))
        if not parts:
            k = min(top_k, len(self.codes))
            return TopK(
                classes=np.zeros((0, k), np.int64),
                confidences=np.zeros((0, k), np.float32),
                read=np.zeros(0, bool),
            )
        return TopK(
            classes=np.concatenate([part.classes for part in parts]),
            confidences=np.concatenate([part.confidences for part in parts]),
            read=np.concatenate([part.read for part in parts]),
        )

    def _top(self, items: Sequence[str | Mapping[str, object]], top_k: int) -> Iterator[TopK]:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; at least 1")
        k = min(top_k, len(self.codes))
        # A batch's scores are bounded in bytes, so that ten thousand classes need no more than ten.
        step = max(16, min(BATCH, 2**22 // len(self.codes)))
        for start in range(0, len(items), step):
            texts = [self.text(item) for item in items[start : start + step]]
            scores, read = self._engine.scores(texts)
            yield top_classes(scores, read, scale=float(self._scale), k=k)

    def _build(self, form: str) -> Engine:
        return load_engine(self.header, self.artifact.records, form=form)

    def _prove_a_form(self, golden: Mapping[str, Any]) -> None:
        """Serve in the first form that answers the golden texts as it did where it was exported."""
        refused: list[str] = []
        for form in self._forms:
            try:
                if refused:
                    self._engine = self._build(form)
                self._prove(golden, form)
            except (ArtifactInvalid, ValueError) as error:
                refused.append(str(error))
                continue
            self.form = form
            """In which form the engine answers: int8, fp32; `whole` where there is but one."""
            self.refused_forms: tuple[str, ...] = self._forms[: len(refused)]
            """Forms that do not prove themselves on this machine."""
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


def top_classes(scores: NDArray[np.float32], read: NDArray[np.bool_], *, scale: float, k: int) -> TopK:
    """The `k` best classes by softmax(scale × score), a row each; `scores` is overwritten.

    The softmax's denominator is over all classes, so the confidences of a row sum to at most 1.
    """
    scores *= np.float32(scale)
    rows = np.arange(len(scores))
    classes = np.empty((len(scores), k), np.int64)
    best = np.empty((len(scores), k), np.float32)
    if k <= 8:
        # k passes over contiguous rows are cheaper than a partial sort.
        for place in range(k):
            classes[:, place] = scores.argmax(axis=1)
            best[:, place] = scores[rows, classes[:, place]]
            scores[rows, classes[:, place]] = -np.inf
        scores[rows[:, None], classes] = best
    else:
        classes[:] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best[:] = np.take_along_axis(scores, classes, axis=1)
    highest = best[:, :1].copy()
    np.subtract(scores, highest, out=scores)
    np.exp(scores, out=scores)
    confidences = np.exp(best - highest) / scores.sum(axis=1, keepdims=True)
    return TopK(classes=classes, confidences=confidences, read=read)


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
