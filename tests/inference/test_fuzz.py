"""Damage at random, with fixed seeds: what is not refused in plain words must not matter."""

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import ArtifactInvalid, ClassifierError, InputFileError
from apps.categories.inference.files import ProductRow, RejectedRow, read_rows
from apps.categories.inference.taxonomy import Taxonomy

FLIPS = 10_000
FLIPS_IN_THE_DIRECTORY = 3_000
DIRECTORY_BYTES = 6_000
TEXTS = ["cordless drill compact", "silk shawl black", "assorted item", "bombilla led"]


def payload(data: bytes) -> dict[str, bytes]:
    return {name: bytes(view) for name, view in artifact.unseal(data).items()}


def refused_or_identical(data: bytes, expected: Mapping[str, bytes]) -> bool:
    """Whether it is refused; if not, it must be the very payload."""
    try:
        found = payload(data)
    except ClassifierError:
        return True
    assert found == expected
    return False


def test_random_single_bit_flips_of_a_real_artifact_change_no_prediction(tiny_artifact: Path) -> None:
    good = tiny_artifact.read_bytes()
    expected = payload(good)
    chance = random.Random(20)
    places = [chance.randrange(len(good)) for _ in range(FLIPS)]
    places += [len(good) - 1 - chance.randrange(DIRECTORY_BYTES) for _ in range(FLIPS_IN_THE_DIRECTORY)]
    data = bytearray(good)
    refused = 0
    for place in places:
        bit = 1 << chance.randrange(8)
        data[place] ^= bit
        refused += refused_or_identical(bytes(data), expected)
        data[place] ^= bit
    # What is not refused lies in padding and in zip fields that nobody reads.
    assert refused > 0.9 * len(places)


def test_every_truncation_of_a_real_artifact_is_refused(tiny_artifact: Path, tmp_path: Path) -> None:
    good = tiny_artifact.read_bytes()
    assert len(good) <= 1024**2
    for length in range(0, len(good), 64):
        with pytest.raises(ArtifactInvalid):
            artifact.unseal(good[:length])
    path = tmp_path / "classifier.pt"
    for length in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(ArtifactInvalid, match="train_classifier"):
            ProductionClassifier.load(path)


def test_flips_seen_through_the_whole_loader(tiny_artifact: Path, tmp_path: Path) -> None:
    good = tiny_artifact.read_bytes()
    expected = ProductionClassifier.load(tiny_artifact).predict(TEXTS)
    chance = random.Random(21)
    path = tmp_path / "classifier.pt"
    for _ in range(150):
        data = bytearray(good)
        data[len(good) - 1 - chance.randrange(DIRECTORY_BYTES)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            found = ProductionClassifier.load(path)
        except ClassifierError:
            continue
        assert found.predict(TEXTS) == expected


def test_bursts_swaps_and_repeats_are_refused_or_identical(tiny_artifact: Path) -> None:
    good = tiny_artifact.read_bytes()
    expected = payload(good)
    chance = random.Random(22)
    for _ in range(1_000):
        begin = chance.randrange(len(good))
        end = min(len(good), begin + chance.choice((1, 4, 64, 4096)))
        burst = chance.choice((bytes(end - begin), chance.randbytes(end - begin), good[begin:end] * 2, b""))
        refused_or_identical(good[:begin] + burst + good[end:], expected)


def resealed(good: bytes, record: str, content: bytes) -> bytes:
    """The artifact with another record and an index that is right: damage before sealing, or a bad writer."""
    source = zipfile.ZipFile(io.BytesIO(good))
    index = json.loads(source.read(artifact.INDEX_ENTRY)[64:])
    entry = index["records"][record]
    index["entries"][entry] = [len(content), hashlib.sha256(content).hexdigest()]
    body = json.dumps(index).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            changed = {entry: content, artifact.INDEX_ENTRY: hashlib.sha256(body).hexdigest().encode() + body}
            target.writestr(name, changed.get(name, source.read(name)))
    return buffer.getvalue()


def test_records_that_were_damaged_before_sealing_are_refused_in_plain_words_or_answer(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    good = tiny_artifact.read_bytes()
    records = payload(good)
    chance = random.Random(23)
    path = tmp_path / "classifier.pt"
    refused = 0
    for name, content in records.items():
        for _ in range(12):
            damaged = bytearray(content)
            if chance.random() < 0.3 or not damaged:
                damaged = damaged[: chance.randrange(len(damaged) + 1)]
            else:
                for _ in range(chance.choice((1, 8))):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            path.write_bytes(resealed(good, name, bytes(damaged)))
            try:
                ProductionClassifier.load(path).predict([*TEXTS, *map(str, range(5))])
            except ClassifierError:
                refused += 1
    assert refused > 2 * len(records)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet", ".parquet.gz", ""])
def test_files_of_noise_are_refused_in_plain_words_or_read(tmp_path: Path, suffix: str) -> None:
    chance = random.Random(24)
    path = tmp_path / f"noise{suffix}"
    heads = (
        b"",
        b"title\n",
        b"title,sku\n",
        b'{"title": "a"}\n',
        b"PAR1",
        b"\x1f\x8b\x08\x00",
        b"\xff\xfe",
        b"PK\x03\x04",
    )
    alphabet = b'",;\n\r\t\0{}[]:\\ab\xc3\xa9\xff'
    for _ in range(300):
        noise = bytes(chance.choice(alphabet) for _ in range(chance.randrange(80)))
        path.write_bytes(chance.choice(heads) + noise)
        try:
            found = list(read_rows(path))
        except InputFileError:
            continue
        assert all(isinstance(row, (ProductRow, RejectedRow)) for row in found)


def test_a_taxonomy_of_noise_is_refused_in_plain_words_or_whole() -> None:
    chance = random.Random(25)
    good = Taxonomy.covering({"CAT_A_B": "A > B", "CAT_Ñ": "Ñ > Ó"}).to_json()
    for _ in range(2_000):
        data = bytearray(good)
        data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = Taxonomy.from_json(bytes(data))
        except ArtifactInvalid:
            continue
        assert all(found.code(found.path(code)) == code for code in found.codes)
