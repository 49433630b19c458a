"""The one way in which sslviz runs another process: lines in, lines out, and an end with whoever started it.

A child's input is a pipe that this process holds: where this process ends, whatever way, the pipe closes, and a child
that reads it ends too. Imports no torch and nothing of ours but the paths, so that every layer may use it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType

from sslviz.paths import ROOT

LONGEST = 1_000_000  # characters kept of a line


class Child:
    """A process that speaks lines. Every method may be called from any thread; a `with` block ends the process.

    Args:
        command: program and arguments.
        env: variables set beside those of this process.
        errors: whether lines of its error stream come among the others; else they are dropped.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, errors: bool = True) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            list(command), cwd=ROOT, env=os.environ | {"PYTHONPATH": path} | dict(env or {}), text=True,
            encoding="utf-8", errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which then closes the input
        )  # fmt: skip
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._over = False
        threading.Thread(target=self._read, daemon=True, name="sslviz-child").start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def over(self) -> bool:
        """Whether all of its lines have been taken."""
        return self._over

    def line(self, timeout: float) -> str | None:
        """The next line without its end; None where none came within `timeout` seconds, or none will: see `over`."""
        if self._over:
            return None
        with contextlib.suppress(queue.Empty):
            found = self._lines.get(timeout=timeout)
            self._over = found is None
            return found
        return None

    def lines(self) -> Iterator[str]:
        """All lines to the end of the process's output."""
        while not self._over:
            if (found := self.line(3600.0)) is not None:
                yield found

    def say(self, line: str) -> None:
        """Write a line to its input; one that is gone is told nothing."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def close_input(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin
            self._process.stdin.close()

    def kill(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        return self._process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_input()
        self.kill()
        self.wait()

    def _read(self) -> None:
        assert self._process.stdout
        with contextlib.suppress(OSError, ValueError), self._process.stdout as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n")[:LONGEST])
        self._lines.put(None)
