"""One training run in a process of its own: what it is told, what it tells, and how it ended."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sslviz.errors import ErrorCode
from sslviz.jobs import protocol
from sslviz.jobs.child import Child
from sslviz.jobs.protocol import Command, Event, ProtocolError, parse_event
from sslviz.jobs.record import STATE, RunRecord, heard, write
from sslviz.jobs.request import TrainingRequest

log = logging.getLogger("sslviz.app")

COMMAND = (sys.executable, "-u", "-m", "sslviz")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
KEPT = (protocol.Started, protocol.Monitored, protocol.Saved, protocol.Stopped, protocol.Done, protocol.Stored)
TAIL = 40  # lines kept of what a process says besides its events, for the log


class RunProcess:
    """A run's process: `work` is called once, in a thread; everything else may be called from any thread.

    Args:
        request: what was asked for.
        folder: of the model to be.
        key: of the run, see `record.key_of`.
        command: the command line's beginning.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        request: TrainingRequest,
        folder: Path,
        *,
        key: str,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key, self._command, self._clock = key, tuple(command), clock
        self.record = RunRecord(request, folder)
        self.child: Child | None = None
        self.began: float | None = None
        self.stopped_at: float | None = None
        self._reason = ""

    def work(self) -> RunRecord:
        """Run the command to its end, keep the record up to date, and return how it ended."""
        if self.stopped_at is not None:
            return self.ended(0)
        self.record = replace(self.record, state="starting", error="", code="")
        tail = deque[str](maxlen=TAIL)
        try:
            self.child = Child([*self._command, *self.words()], env=ONE_THREAD)
        except OSError as error:
            log.exception("a run could not start")
            why = f"The training process could not start ({error.strerror})."
            self.hear(protocol.Failed(ErrorCode.BUG, why))
            return self.ended(1)
        with self.child as child:
            if self.stopped_at is not None:  # stopped while it started
                child.close_input()
            for line in child.lines():
                try:
                    self.hear(parse_event(line))
                except ProtocolError:
                    tail.append(line[:2000])
            return self.ended(child.wait(), list(tail))

    def words(self) -> list[str]:
        """The words of the command line after `sslviz`; a run with a state goes on from it, in steps as it began."""
        record, steps = self.record, self.record.info.get("steps")
        words = record.request.words()
        if (record.folder / STATE).is_file() and steps:
            words = [*record.request.words(budget=False), "--steps", str(steps), "--resume"]
        return [*words, "--live", "--json", "--control", "stdin", "--out", str(record.folder)]

    def send(self, command: Command) -> None:
        """Pause, resume or step."""
        if self.child and self.record.active:
            self.child.say(command.to_line())

    def stop(self, reason: str = "") -> None:
        """End the run, keeping its state; it has a second or two to do so."""
        if self.stopped_at is None:
            self.stopped_at, self._reason = self._clock(), reason
            self.record = replace(self.record, stopping=True)
            if self.child:
                self.child.close_input()

    def kill(self) -> None:
        """End the process now."""
        if self.child:
            self.child.kill()

    def hear(self, event: Event) -> None:
        """Take one event into the record."""
        self.record = replace(heard(self.record, event), stopping=self.stopped_at is not None)
        if isinstance(event, KEPT):
            self.write()

    def ended(self, code: int, tail: Sequence[str] = ()) -> RunRecord:
        """The record of a run whose process has ended.

        Args:
            code: exit status, negative for a signal.
            tail: the last lines that were no events.
        """
        now = replace(self.record, stopping=False, storing="", seconds_left=None)
        if now.trained or now.state == "storing":
            return replace(now, state="done", error="", code="")
        if self.stopped_at is not None or (code == 0 and not now.code):
            return replace(now, state="stopped", error=self._reason, code="")
        if not now.code:
            kept = "what it had learnt is kept" if (now.folder / STATE).is_file() else "nothing of it was kept"
            if code < 0:
                name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
                error = f"The training process was ended from outside ({name}), perhaps for want of memory; {kept}."
                now = replace(now, error=error, code=str(ErrorCode.ENDED))
            else:
                log.error("a run failed: %s", "\n".join(tail))
                error = f"The training process failed, and the server's log says why; {kept}."
                now = replace(now, error=error, code=str(ErrorCode.BUG))
        return replace(now, state="failed")

    def write(self) -> None:
        """Keep what is known of the run on the disk."""
        write(self.key, self.record)
