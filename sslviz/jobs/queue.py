"""Training runs for many people on one machine: a bounded queue of processes, with limits that hold by themselves.

Knows nothing of streamlit: the app keeps one of these for all its sessions.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs import record as records
from sslviz.jobs.limits import Guest, Limits
from sslviz.jobs.process import COMMAND, RunProcess
from sslviz.jobs.protocol import Command
from sslviz.jobs.record import RunRecord, key_of
from sslviz.jobs.request import TrainingRequest
from sslviz.paths import models_dir
from sslviz.store import checkpoint
from sslviz.store.names import run_stem

log = logging.getLogger("sslviz.app")

STANDARD = Limits()
TICK = 0.25  # seconds between two looks at the limits
AROUND = 30.0  # seconds that a run takes beside its budget (start, evaluations, maps), until some have been seen


@dataclass
class Entry:
    """A run that waits or works.

    Attributes:
        guest: whose it is.
        turn: its place in the fair order; the least is next.
        viewers: browser tabs that show it.
        alone: since when nobody looks, or None.
        idle: since when it pauses, or None.
    """

    guest: Guest
    turn: float
    viewers: set[str] = field(default_factory=set)
    alone: float | None = None
    idle: float | None = None


class RunQueue:
    """A queue of training runs, each a process of its own, at most one for each guest.

    Whoever has a run's id, which can't be guessed, may watch it and command it; nothing else tells of it. The order is
    fair by minutes (start-time fair queueing): a guest's next run comes after what the guest's earlier ones have taken,
    whoever came first.

    Args:
        limits: what training may take.
        command: the command line's beginning.
        clock: seconds that only grow; tests give one of their own and call `tick`.
        watched: whether a thread calls `tick` while there are runs.
        process: makes a run's process; tests give one that trains nothing.
    """

    def __init__(
        self,
        limits: Limits = STANDARD,
        command: tuple[str, ...] = COMMAND,
        *,
        clock: Callable[[], float] = time.monotonic,
        watched: bool = True,
        process: type[RunProcess] = RunProcess,
    ) -> None:
        self._make = process
        self.limits, self._command, self._clock, self._watched = limits, command, clock, watched
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, RunProcess] = OrderedDict()  # by id, those that are remembered
        self._entries: OrderedDict[str, Entry] = OrderedDict()  # by id, those that wait or work
        self._turn, self._taken = 0.0, dict[str, float]()  # of the run begun last; where each share's next turn begins
        self._around = AROUND
        self._watchdog: threading.Thread | None = None

    def submit(self, request: TrainingRequest, guest: Guest) -> str:
        """Queue a run and return its id.

        Raises:
            UserError: the guest has a run, the queue is full, or the name is taken.
        """
        with self._lock:
            self._check(guest, request.minutes)
            folder = self._folder(request)
            identity = secrets.token_urlsafe(16)
            self._prune()
            self._enter(identity, self._process(replace(request, name=folder.name), folder, identity), guest)
            return identity

    def resume(self, identity: str, guest: Guest) -> None:
        """Queue a run again that has stopped, failed or been cut off; it goes on from the state saved last.

        Raises:
            UserError: there is no state, the guest has another run, or the queue is full.
        """
        with self._lock:
            before = self.record(identity)
            if before is None or before.trained:
                raise UserError("There is nothing to resume here: train again.", code=ErrorCode.STATE)
            if before.active:
                return
            self._check(guest, before.request.minutes)
            run = self._process(before.request, before.folder, identity)
            run.record = replace(before, state="waiting", error="", code="", stopping=False)
            self._runs.pop(identity, None)
            self._enter(identity, run, guest)

    def record(self, identity: str) -> RunRecord | None:
        """What is known of a run, from before a restart of the server too; None where there is no such run."""
        with self._lock:
            if identity not in self._runs:
                key = key_of(identity)
                found = next((run for run in map(records.read, _folders()) if run and run[0] == key), None)
                if found is None:
                    return None
                old = self._process(found[1].request, found[1].folder, identity)
                old.record = found[1]
                self._remember(identity, old)
            record = self._runs[identity].record
            if identity in self._entries and self._runs[identity].began is None:
                ahead = self._waiting()
                return replace(record, place=self._working() + ahead.index(identity), wait_seconds=self._wait(identity))
            if record.state == "starting":
                began = self._runs[identity].began
                return replace(record, elapsed=0.0 if began is None else self._clock() - began)
            return record

    def wait_seconds(self) -> float:
        """Seconds until a run that is asked for now would begin, by the budgets and the pace of those before it."""
        with self._lock:
            return self._wait(None)

    def of(self, guest: Guest) -> str | None:
        """The id of a guest's run that waits or works."""
        with self._lock:
            return next((identity for identity, entry in self._entries.items() if entry.guest.same_as(guest)), None)

    def owner(self, identity: str) -> str | None:
        """Whose a run is that waits or works: a second tab that knows the id takes the name over."""
        with self._lock:
            return self._entries[identity].guest.owner if identity in self._entries else None

    def send(self, identity: str, command: Command) -> None:
        """Pause, resume or step a run."""
        with self._lock:
            if identity in self._entries:
                self._runs[identity].send(command)

    def stop(self, identity: str, reason: str = "") -> None:
        """Stop a run and keep its state."""
        with self._lock:
            if identity not in self._entries:
                return
            run = self._runs[identity]
            run.stop(reason)
            if run.began is None:
                run.record = replace(run.record, state="stopped", stopping=False, error=reason)
                run.write()
                self._leave(identity)

    def forget(self, identity: str) -> None:
        """Read an ended run again from the disk when it is next asked for: it may have been renamed or deleted."""
        with self._lock:
            if identity not in self._entries:
                self._runs.pop(identity, None)

    def join(self, identity: str, viewer: str) -> None:
        """Say that somebody looks at a run."""
        with self._lock:
            if entry := self._entries.get(identity):
                entry.viewers.add(viewer)
                entry.alone = None

    def part(self, viewer: str) -> None:
        """Say that somebody's browser has gone."""
        with self._lock:
            for entry in self._entries.values():
                if viewer in entry.viewers:
                    entry.viewers.discard(viewer)
                    entry.alone = entry.alone if entry.viewers else self._clock()

    def close(self) -> None:
        """Stop everything, for the end of a server or of a test."""
        with self._lock:
            for identity in list(self._entries):
                self.stop(identity, "The server was stopped.")

    def tick(self) -> None:
        """Hold the runs to their limits, as of now."""
        with self._lock:
            for identity in list(self._entries):
                self._hold(identity, self._entries[identity], self._runs[identity])

    # --- inside, with the lock held ---

    def _process(self, request: TrainingRequest, folder: Path, identity: str) -> RunProcess:
        return self._make(request, folder, key=key_of(identity), command=self._command, clock=self._clock)

    def _check(self, guest: Guest, minutes: float) -> None:
        limits = self.limits
        if self.of(guest) is not None:
            raise UserError("A run of yours is waiting or working already: stop it, or wait for its end.")
        if not 0 < minutes <= limits.minutes:
            raise UserError(f"A run may take up to {limits.minutes:g} minutes here, not {minutes:g}.")
        if len(self._entries) >= limits.waiting + limits.running:
            raise UserError(
                f"{limits.waiting} runs are waiting already: try again in {_minutes(self._wait(None))}.",
                code=ErrorCode.COST,
            )
        shared = [id for id, entry in self._entries.items() if entry.guest.share == guest.share]
        for asked, most, who in (
            (list(self._entries), limits.waiting_minutes, "The runs that wait or work here"),
            (shared, limits.share_minutes, "The runs that your network has here"),
        ):
            left = most - sum(self._left(id) for id in asked) / 60
            if minutes > left:
                remedy = f"choose a budget of up to {left:.0f} minutes, or" if left >= 1 else "please"
                raise UserError(
                    f"{who} may take {most:g} minutes together: {remedy} try again later.", code=ErrorCode.COST
                )

    def _folder(self, request: TrainingRequest) -> Path:
        """Where the model goes; a name that a model or another run has is refused, or counted up where none was given.

        Raises:
            UserError: the name is taken.
        """
        taken = {path.name for path in _folders()} | {model.name for model in checkpoint.list_models()}
        taken |= {run.record.folder.name for run in self._runs.values() if run.record.active}
        if request.name and request.name in taken:
            raise UserError(f"There is a model or a run named {request.name} already: choose another name.")
        stem = run_stem(request.method, request.dataset)
        free = (name for i in range(1, 10_000) if (name := f"{stem}-{i}") not in taken)
        return models_dir() / (request.name or next(free))

    def _enter(self, identity: str, run: RunProcess, guest: Guest) -> None:
        self._remember(identity, run)
        turn = max(self._turn, self._taken.get(guest.share, 0.0))
        self._taken = {share: end for share, end in self._taken.items() if end > self._turn}
        self._taken[guest.share] = turn + run.record.request.minutes
        self._entries[identity] = Entry(guest, turn, alone=self._clock())
        run.write()
        self._start()
        if self._watched and self._watchdog is None:
            self._watchdog = threading.Thread(target=self._watch, daemon=True, name="sslviz-watchdog")
            self._watchdog.start()

    def _remember(self, identity: str, run: RunProcess) -> None:
        self._runs[identity] = run
        ended = [other for other in self._runs if other not in self._entries and other != identity]
        for other in ended[: max(0, len(ended) - self.limits.kept)]:
            del self._runs[other]

    def _working(self) -> int:
        return sum(self._runs[identity].began is not None for identity in self._entries)

    def _waiting(self) -> list[str]:
        """Ids of the runs that wait, the next one first."""
        waiting = [identity for identity in self._entries if self._runs[identity].began is None]
        return sorted(waiting, key=lambda identity: self._entries[identity].turn)  # of equals the one that came first

    def _start(self) -> None:
        for identity in self._waiting()[: max(0, self.limits.running - self._working())]:
            run = self._runs[identity]
            run.began, self._turn = self._clock(), max(self._turn, self._entries[identity].turn)
            threading.Thread(target=self._work, args=(identity, run), daemon=True, name="sslviz-run").start()

    def _left(self, identity: str) -> float:
        """Seconds of training that a run has before it: as it tells, else its budget."""
        record, budget = self._runs[identity].record, 60 * self._runs[identity].record.request.minutes
        if record.state == "storing":
            return 0.0
        return budget if record.seconds_left is None else min(record.seconds_left, budget)

    def _wait(self, identity: str | None) -> float:
        """Seconds until a waiting run (None: one that is asked for now) begins."""
        free = [self._left(other) + self._around / 2 for other in self._entries if self._runs[other].began is not None]
        free = sorted([*free, *[0.0] * (self.limits.running - len(free))])
        for other in self._waiting():
            if other == identity:
                break
            heapq.heapreplace(free, free[0] + self._left(other) + self._around)
        return free[0]

    def _work(self, identity: str, run: RunProcess) -> None:
        try:
            end = run.work()
        except Exception:
            log.exception("a run's thread failed")
            run.kill()
            end = replace(run.record, state="failed", code=str(ErrorCode.BUG),
                          error="The run failed; the server's log says why.")  # fmt: skip
        with self._lock:
            run.record = end
            if end.state == "done" and run.began is not None:  # what a run takes beside its training, as seen here
                self._around += 0.5 * (max(0.0, self._clock() - run.began - end.seconds) - self._around)
            self._leave(identity)
            run.write()

    def _leave(self, identity: str) -> None:
        self._entries.pop(identity, None)
        self._start()

    def _prune(self) -> None:
        """Delete the oldest unfinished runs that nobody works on."""
        busy = {self._runs[identity].record.folder.name for identity in self._entries}
        unfinished = [
            path for path in _folders() if path.name not in busy and not (path / checkpoint.WEIGHTS).is_file()
        ]
        unfinished.sort(key=lambda path: (path / records.RECORD).stat().st_mtime)
        for path in unfinished[: max(0, len(unfinished) + 1 - self.limits.unfinished)]:
            shutil.rmtree(path, ignore_errors=True)

    def _watch(self) -> None:
        """Call `tick` until there are no runs."""
        while True:
            time.sleep(TICK)
            with self._lock:
                self.tick()
                if not self._entries:
                    self._watchdog = None
                    return

    def _hold(self, identity: str, entry: Entry, run: RunProcess) -> None:
        limits, record, now = self.limits, run.record, self._clock()
        if record.state == "paused":
            entry.idle = now if entry.idle is None else entry.idle
        elif entry.idle is not None:
            run.began = (run.began or now) + now - entry.idle  # what a run spends paused is not held against it
            entry.idle = None
        worked = now if entry.idle is None else entry.idle  # when it last did
        longest = 60 * (limits.overtime * record.request.minutes + 2)
        if run.stopped_at is not None:
            if now - run.stopped_at > limits.patience:
                run.kill()
        elif entry.alone is not None and now - entry.alone > limits.grace:
            self.stop(identity, "Nobody had its page open any more, so the run was stopped.")
        elif now - worked > limits.idle:
            self.stop(identity, "The run paused for long while it held its place, so it was stopped.")
        elif run.began is not None and worked - run.began > longest:
            self.stop(identity, "The run took far longer than its budget, so it was stopped.")
        elif record.step > limits.steps:
            self.stop(identity, f"The run has done the {limits.steps:,} steps that a run may do here.")


def _minutes(seconds: float) -> str:
    """A time to wait, in words."""
    return "a minute" if seconds < 90 else f"some {seconds / 60:.0f} minutes"


def _folders() -> list[Path]:
    """Folders that hold, or held, a run."""
    folder = models_dir()
    return [path.parent for path in sorted(folder.glob(f"*/{records.RECORD}"))] if folder.is_dir() else []
