"""How a command says that it can't: one line on stderr, one JSON object where JSON was asked for, status 1."""

import contextlib
import errno
import os
import re
import sys
from typing import Any

from sslviz.cli.output import tell
from sslviz.errors import ErrorCode, UserError
from sslviz.jobs.protocol import Failed


def plain(error: OSError) -> UserError:
    """What the system says against a file, as a sentence for the person who named it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"Can't write: there is no space left ({error.strerror}); free some.", code=ErrorCode.DISK)
    where = f" {error.filename}" if error.filename else " what was asked for"
    return UserError(f"Can't read or write{where}: {error.strerror}; choose another place.", code=ErrorCode.DISK)


def disk_error(error: BaseException) -> UserError | None:
    """A full disk as libraries tell it in words of their own (safetensors: "No space left on device (os error 28)")."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return plain(OSError(int(found[1]), os.strerror(int(found[1])))) if found else None


def fail(name: str | None, words: list[str], error: UserError) -> int:
    say(name, str(error))
    if "--json" in words:  # whoever reads JSON gets the reason as JSON too
        with contextlib.suppress(OSError):
            tell(Failed.of(error))
    silence(sys.stdout)
    return 1


def say(name: str | None, message: str) -> None:
    with contextlib.suppress(OSError):  # stderr may be on the full disk too
        print(f"sslviz {name}: {message}", file=sys.stderr)


def silence(stream: Any) -> None:
    """Flush a stream, and where it takes nothing any more send the rest nowhere, so that Python's end is quiet."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
