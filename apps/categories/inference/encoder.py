"""A transformer encoder as the server runs it: a tokenizer and an ONNX model, on ONNX Runtime."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .explain import leave_one_out

BATCH_TOKENS = 1024
"""Tokens, padding included, in one run of the model: about what keeps its activations in the cache."""
BATCH_TEXTS = 64
WEIGHTS_FILE = "weights"
"""What the ONNX graph calls the file of its weights."""
LOGITS = "logits"
EMBEDDING = "text_embedding"
"""The graph's outputs; only what is asked for is made. Artifacts from before the second lack it.
The exporter calls a step within `embedding`."""


class EncoderModel:
    """Scores texts with one form of the model. Threads may share one: nothing changes after it is built."""

    def __init__(self, header: Mapping[str, Any], records: Mapping[str, memoryview], *, form: str) -> None:
        """`form`: int8 or fp32. Raises KeyError, TypeError or ValueError when it does not make a model.

        One thread a processor, or OMP_NUM_THREADS of them.
        """
        from tokenizers import Tokenizer

        told = header["encoder"]
        self.classes = int(told["classes"])
        self.form = form
        self._max_length = int(told["max_length"])
        self._pad = int(told["pad_id"])
        self._without_meaning = frozenset(int(token) for token in told["special_ids"])
        try:
            tokenizer = Tokenizer.from_str(bytes(records["tokenizer"]).decode())
        except Exception as error:  # tokenizers raises Exception itself, no class of its own
            raise ValueError(f"its tokenizer cannot be read: {error}") from error
        # Once and for all: changed per call, threads would see each other's lengths.
        tokenizer.enable_truncation(self._max_length)
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._session = _session(records[f"onnx_{form}"], records.get(f"weights_{form}"))

    def scores(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Logits of clean product texts, shape (texts, classes), and which texts hold a known token.

        Runs batches of like length. The last bits of a score depend on the batch's padding (about 1e-6).
        """
        ids = self._tokenise(texts)
        scores = self._each(ids, LOGITS, self.classes)
        read = np.array([not self._without_meaning.issuperset(tokens) for tokens in ids], np.bool_)
        return scores, read

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """The encoder's own vector of clean product texts, shape (texts, width): the mean over the tokens.

        None when the artifact is from before its graph gave that.
        """
        widths = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        if EMBEDDING not in widths:
            return None
        return self._each(self._tokenise(texts), EMBEDDING, widths[EMBEDDING])

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, NDArray[np.float32]]]:
        """What the log-probabilities of these classes lose without each word, see `leave_one_out`."""
        return leave_one_out(self.scores, text, classes)

    def _each(self, ids: Sequence[Sequence[int]], output: str, width: int) -> NDArray[np.float32]:
        """One output of the graph for each text, shape (texts, width)."""
        found = np.empty((len(ids), width), np.float32)
        for places in batches([len(tokens) for tokens in ids]):
            found[places] = self._run([ids[place] for place in places], output)
        return found

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def _run(self, batch: Sequence[Sequence[int]], output: str) -> NDArray[np.float32]:
        longest = max(map(len, batch))
        ids = np.full((len(batch), longest), self._pad, np.int64)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        try:
            (found,) = self._session.run([output], {"input_ids": ids, "attention_mask": mask})
        except _not_taken() as error:
            raise ValueError(f"ONNX Runtime does not run the model: {error}") from error
        return np.asarray(found, np.float32)


def batches(lengths: Sequence[int]) -> list[NDArray[np.int64]]:
    """Places of texts to run together, the longest first: at most BATCH_TEXTS, and BATCH_TOKENS with
    padding."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    found, start = [], 0
    while start < len(order):
        longest = max(1, lengths[order[start]])
        stop = start + max(1, min(BATCH_TEXTS, BATCH_TOKENS // longest))
        found.append(order[start:stop])
        start = stop
    return found


def threads(asked: str) -> int:
    """The number in OMP_NUM_THREADS, the first of its list; 0 (one a processor) for none."""
    first = asked.partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def _not_taken() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises about a model: they have no base in common but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )


def _session(graph: memoryview, weights: memoryview | None) -> Any:
    """The graph with its weights, which ONNX Runtime maps from a file.

    From bytes it would hold them twice (measured: 682 MB for DistilBERT instead of 231). The files were
    verified, are seen by this user alone and are gone before this returns; what is mapped stays.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads(os.environ.get("OMP_NUM_THREADS", ""))
    options.inter_op_num_threads = 1
    # Waiting threads sleep: a web worker has neighbours.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    folder = Path(tempfile.mkdtemp(prefix="bunoraa-"))
    try:
        path = folder / "model.onnx"
        path.write_bytes(graph)
        if weights is not None:
            (folder / WEIGHTS_FILE).write_bytes(weights)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except _not_taken() as error:
        raise ValueError(f"ONNX Runtime does not take the model: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
