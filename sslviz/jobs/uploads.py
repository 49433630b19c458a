"""What people bring to a server through its pages: files of their own images, and models.

Everything here is bounded, since whoever brings it may be a stranger: bytes of a file and what it unpacks to, uploads
a person, uploads and bytes in all. An upload goes when it was not used for `SSLVIZ_KEEP_DAYS` days (7 by default), or
earlier where room is needed and it was not used within the last hour; and whoever brought it may delete it. Who that
is, the caller says (the page: a browser); bringing the same file again makes another one of its owners. What a person
keeps with the command line (`sslviz models import`) is not an upload and stays.

Own images lie in the data folder under `own/<digest>/<name of the person's file>`, so that messages can name the file;
models lie among the own models. A record `upload.json` beside either says whose it is; the record's time of change is
the time of the last use.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslviz.data import images, npz
from sslviz.errors import ErrorCode, UserError
from sslviz.files import writing
from sslviz.memory import MIB
from sslviz.paths import data_dir, models_dir

OWN, RECORD, INCOMING = "own", "upload.json", ".incoming-"
DAYS = 7.0  # without use
FRESH = 3600.0  # seconds for which an upload that was used stays, whoever needs room
MAX_IMAGES_BYTES, MAX_MODEL_BYTES = 60_000_000, 100_000_000  # of one file, as it is sent
MAX_UNPACKED, MAX_TEST = 128 * MIB, 64 * MIB  # pixels of both splits; of the test images, which the server holds
MAX_EACH, MAX_ALL = 8, 200  # uploads
MAX_TOTAL = 1_000_000_000  # bytes of all uploads on the disk


@dataclass(frozen=True)
class Upload:
    """Something that was brought.

    Attributes:
        kind: "images" or "model".
        name: as people call it: the file's name, or the model's.
        path: the file of images, or the model's folder.
        n_bytes: on the disk.
        used: when it was last used, seconds of the epoch.
        owners: hashes of who brought it.
    """

    kind: Literal["images", "model"]
    name: str
    path: Path
    n_bytes: int
    used: float
    owners: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """What is removed with it."""
        return self.path if self.kind == "model" else self.path.parent


def keep_days() -> float:
    """Days without use after which an upload goes: `SSLVIZ_KEEP_DAYS`, else 7.

    Raises:
        UserError: a setting that is no number above 0.
    """
    text = os.environ.get("SSLVIZ_KEEP_DAYS", str(DAYS))
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < 100_000:
        raise UserError(f"SSLVIZ_KEEP_DAYS is {text!r}: set it to a number of days above 0.")
    return days


def keep_images(name: str, content: bytes | memoryview, owner: str) -> Upload:
    """Keep a person's own `.npz` of images, checked.

    Args:
        name: what the file was called; only its harmless characters are used.
        content: the file.
        owner: who brings it.

    Raises:
        UserError: too large, too many uploads, no room, or not a file of images (`sslviz.data.npz` says what is).
    """
    name = clean_name(name, ".npz")
    _check_bytes(name, len(content), MAX_IMAGES_BYTES)
    digest = hashlib.sha256(content).hexdigest()[:16]
    folder = data_dir() / OWN / digest
    if (found := _read(folder)) is not None:
        return _add_owner(found, owner)
    _make_room(len(content), owner)
    with writing(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent, prefix=INCOMING) as temporary:
        path = Path(temporary) / digest / name
        npz.write_bytes(path, content)
        _check_images(path)
        _write_record(path.parent, name, (_hash(owner),))
        shutil.rmtree(folder, ignore_errors=True)  # half an upload, of a server that was killed
        os.replace(path.parent, folder)
    return _known(folder)


@contextmanager
def incoming(name: str, content: bytes | memoryview, owner: str) -> Iterator[Path]:
    """A file of a model that somebody brings, for as long as the block takes to check it.

    Args:
        name: what the file was called.
        content: the file.
        owner: who brings it.

    Raises:
        UserError: too large, too many uploads, or no room.
    """
    name = clean_name(name, ".safetensors")
    _check_bytes(name, len(content), MAX_MODEL_BYTES)
    _make_room(len(content), owner)
    with writing(data_dir()), tempfile.TemporaryDirectory(dir=data_dir(), prefix=INCOMING) as temporary:
        path = Path(temporary) / name
        npz.write_bytes(path, content)
        yield path


def keep_model(path: Path, owner: str) -> Upload:
    """Keep a model that `sslviz models export` or this app's download wrote. This loads the model, and so torch.

    Args:
        path: of the file, see `incoming`.
        owner: who brings it.

    Raises:
        UserError: it is not such a file (`sslviz.store.bundle` says what is).
    """
    from sslviz.store import bundle

    folder = bundle.unpack(path)
    _write_record(folder, folder.name, (_hash(owner),))
    return _known(folder)


def uploads(owner: str | None = None) -> list[Upload]:
    """All uploads, or those that one owner brought, the one used last first."""
    found = list(_all())
    if owner is not None:
        found = [upload for upload in found if _hash(owner) in upload.owners]
    return sorted(found, key=lambda upload: -upload.used)


def delete(path: Path, owner: str) -> None:
    """Delete an upload that this owner brought; what others brought too stays theirs.

    Raises:
        UserError: it is another's, gone already, or can't be removed.
    """
    upload = next((upload for upload in uploads(owner) if upload.path == path), None)
    if upload is None:
        raise UserError("This upload is not yours, or it has gone already: bring the file again to have it deleted.")
    others = tuple(one for one in upload.owners if one != _hash(owner))
    if others and upload.kind == "images":
        _write_record(upload.folder, upload.name, others)
        return
    _remove(upload)


def touch(path: str | os.PathLike | None) -> None:
    """Note that an upload is used: a file of images or a model's folder; anything else is left alone."""
    if path is None:
        return
    path = Path(path)
    record = (path if path.is_dir() else path.parent) / RECORD
    with suppress(OSError, ValueError):
        if time.time() - record.stat().st_mtime > 60:
            os.utime(record)


def sweep(now: float | None = None) -> list[str]:
    """Remove what was not used for `keep_days`, and what a killed server left half done; returns the names."""
    now = time.time() if now is None else now
    aged = [upload for upload in uploads() if now - upload.used > keep_days() * 86_400]
    for upload in aged:
        _remove(upload)
    for folder in (data_dir() / OWN, data_dir(), models_dir()):
        for left in folder.glob(f"{INCOMING}*"):
            with suppress(OSError):
                if now - left.stat().st_mtime > FRESH:
                    shutil.rmtree(left, ignore_errors=True)
    return [upload.name for upload in aged]


def clean_name(name: str, suffix: str) -> str:
    """A file's name as it may stand on this disk: letters, digits, spaces and ._-() of its last part."""
    stem = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    stem = stem[: -len(suffix)] if stem.lower().endswith(suffix) else stem
    kept = "".join(c if c.isalnum() or c in "._-() " else "-" for c in stem).strip(" .-")
    while len(kept.encode()) > 120:
        kept = kept[:-1]
    return (kept or "upload") + suffix


# checks and the disk ------------------------------------------------------------------------------------------------


def _check_bytes(name: str, n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise UserError(f"{name} has {n_bytes / 1e6:.0f} MB: make it smaller than {most / 1e6:.0f}.")


def _check_images(path: Path) -> None:
    """Hold a file against what a server may hold, then read it once from end to end, block by block."""
    layout = npz.read_layout(path)
    sizes = {split: layout.bytes_of(split) for split in npz.SPLITS}
    for what, size, most in (
        ("x_test", sizes["test"], MAX_TEST),
        ("x_train and x_test", sum(sizes.values()), MAX_UNPACKED),
    ):
        if size > most:
            raise UserError(
                f"{what} in {path.name} would take {size / MIB:,.0f} MiB of this server's memory: "
                f"keep to {most // MIB:,}, or use sslviz on a machine of your own."
            )
    npz.check_room(sum(sizes.values()), path.name)
    images.preview(path, "train", 1)  # says what to do about arrays that are stored column by column
    images.preview(path, "test", 1)
    images.count_copies(path)


def _make_room(n_bytes: int, owner: str) -> None:
    """Remove what has aged and, where that is not enough, what was not used for the longest time."""
    sweep()
    if len(uploads(owner)) >= MAX_EACH:
        raise UserError(f"You have {MAX_EACH} uploads here, which is the most: delete one first.")
    found = uploads()
    while found and (len(found) >= MAX_ALL or sum(one.n_bytes for one in found) + n_bytes > MAX_TOTAL):
        oldest = found.pop()
        if time.time() - oldest.used < FRESH:
            raise UserError(
                "There is no room for more uploads here at the moment: try again in an hour, or delete one of yours.",
                code=ErrorCode.DISK,
            )
        _remove(oldest)


def _all() -> Iterator[Upload]:
    for parent in (data_dir() / OWN, models_dir()):
        with suppress(OSError):
            for entry in sorted(os.scandir(parent), key=lambda entry: entry.name):
                if not entry.name.startswith(".") and (found := _read(Path(entry.path))) is not None:
                    yield found


def _read(folder: Path) -> Upload | None:
    """The upload in a folder, or None where it has no record that can be read."""
    record = folder / RECORD
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        used = record.stat().st_mtime
        name, owners = str(content["name"]), tuple(map(str, content["owners"]))
        n_bytes = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if folder.parent != data_dir() / OWN:
        return Upload("model", folder.name, folder, n_bytes, used, owners)
    path = folder / name
    return Upload("images", name, path, n_bytes, used, owners) if path.parent == folder and path.is_file() else None


def _known(folder: Path) -> Upload:
    found = _read(folder)
    if found is None:
        raise UserError("The upload has gone again: bring the file once more.")
    return found


def _add_owner(upload: Upload, owner: str) -> Upload:
    if _hash(owner) in upload.owners:
        touch(upload.path)
        return upload
    if len(uploads(owner)) >= MAX_EACH:
        raise UserError(f"You have {MAX_EACH} uploads here, which is the most: delete one first.")
    _write_record(upload.folder, upload.name, (*upload.owners[-20:], _hash(owner)))
    return _known(upload.folder)


def _write_record(folder: Path, name: str, owners: tuple[str, ...]) -> None:
    content = json.dumps({"name": name, "owners": owners}, ensure_ascii=False)
    npz.write_bytes(folder / RECORD, content.encode())


def _remove(upload: Upload) -> None:
    """Out of sight at once, then removed: no list shows half of it."""
    with writing(upload.folder.parent):
        gone = tempfile.mkdtemp(dir=upload.folder.parent, prefix=INCOMING)
        with suppress(FileNotFoundError):  # another session was faster
            os.replace(upload.folder, Path(gone) / "gone")
        shutil.rmtree(gone, ignore_errors=True)


def _hash(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:16]
