"""`classifier.pt`: read and verified without an unpickler, published by rename.

The file is a torch archive (a zip whose entries are stored, not compressed) of plain uint8 tensors, so that
`torch.load(weights_only=True)` opens it. One more entry holds an index: which zip entry each record lies in,
and the size and SHA-256 of every other entry, `data.pkl` included; it begins with its own SHA-256. This
module reads the file once into memory, hashes those bytes and hands out views of them: nothing is unpickled,
and what was verified is what is used.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .errors import ArtifactInvalid, ArtifactMissing, ArtifactTooNew, PublishRefused

FORMAT_VERSION = 1
INDEX_ENTRY = "archive/bunoraa_index.json"
MAX_BYTES = 2 * 1024**3 - 4096
"""What one read of the system returns, and less than what makes a zip take its 64-bit form."""

_MAX_DIRECTORY_BYTES = 1024**2
_END_OF_DIRECTORY = struct.Struct("<4s4H2IH")
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_HEX_DIGEST = 64
_NOT_A_ZIP = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, struct.error)
"""What zipfile raises over a damaged directory."""
_TRAIN_AGAIN = "publish a good one with `manage.py train_classifier`"


@dataclass(frozen=True, kw_only=True)
class FileIdentity:
    """What tells one published file from the next without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "FileIdentity":
        """The identity of a file whose `stat` is known."""
        return cls(
            device=status.st_dev, inode=status.st_ino, size=status.st_size, mtime_ns=status.st_mtime_ns
        )


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An intact artifact in memory."""

    path: Path
    sha256: str
    """Of the whole file, 64 hex digits."""
    size: int
    """Bytes of the whole file."""
    identity: FileIdentity
    """Of the very file that was read."""
    records: Mapping[str, memoryview]
    """Record name to its bytes: read-only views of the one buffer."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What `publish` did."""

    path: Path
    sha256: str
    previous: Path | None
    """Where the file that was replaced is kept; None when there was none, or the same bytes."""


def identity(path: Path) -> FileIdentity:
    """The identity of the file at `path`, for the price of one `stat`. Raises ArtifactMissing."""
    try:
        return FileIdentity.of(path.stat())
    except (OSError, ValueError) as error:
        raise _missing(path, error) from error


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Artifact:
    """Read and verify an artifact; memory: the size of the file.

    Raises ArtifactMissing when there is no file, ArtifactTooNew when its format is later than
    `FORMAT_VERSION`, and ArtifactInvalid for everything else that is not byte for byte what was sealed, a
    file over `max_bytes` included.
    """
    try:
        # Not blocking: a named pipe in the file's place must not hang a worker.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise _missing(path, error) from error
    except OSError as error:
        raise ArtifactInvalid(f"{path} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactInvalid(f"{path} is not a file; expected a classifier.pt")
        if status.st_size > max_bytes:
            raise ArtifactInvalid(f"{path} has {status.st_size:,} bytes; at most {max_bytes:,} are read")
        data = os.read(descriptor, status.st_size)
    except OSError as error:
        raise ArtifactInvalid(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return Artifact(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        identity=FileIdentity.of(status),
        records=unseal(data, name=str(path)),
    )


def unseal(data: bytes, *, name: str = "the artifact") -> Mapping[str, memoryview]:
    """The records of a sealed archive, verified; refusals call it `name`. Raises as `read` does."""
    entries = _entries(data, name)
    index = _index(entries, name)
    if index.get("format") != FORMAT_VERSION:
        found = index.get("format")
        if isinstance(found, int) and found > FORMAT_VERSION:
            raise ArtifactTooNew(
                f"{name} is in format {found}, this version reads format {FORMAT_VERSION}: "
                f"update the project, or {_TRAIN_AGAIN}"
            )
        raise _invalid(name, f"format {found!r} is unknown, expected {FORMAT_VERSION}")
    listed, located = index.get("entries"), index.get("records")
    if not isinstance(listed, dict) or not isinstance(located, dict):
        raise _invalid(name, "its index lists no entries or no records")
    if listed.keys() != entries.keys() - {INDEX_ENTRY}:
        raise _invalid(name, "its entries are not those of its index")
    for entry, sealed in listed.items():
        if sealed != [len(entries[entry]), hashlib.sha256(entries[entry]).hexdigest()]:
            raise _invalid(name, f"the entry {entry} is not what was sealed")
    if not all(isinstance(entry, str) and entry in listed for entry in located.values()):
        raise _invalid(name, "a record lies in an entry that is not there")
    return MappingProxyType({record: entries[entry] for record, entry in located.items()})


def seal(torch_archive: bytes, entries: Mapping[str, str]) -> bytes:
    """The archive with its index; `entries`: record name to zip entry. The same input gives the same bytes.

    Raises ArtifactInvalid when the archive is not a zip of stored entries, is sealed already, or lacks an
    entry.
    """
    name = "the archive to seal"
    buffer = io.BytesIO(torch_archive)
    try:
        with zipfile.ZipFile(buffer) as archive:
            found = {info.filename: archive.read(info) for info in archive.infolist()}
    except _NOT_A_ZIP as error:
        raise _invalid(name, str(error)) from error
    if INDEX_ENTRY in found:
        raise _invalid(name, "it is sealed already")
    if lacking := sorted(set(entries.values()) - found.keys()):
        raise _invalid(name, f"it has no entry {', '.join(lacking)}")
    index = {
        "format": FORMAT_VERSION,
        "records": dict(entries),
        "entries": {
            entry: [len(content), hashlib.sha256(content).hexdigest()] for entry, content in found.items()
        },
    }
    body = json.dumps(index, separators=(",", ":")).encode()
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(INDEX_ENTRY), hashlib.sha256(body).hexdigest().encode() + body)
    sealed = buffer.getvalue()
    unseal(sealed, name=name)
    return sealed


def publish(data: bytes, path: Path, *, keep_in: Path | None = None) -> Published:
    """Put a sealed artifact at `path`; readers see the whole old file or the whole new one, always.

    The file that was there is kept as `<first 12 hex digits of its SHA-256>.pt` in `keep_in` (default:
    `versions` beside `path`). Publishers of one folder take turns. Raises ArtifactInvalid or ArtifactTooNew
    when `data` is not a sealed artifact, and PublishRefused when the folder cannot be written.
    """
    unseal(data, name="the artifact to publish")
    kept = keep_in or path.parent / "versions"
    digest = hashlib.sha256(data).hexdigest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent) as folder:
            for left_over in path.parent.glob(f".{path.name}.*.tmp"):
                left_over.unlink()
            previous = _keep(path, kept, but_not=digest)
            _write(data, path)
            os.fsync(folder)
    except OSError as error:
        raise PublishRefused(
            f"{path} cannot be written: {error.strerror or error}; give the folder to this user, or set "
            "CATEGORY_CLASSIFIER['ARTIFACT'] to a place that can be written"
        ) from error
    return Published(path=path, sha256=digest, previous=previous)


def _missing(path: Path, error: Exception) -> ArtifactMissing:
    reason = getattr(error, "strerror", None) or str(error)
    return ArtifactMissing(f"there is no artifact at {path} ({reason}): {_TRAIN_AGAIN}")


def _invalid(name: str, reason: str) -> ArtifactInvalid:
    return ArtifactInvalid(f"{name} is not an intact artifact: {reason}; {_TRAIN_AGAIN}")


def _entries(data: bytes, name: str) -> dict[str, memoryview]:
    """Zip entry name to its bytes, in the order of the directory. Nothing is copied or unpacked."""
    end = len(data) - _END_OF_DIRECTORY.size
    if end < 0 or not data.startswith(b"PK\x03\x04") or not data.startswith(b"PK\x05\x06", end):
        raise _invalid(name, f"it is cut, or something else ({len(data):,} bytes)")
    # zipfile reads the whole directory into memory; and with a comment it might find a directory elsewhere.
    *_, directory_bytes, _, comment_bytes = _END_OF_DIRECTORY.unpack_from(data, end)
    if (
        directory_bytes > _MAX_DIRECTORY_BYTES
        or comment_bytes
        or data.startswith(b"PK\x06\x07", max(0, end - 20))
    ):
        raise _invalid(name, "its zip directory is not one that this project writes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except _NOT_A_ZIP as error:
        raise _invalid(name, str(error)) from error
    view = memoryview(data)
    entries: dict[str, memoryview] = {}
    for member in members:
        start = member.header_offset + _LOCAL_HEADER.size
        if not 0 <= member.header_offset <= len(data) - _LOCAL_HEADER.size:
            raise _invalid(name, f"the entry {member.filename!r} lies outside the file")
        signature, *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(data, member.header_offset)
        start += name_bytes + extra_bytes
        stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        if signature != b"PK\x03\x04" or not stored or start + member.file_size > len(data):
            raise _invalid(name, f"the entry {member.filename!r} is not stored whole")
        if member.filename in entries:
            raise _invalid(name, f"the entry {member.filename!r} is there twice")
        entries[member.filename] = view[start : start + member.file_size]
    return entries


def _index(entries: Mapping[str, memoryview], name: str) -> dict[str, object]:
    if INDEX_ENTRY not in entries:
        raise _invalid(name, "it has no index (a torch file of another kind?)")
    sealed = bytes(entries[INDEX_ENTRY])
    digest, body = sealed[:_HEX_DIGEST], sealed[_HEX_DIGEST:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise _invalid(name, "its index is not what was sealed")
    try:
        index = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(name, f"its index is not JSON: {error}") from error
    if not isinstance(index, dict):
        raise _invalid(name, "its index is not a table")
    return index


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The folder's descriptor, held by this process alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _write(data: bytes, path: Path) -> None:
    with _replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, put in its place when the block is done and it is on the disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; the web worker may be another user.
        temporary.chmod(0o644)
        os.fsync(descriptor)
        temporary.replace(path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _keep(path: Path, folder: Path, *, but_not: str) -> Path | None:
    """Keep what is at `path` under its digest; None when nothing is there, or the digest is `but_not`."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    if digest == but_not:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{digest[:12]}.pt"
    with suppress(FileExistsError):
        try:
            os.link(path.resolve(), kept)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            with _replacing(kept) as temporary:
                shutil.copyfile(path, temporary)
    with _locked(folder) as descriptor:
        os.fsync(descriptor)
    return kept
