"""Answer with the model in this folder, without the project that made it.

    python predict.py "cordless drill 18v" "silk shawl"

It needs numpy, tokenizers and what the folder's format needs: onnxruntime, or torch, or torch and
transformers. Take it as it is, or as the recipe for your own server: `text` makes a product's text, the
tokenizer its tokens, the model its logits, and `confidences` the calibrated confidences.
"""

import argparse
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Run = Callable[[Integers, Integers], Any]
"""Token ids and mask, both (texts, tokens), to logits (texts, classes)."""

BATCH = 32


class Model:
    """The model of a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError where a file of the folder is not there."""
        from tokenizers import Tokenizer

        self.told: dict[str, Any] = json.loads((folder / "labels.json").read_text("utf-8"))
        """labels.json: the classes in the order of the logits, and everything else that is known."""
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.told["tokens"]["max_length"])
        self._tokenizer.no_padding()
        self._run = RUNNERS[self.told["format"]](folder)

    def text(self, item: str | Mapping[str, object]) -> str:
        """What the model reads of a product, or of a text as it is."""
        told = self.told["text"]

        def clean(value: object) -> str:
            line = "" if value is None else str(value)[: told["max_characters"]]
            line = unicodedata.normalize(told["normal_form"], line)[: told["max_characters"]]
            return " ".join(re.sub(told["blanked"], " ", line).split())

        if isinstance(item, str):
            return clean(item)
        lines = []
        for fields in told["segments"]:
            parts = [clean(item.get(field)) for field in fields]
            lines.append(told["between_fields"].join(part for part in parts if part))
        return str(told["between_segments"].join(lines).rstrip(told["between_segments"]))

    def scores(self, items: Sequence[str | Mapping[str, object]]) -> tuple[Floats, NDArray[np.bool_]]:
        """Logits (texts, classes), and which texts hold a token that the model knows (texts,)."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch([*map(self.text, items)])]
        # Texts of like length together: padding costs as much as words.
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        found = np.empty((len(tokens), len(self.told["classes"])), np.float32)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            longest = max(len(tokens[place]) for place in places)
            ids = np.full((len(places), longest), self.told["tokens"]["pad_id"], np.int64)
            mask = np.zeros((len(places), longest), np.int64)
            for row, place in enumerate(places):
                ids[row, : len(tokens[place])] = tokens[place]
                mask[row, : len(tokens[place])] = 1
            found[places] = self._run(ids, mask)
        without_meaning = frozenset(self.told["tokens"]["special_ids"])
        return found, np.array([not without_meaning.issuperset(ids) for ids in tokens], np.bool_)

    def predict(
        self, items: Sequence[str | Mapping[str, object]], top_k: int = 3
    ) -> list[list[dict[str, object]]]:
        """The best classes of each product by falling confidence; none for one without a known token."""
        return [answer for answer, _ in self.answers(items, top_k)]

    def answers(
        self, items: Sequence[str | Mapping[str, object]], top_k: int = 3
    ) -> list[tuple[list[dict[str, object]], bool]]:
        """`predict`, and of each product whether its best class is certified: of those of which it is, the
        share that is asked for (`threshold.target`) is right."""
        scores, read = self.scores(items)
        chances = confidences(scores, self.told["calibration"])
        certified = read & self._certified(scores, chances)
        # Two classes may have the same confidence; the better one has the higher score.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            (
                [
                    {**self.told["classes"][place], "confidence": float(chances[row, place])}
                    for place in best[row]
                ]
                if read[row]
                else [],
                bool(certified[row]),
            )
            for row in range(len(scores))
        ]

    def _certified(self, scores: Floats, chances: Floats) -> NDArray[np.bool_]:
        bars = self.told["threshold"]
        if bars is None:
            return np.zeros(len(scores), np.bool_)
        # A bar of 1 is one that is never reached.
        raised = {code: np.inf if bar >= 1 else bar for code, bar in bars["raised"].items()}
        needed = np.array(
            [max(raised.get(told["category_code"], 0), bars["value"]) for told in self.told["classes"]]
        )
        rows, best = np.arange(len(scores)), scores.argmax(axis=1)
        second = np.partition(scores, -2, axis=1)[:, -2]
        # As likely as half the best one, before the map: too close to tell them apart.
        torn = np.exp((second - scores[rows, best]) * self.told["calibration"]["scale"]) >= 0.5
        familiar = scores[rows, best] >= (-np.inf if bars["familiar"] is None else bars["familiar"])
        return np.asarray((chances[rows, best] >= needed[best]) & ~torn & familiar)


def confidences(scores: Floats, calibration: Mapping[str, Any]) -> Floats:
    """Logits (texts, classes ≥ 2) to calibrated confidences, same shape, 0 to 1."""
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) * calibration["scale"])
    shares = powers / powers.sum(axis=1, keepdims=True)
    leaf = calibration["leaf"]
    if leaf is None:
        return np.asarray(shares, np.float32)
    # A logistic map moves the best class; the others divide what it leaves as before, none above it.
    rows, order = np.arange(len(scores)), np.argsort(-scores, axis=1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    share, runner = shares[rows, first], shares[rows, second]
    held = np.clip(share, 1e-5, 1 - 1e-5)
    best = scores[rows, first]
    terms = np.column_stack([np.log(held), -np.log1p(-held), best, best - scores[rows, second]])
    terms = np.clip(terms, leaf["low"], leaf["high"])
    value = np.clip(leaf["intercept"] + terms @ np.asarray(leaf["weights"]), -30, 30)
    chance = 1 / (1 + np.exp(-value))
    # Where a second class stays likely, the first gets no more than its part of the two.
    chance = np.where(runner >= 0.5 * share, np.minimum(chance, share / (share + runner)), chance)
    shares[rows, first] = 0
    rest = np.maximum(shares.sum(axis=1), np.finfo(np.float32).tiny)
    moved = np.minimum(shares * ((1 - chance) / rest)[:, None], chance[:, None])
    moved[rows, first] = chance
    return np.asarray(moved, np.float32)


def run_onnx(folder: Path) -> Run:
    """By ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]


def run_torchscript(folder: Path) -> Run:
    """By torch alone, on the CPU."""
    import torch

    model = torch.jit.load(folder / "model.pt", map_location="cpu")

    @torch.no_grad()
    def run(ids: Integers, mask: Integers) -> Any:
        return model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()

    return run


def run_torch(folder: Path) -> Run:
    """By torch and transformers: the mean of the encoder's token vectors under one linear layer."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModel

    if (folder / "model.int8.safetensors").exists():
        encoder = AutoModel.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
        model = torch.nn.ModuleDict({"encoder": encoder, "head": torch.nn.Identity()})
        fill_int8(model, load_file(folder / "model.int8.safetensors"))
    else:
        encoder = AutoModel.from_pretrained(folder, dtype=torch.float32)
        weights = load_file(folder / "head.safetensors")
        classes, width = weights["weight"].shape
        head = torch.nn.Linear(width, classes)
        head.load_state_dict(weights)
        model = torch.nn.ModuleDict({"encoder": encoder, "head": head})
    model.eval()

    @torch.no_grad()
    def run(ids: Integers, mask: Integers) -> Any:
        tokens, real = torch.from_numpy(ids), torch.from_numpy(mask)
        vectors = model["encoder"](input_ids=tokens, attention_mask=real)[0]
        share = real.unsqueeze(-1).to(vectors.dtype)
        return model["head"]((vectors * share).sum(1) / share.sum(1).clamp(min=1)).numpy()

    return run


def fill_int8(model: Any, tensors: Mapping[str, Any]) -> None:
    """Give the model its weights: linear layers with a `weight_scale` (one a row) compute in 8 bits."""
    import torch
    from torch.ao.nn.quantized import dynamic

    layers = [name.removesuffix(".weight_scale") for name in tensors if name.endswith(".weight_scale")]
    within = tuple(f"{name}." for name in layers)
    whole = {name: tensor for name, tensor in tensors.items() if not name.startswith(within)}
    # Not strict: the linear layers get theirs below.
    model.load_state_dict(whole, strict=False)
    for name in layers:
        ints, scales = tensors[f"{name}.weight"], tensors[f"{name}.weight_scale"]
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        weight = torch._make_per_channel_quantized_tensor(ints, scales, zeros, 0)
        layer = dynamic.Linear(ints.shape[1], ints.shape[0])
        layer.set_weight_bias(weight, tensors.get(f"{name}.bias"))
        model.set_submodule(name, layer)


RUNNERS = {"onnx": run_onnx, "torchscript": run_torchscript, "torch": run_torch}


def main() -> None:
    """One line of JSON a title."""
    parser = argparse.ArgumentParser(description="The best categories of each title.")
    parser.add_argument("titles", nargs="+", metavar="TITLE")
    parser.add_argument("--top-k", type=int, default=3, metavar="N", help="candidates a title (default: 3)")
    given = parser.parse_args()
    found = Model(Path(__file__).parent).answers(given.titles, given.top_k)
    for title, (answer, certified) in zip(given.titles, found, strict=True):
        line = {"title": title, "predictions": answer, "certified": certified}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
