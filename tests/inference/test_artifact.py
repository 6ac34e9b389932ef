import hashlib
import io
import json
import os
import pickle
import random
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.categories.inference import artifact
from apps.categories.inference.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    ArtifactTooNew,
    ClassifierError,
    PublishRefused,
)

torch = pytest.importorskip(
    "torch", reason="NOT TESTED: install requirements-ml.txt to test the artifact against torch"
)

RECORDS: Mapping[str, bytes] = {
    "header.json": b'{"version": "test-1"}',
    "weights": random.Random(1).randbytes(3000),
    "taxonomy.json": '{"paths": {"CAT_A": "Ñ"}}'.encode(),
}


def torch_archive(records: Mapping[str, bytes] = RECORDS) -> bytes:
    buffer = io.BytesIO()
    tensors = {
        name: torch.frombuffer(bytearray(content), dtype=torch.uint8) for name, content in records.items()
    }
    torch.save(tensors, buffer)
    return buffer.getvalue()


def sealed(records: Mapping[str, bytes] = RECORDS) -> bytes:
    entries = {name: f"archive/data/{number}" for number, name in enumerate(records)}
    return artifact.seal(torch_archive(records), entries)


GOOD = sealed()


def resealed(change: "dict[str, object]") -> bytes:
    """GOOD with a changed index whose digest is right: what a newer writer, or an attacker, can make."""
    source = zipfile.ZipFile(io.BytesIO(GOOD))
    index = json.loads(source.read(artifact.INDEX_ENTRY)[64:]) | change
    body = json.dumps(index).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for info in source.infolist():
            if info.filename == artifact.INDEX_ENTRY:
                target.writestr(info.filename, hashlib.sha256(body).hexdigest().encode() + body)
            else:
                target.writestr(info, source.read(info))
    return buffer.getvalue()


def index_of(data: bytes) -> dict[str, object]:
    index: dict[str, object] = json.loads(zipfile.ZipFile(io.BytesIO(data)).read(artifact.INDEX_ENTRY)[64:])
    return index


def test_read_gives_the_records_the_digest_and_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    path.write_bytes(GOOD)
    found = artifact.read(path)
    assert {name: bytes(view) for name, view in found.records.items()} == RECORDS
    assert list(found.records) == list(RECORDS)
    assert found.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert found.size == len(GOOD)
    assert found.identity == artifact.identity(path)
    assert found.path == path
    assert all(view.readonly for view in found.records.values())


@pytest.mark.parametrize("mapped", [False, True])
def test_torch_and_the_torch_free_reader_give_equal_bytes(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "classifier.pt"
    path.write_bytes(GOOD)
    tensors = torch.load(path, weights_only=True, mmap=mapped)
    assert {name: tensor.numpy().tobytes() for name, tensor in tensors.items()} == RECORDS


def test_the_index_covers_every_entry_of_the_archive() -> None:
    names = zipfile.ZipFile(io.BytesIO(torch_archive())).namelist()
    listed = index_of(GOOD)["entries"]
    assert isinstance(listed, dict)
    assert sorted(listed) == sorted(names)
    assert "archive/data.pkl" in listed


def test_sealing_is_deterministic_and_does_not_move_the_tensors() -> None:
    assert sealed() == GOOD
    before, after = zipfile.ZipFile(io.BytesIO(torch_archive())), zipfile.ZipFile(io.BytesIO(GOOD))
    for info in before.infolist():
        assert after.getinfo(info.filename).header_offset == info.header_offset


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(ArtifactInvalid):
            artifact.unseal(GOOD[:length])


def test_every_single_bit_flip_is_refused_or_leaves_the_payload_identical() -> None:
    # One bit of every byte, another one per byte; the fuzz test over a real artifact flips at random.
    refused = 0
    data = bytearray(GOOD)
    for position in range(len(data)):
        bit = 1 << (position * 5 % 8)
        data[position] ^= bit
        try:
            records = artifact.unseal(bytes(data))
        except ClassifierError:
            refused += 1
        else:
            assert {name: bytes(view) for name, view in records.items()} == RECORDS
        data[position] ^= bit
    assert refused > sum(map(len, RECORDS.values()))


@pytest.mark.parametrize(
    "entry", ["archive/data.pkl", "archive/data/1", "archive/version", artifact.INDEX_ENTRY]
)
def test_a_changed_entry_is_refused_although_its_checksum_is_right(entry: str) -> None:
    source = zipfile.ZipFile(io.BytesIO(GOOD))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for info in source.infolist():
            content = bytearray(source.read(info))
            if info.filename == entry:
                content[-1] ^= 1
            target.writestr(info, bytes(content))
    with pytest.raises(ArtifactInvalid, match="not what was sealed"):
        artifact.unseal(buffer.getvalue())


def test_an_added_a_removed_and_a_doubled_entry_are_refused() -> None:
    added = io.BytesIO(GOOD)
    with zipfile.ZipFile(added, "a") as archive:
        archive.writestr("archive/extra", b"x")
    with pytest.raises(ArtifactInvalid, match="not those of its index"):
        artifact.unseal(added.getvalue())

    doubled = io.BytesIO(GOOD)
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", b"x")
    with pytest.raises(ArtifactInvalid, match="there twice"):
        artifact.unseal(doubled.getvalue())

    removed = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(GOOD))
    with zipfile.ZipFile(removed, "w") as archive:
        for info in source.infolist():
            if info.filename != "archive/version":
                archive.writestr(info, source.read(info))
    with pytest.raises(ArtifactInvalid, match="not those of its index"):
        artifact.unseal(removed.getvalue())


def test_a_compressed_entry_is_refused_so_nothing_is_ever_unpacked() -> None:
    buffer = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(GOOD))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for info in source.infolist():
            archive.writestr(info.filename, source.read(info))
    with pytest.raises(ArtifactInvalid, match="not stored whole"):
        artifact.unseal(buffer.getvalue())


def test_bytes_before_and_after_the_archive_and_a_comment_are_refused() -> None:
    commented = io.BytesIO(GOOD)
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"hello"
    for data in (b"x" + GOOD, GOOD + b"x", GOOD + GOOD[-22:], commented.getvalue()):
        with pytest.raises(ArtifactInvalid):
            artifact.unseal(data)


def test_a_huge_zip_directory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(12_000):
            archive.writestr(f"{number:050d}", b"")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    with pytest.raises(ArtifactInvalid, match="zip directory is not one"):
        artifact.unseal(buffer.getvalue())


def test_the_64_bit_form_is_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="zip directory is not one"):
        artifact.unseal(torch_archive())


def test_a_torch_file_of_another_kind_is_refused() -> None:
    buffer = io.BytesIO(torch_archive())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/other", b"x")
    with pytest.raises(ArtifactInvalid, match="it has no index"):
        artifact.unseal(buffer.getvalue())


def test_a_later_format_says_so_and_an_unknown_one_is_invalid() -> None:
    with pytest.raises(
        ArtifactTooNew, match=f"format 2, this version reads format {artifact.FORMAT_VERSION}"
    ):
        artifact.unseal(resealed({"format": 2}))
    for unknown in (0, None, "2", [2]):
        with pytest.raises(ArtifactInvalid, match="is unknown"):
            artifact.unseal(resealed({"format": unknown}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"records": {"weights": "archive/nowhere"}}, "lies in an entry that is not there"),
        ({"records": {"weights": ["archive/data/0"]}}, "lies in an entry that is not there"),
        ({"records": {"weights": artifact.INDEX_ENTRY}}, "lies in an entry that is not there"),
        ({"records": None}, "lists no entries or no records"),
        ({"entries": []}, "lists no entries or no records"),
        ({"entries": {}}, "not those of its index"),
    ],
)
def test_a_wrong_index_with_a_right_digest_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ArtifactInvalid, match=words):
        artifact.unseal(resealed(change))


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 200_000])
def test_an_index_that_is_not_a_table_is_refused(body: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(artifact.INDEX_ENTRY, hashlib.sha256(body).hexdigest().encode() + body)
    with pytest.raises(ArtifactInvalid, match="its index is not"):
        artifact.unseal(buffer.getvalue())


class Attack:
    """Unpickled by a loader that runs code, it makes the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.folder),))


LISTEN = """
import sys
events = []
sys.addaudithook(lambda event, arguments: events.append(event) if armed else None)
armed = False
from pathlib import Path
from apps.categories.inference import artifact
from apps.categories.inference.errors import ClassifierError
artifact.read(Path(sys.argv[2]))  # what a good artifact makes Python import is imported now
armed = True
try:
    records = {name: bytes(view) for name, view in artifact.read(Path(sys.argv[1])).records.items()}
except ClassifierError as error:
    records = None
armed = False
risky = [event for event in events if event.startswith(("pickle", "os.mkdir", "exec", "compile", "import"))]
print(risky, records is None, "torch" in sys.modules, "pickle" in sys.modules)
"""


@pytest.mark.parametrize("shape", ["bare", "torch", "sealed"])
def test_a_pickle_executes_nothing(tmp_path: Path, shape: str) -> None:
    made, path = tmp_path / "made", tmp_path / "classifier.pt"
    attack = Attack(made)
    if shape == "bare":
        path.write_bytes(pickle.dumps(attack))
    else:
        buffer = io.BytesIO()
        torch.save({"weights": torch.zeros(8, dtype=torch.uint8), "attack": attack}, buffer)
        data = buffer.getvalue()
        path.write_bytes(artifact.seal(data, {"weights": "archive/data/0"}) if shape == "sealed" else data)
    (tmp_path / "good.pt").write_bytes(GOOD)
    root = Path(__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", LISTEN, str(path), str(tmp_path / "good.pt")],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    # Even sealed by somebody who can seal, the pickle is bytes that nobody interprets.
    assert answer.stdout.split() == ["[]", str(shape != "sealed"), "False", "False"]
    assert not made.exists()


def test_no_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "classifier.pt", Path("/dev/null/classifier.pt"), tmp_path / "a\0b"):
        with pytest.raises(ArtifactMissing, match=r"manage\.py train_classifier"):
            artifact.read(missing)
        with pytest.raises(ArtifactMissing, match="there is no artifact at"):
            artifact.identity(missing)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for other in (tmp_path, pipe):
        with pytest.raises(ArtifactInvalid, match="is not a file"):
            artifact.read(other)


def test_a_file_that_may_not_be_read_is_refused_with_the_systems_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ArtifactInvalid, match="cannot be read: Permission denied"):
        artifact.read(tmp_path / "classifier.pt")


def test_a_file_over_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "classifier.pt"
    path.write_bytes(GOOD)
    assert artifact.read(path, max_bytes=len(GOOD)).size == len(GOOD)
    with pytest.raises(ArtifactInvalid, match=f"at most {len(GOOD) - 1:,} are read"):
        artifact.read(path, max_bytes=len(GOOD) - 1)
    sparse = tmp_path / "sparse.pt"
    with sparse.open("wb") as file:
        file.truncate(artifact.MAX_BYTES + 1)
    with pytest.raises(ArtifactInvalid, match="are read"):
        artifact.read(sparse)


@pytest.mark.parametrize(
    ("data", "entries", "words"),
    [
        (b"no zip", {}, "not a zip file"),
        (GOOD[:200] + GOOD[-600:], {}, "is not an intact artifact"),
        (GOOD, {}, "sealed already"),
        (torch_archive(), {"weights": "archive/data/9"}, "no entry archive/data/9"),
    ],
)
def test_seal_refuses_what_it_cannot_cover(data: bytes, entries: dict[str, str], words: str) -> None:
    with pytest.raises(ArtifactInvalid, match=words):
        artifact.seal(data, entries)


def test_identity_changes_with_every_publication(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    seen = set()
    for number in range(3):
        artifact.publish(sealed({"weights": bytes([number])}), path)
        seen.add(artifact.identity(path))
    assert len(seen) == 3


def test_publish_replaces_and_keeps_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "classifier.pt"
    first = artifact.publish(GOOD, path)
    assert first == artifact.Published(path=path, sha256=hashlib.sha256(GOOD).hexdigest(), previous=None)
    assert path.stat().st_mode & 0o777 == 0o644

    other = sealed({"weights": b"other"})
    second = artifact.publish(other, path)
    assert second.previous == path.parent / "versions" / f"{first.sha256[:12]}.pt"
    assert second.previous.read_bytes() == GOOD
    assert path.read_bytes() == other

    again = artifact.publish(other, path)
    assert again.previous is None
    back = artifact.publish(GOOD, path)
    assert back.previous == path.parent / "versions" / f"{second.sha256[:12]}.pt"
    third = artifact.publish(other, path, keep_in=tmp_path / "elsewhere")
    assert third.previous == tmp_path / "elsewhere" / f"{first.sha256[:12]}.pt"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["classifier.pt", "versions"]


def test_publish_keeps_by_copy_where_the_file_system_cannot_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    path = tmp_path / "classifier.pt"
    artifact.publish(GOOD, path)
    monkeypatch.setattr(os, "link", refuse)
    previous = artifact.publish(sealed({"weights": b"other"}), path).previous
    assert previous is not None
    assert previous.read_bytes() == GOOD
    assert [entry.name for entry in previous.parent.iterdir()] == [previous.name]


def test_a_reader_keeps_its_bytes_while_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    artifact.publish(GOOD, path)
    found = artifact.read(path)
    artifact.publish(sealed({"weights": b"other"}), path)
    assert {name: bytes(view) for name, view in found.records.items()} == RECORDS


def test_publish_refuses_what_is_not_sealed_and_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    artifact.publish(GOOD, path)
    with pytest.raises(ArtifactInvalid, match="the artifact to publish"):
        artifact.publish(GOOD[:-1], path)
    assert path.read_bytes() == GOOD
    assert [entry.name for entry in tmp_path.iterdir()] == ["classifier.pt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_while_publishing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "classifier.pt"
    artifact.publish(GOOD, path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(PublishRefused, match=r"No space left on device.*ARTIFACT"):
        artifact.publish(sealed({"weights": b"other"}), path, keep_in=tmp_path / "versions")
    assert path.read_bytes() == GOOD
    assert not list(tmp_path.glob(".*"))


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "classifier.pt"
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        calls.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    artifact.publish(GOOD, path)
    assert calls == ["file", "replace", "folder"]


def test_publish_clears_what_a_killed_publisher_left(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    (tmp_path / ".classifier.pt.abc.tmp").write_bytes(b"half")
    (tmp_path / ".other.pt.abc.tmp").write_bytes(b"not ours")
    artifact.publish(GOOD, path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".other.pt.abc.tmp", "classifier.pt"]


def test_publishers_take_turns_and_lose_no_version(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    versions = [sealed({"weights": bytes([number]) * 5}) for number in range(8)]
    threads = [threading.Thread(target=artifact.publish, args=(data, path)) for data in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {entry.read_bytes() for entry in (tmp_path / "versions").iterdir()}
    assert kept | {path.read_bytes()} == set(versions)
    assert len(kept) == 7


def test_publish_into_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishRefused, match="cannot be written"):
        artifact.publish(GOOD, tmp_path / "file" / "classifier.pt")


def test_identity_is_taken_from_stat() -> None:
    status = SimpleNamespace(st_dev=1, st_ino=2, st_size=3, st_mtime_ns=4)
    found = artifact.FileIdentity.of(status)  # type: ignore[arg-type]
    assert found == artifact.FileIdentity(device=1, inode=2, size=3, mtime_ns=4)
