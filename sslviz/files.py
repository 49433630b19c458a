"""Files that are written whole or not at all, what a disk says when it refuses, and what may be read as a file.

A file grows under a temporary name of its own beside its place, is forced to the disk, and takes its place by a rename:
a reader sees the old file or the new one, whatever is killed meanwhile. A symbolic link is written through: the file
that it points to is replaced, and the link stays.
"""

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sslviz.errors import ErrorCode, UserError

ELSEWHERE = "choose another folder."
MODE = 0o644  # of a new file; a temporary one is for its owner alone, and one that is replaced keeps its mode
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def shown(path: str | os.PathLike) -> str:
    """A path as text that can be printed: what is not UTF-8 in it, and control characters, become U+FFFD."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)


def check_regular(path: Path) -> None:
    """Refuse what can't be read as a file: a folder, and a pipe or a device, which would wait or never end.

    Raises:
        UserError: no such file, no regular file, or no permission to read it.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = (isinstance(error, OSError) and error.strerror) or "no such name"
        raise UserError(f"{shown(path)} cannot be read ({reason}): check the path.") from None
    if not stat.S_ISREG(mode):
        raise UserError(f"{shown(path)} is {_kind(mode)}, not a file: name a file.")
    if not os.access(path, os.R_OK):
        raise UserError(f"{shown(path)} cannot be read (Permission denied): check its permissions.")


def _kind(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "something else")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds, and is removed when it does not.

    The name is new at every call, so that two threads may write the same file: the later one stays.

    Raises:
        UserError: `path` is there and no regular file, or a link that leads nowhere.
    """
    path, mode = Path(os.path.realpath(path)), MODE
    if os.path.lexists(path):
        found = os.lstat(path).st_mode  # a link here is one of a ring
        if not stat.S_ISREG(found):
            kind = "a link to itself" if stat.S_ISLNK(found) else _kind(found)
            raise UserError(f"{shown(path)} is {kind}, not a file: choose another name.")
        mode = stat.S_IMODE(found)
    suffix = path.suffix if len(path.suffix) < 16 else ""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.", suffix=suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(folder: Path, *, remedy: str = ELSEWHERE) -> Iterator[None]:
    """Make `folder`, and turn what the disk says against a write into a clear sentence.

    Args:
        folder: where the block writes.
        remedy: what to do instead; ends the sentence.

    Raises:
        UserError: no space, or a folder that can't be made or written to.
    """
    if folder.parts[:1] == ("~",):  # nobody could say where the home folder is
        raise UserError(
            "This user has no home folder to keep things in: set SSLVIZ_DATA to a folder that can be written to.",
            code=ErrorCode.DISK,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BrokenPipeError:  # of a reader, not of the disk
        raise
    except Exception as error:
        number = os_error_number(error)
        if number is None:
            raise
        reason = os.strerror(number) if number else str(error) or type(error).__name__
        if number in (errno.ENOSPC, errno.EDQUOT):
            free = f", {shutil.disk_usage(folder).free / 1e6:.0f} MB free" if folder.is_dir() else ""
            raise UserError(
                f"Can't write: there is no space left in {shown(folder)} ({reason}{free}): free some space, "
                f"or {remedy}",
                code=ErrorCode.DISK,
            ) from error
        raise UserError(
            f"Can't write: {shown(folder)} cannot be written to ({reason}): {remedy}", code=ErrorCode.DISK
        ) from error


def os_error_number(error: BaseException) -> int | None:
    """The system's number of an error: of an OSError, or of what safetensors and tokenizers raise for one, which
    tell it only at the end of their text; 0 where an OSError has none, None where the error is no such thing.
    """
    if isinstance(error, OSError):
        return error.errno or 0
    if type(error).__module__.split(".")[0] in ("safetensors", "safetensors_rust", "tokenizers", "builtins"):
        told = re.search(r"\(os error (\d+)\)", str(error))
        return int(told[1]) if told else None
    return None
