"""Files that are written whole or not at all, and what to say when a disk refuses.

A file grows under a temporary name of its own beside its place, is forced to the disk, and takes its place by a rename:
a reader sees the old file or the new one, whatever is killed meanwhile.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sslviz.errors import ErrorCode, UserError

ELSEWHERE = "choose another folder."
MODE = 0o644  # of a finished file; a temporary one is for its owner alone


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds, and is removed when it does not.

    The name is new at every call, so that two threads may write the same file: the later one stays.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, MODE)
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = f", {shutil.disk_usage(folder).free / 1e6:.0f} MB free" if folder.is_dir() else ""
            raise UserError(
                f"Can't write: there is no space left in {folder} ({reason}{free}): free some space, or {remedy}",
                code=ErrorCode.DISK,
            ) from error
        raise UserError(
            f"Can't write: {folder} cannot be written to ({reason}): {remedy}", code=ErrorCode.DISK
        ) from error
