"""Training runs for many people on one machine: a bounded queue of processes, with limits that hold by themselves.

Knows nothing of streamlit: the app keeps one of these for all its sessions.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.jobs import process
from sslviz.jobs.request import Order
from sslviz.paths import models_dir
from sslviz.store import checkpoint

log = logging.getLogger("sslviz.app")


@dataclass(frozen=True)
class Limits:
    """What training may take of a machine that many share.

    Attributes:
        running: runs at once.
        waiting: runs that may wait.
        kept: ended runs that are remembered.
        unfinished: runs on disk that could be resumed; the oldest go first.
        minutes: largest budget of a run.
        overtime: a run may take so many times its budget, evaluations and a busy machine included.
        steps: of a run.
        grace: seconds for which a run goes on, or waits, when nobody has its page open any more.
        idle: seconds that a run may pause.
        patience: seconds that a stopped process has before it is killed.
    """

    running: int = 1
    waiting: int = 8
    kept: int = 24
    unfinished: int = 12
    minutes: float = 60.0
    overtime: float = 3.0
    steps: int = 500_000
    grace: float = 600.0
    idle: float = 600.0
    patience: float = 4.0

    @classmethod
    def here(cls) -> Limits:
        """The limits that the environment sets: `SSLVIZ_TRAIN_RUNNING` and `SSLVIZ_TRAIN_MINUTES`.

        Raises:
            UserError: a setting that is no number above 0.
        """
        found: dict[str, Any] = {}
        for name, kind in (("running", int), ("minutes", float)):
            text = os.environ.get(f"SSLVIZ_TRAIN_{name.upper()}")
            if text is not None:
                try:
                    found[name] = kind(text)
                except ValueError:
                    found[name] = 0
                if not 0 < found[name] < 10_000:
                    raise UserError(f"SSLVIZ_TRAIN_{name.upper()} is {text!r}: set it to a number above 0.")
        return cls(**found)


class Trainer:
    """A queue of training runs, each a process of its own, at most one for each owner.

    Whoever has a run's id, which can't be guessed, may watch it and command it; nothing else tells of it.
    """

    def __init__(self, limits: Limits = Limits(), command: tuple[str, ...] = process.COMMAND) -> None:
        self.limits, self._command = limits, command
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, process.Run] = OrderedDict()  # by id, in the order of the queue
        self._owners: dict[str, str] = {}  # id of a run that waits or works -> owner
        self._viewers: dict[str, set[str]] = {}
        self._alone: dict[str, float] = {}  # id -> since when nobody looks
        self._idle: dict[str, float] = {}  # id -> since when it pauses
        self._watchdog: threading.Thread | None = None

    def submit(self, order: Order, owner: str) -> str:
        """Queue a run and return its id.

        Raises:
            UserError: the owner has a run, the queue is full, or the name is taken.
        """
        with self._lock:
            self._check(owner, order.minutes)
            folder = self._folder(order)
            identity = secrets.token_urlsafe(16)
            run = process.Run(
                replace(order, name=folder.name), folder, key=process.key_of(identity), command=self._command
            )
            self._prune()
            self._enter(identity, run, owner)
            return identity

    def resume(self, identity: str, owner: str) -> None:
        """Queue a run again that has stopped, failed or been cut off; it goes on from the state saved last.

        Raises:
            UserError: there is no state, the owner has another run, or the queue is full.
        """
        with self._lock:
            before = self.snapshot(identity)
            if before is None or before.trained:
                raise UserError("There is nothing to resume here: train again.")
            if before.live:
                return
            self._check(owner, before.order.minutes)
            run = process.Run(before.order, before.folder, key=process.key_of(identity), command=self._command)
            run.snapshot = replace(before, state="waiting", error="", stopping=False)
            self._runs.pop(identity, None)
            self._enter(identity, run, owner)

    def snapshot(self, identity: str) -> process.Snapshot | None:
        """What is known of a run, from before a restart of the server too; None where there is no such run."""
        with self._lock:
            if identity not in self._runs:
                key = process.key_of(identity)
                found = next((run for run in map(process.read, _folders()) if run and run[0] == key), None)
                if found is None:
                    return None
                old = process.Run(found[1].order, found[1].folder, key=key, command=self._command)
                old.snapshot = found[1]
                self._remember(identity, old)
            snapshot = self._runs[identity].snapshot
            if snapshot.state == "waiting":
                before = list(self._owners)
                return replace(snapshot, place=before.index(identity) if identity in before else 0)
            return snapshot

    def of(self, owner: str) -> str | None:
        """The id of an owner's run that waits or works."""
        with self._lock:
            return next((identity for identity, other in self._owners.items() if other == owner), None)

    def owner(self, identity: str) -> str | None:
        """Whose a run is that waits or works: a second tab that knows the id takes the name over."""
        return self._owners.get(identity)

    def send(self, identity: str, word: str) -> None:
        """Send "pause", "resume" or "step" to a run."""
        with self._lock:
            if identity in self._owners and word in ("pause", "resume", "step"):
                self._runs[identity].send(word)

    def stop(self, identity: str, reason: str = "") -> None:
        """Stop a run and keep its state."""
        with self._lock:
            if identity not in self._owners:
                return
            run = self._runs[identity]
            run.stop(reason)
            if run.began is None:
                run.snapshot = replace(run.snapshot, state="stopped", stopping=False, error=reason)
                run.write()
                self._leave(identity)

    def forget(self, identity: str) -> None:
        """Read an ended run again from the disk when it is next asked for: it may have been renamed or deleted."""
        with self._lock:
            if identity not in self._owners:
                self._runs.pop(identity, None)

    def join(self, identity: str, viewer: str) -> None:
        """Say that somebody looks at a run."""
        with self._lock:
            if identity in self._owners:
                self._viewers.setdefault(identity, set()).add(viewer)
                self._alone.pop(identity, None)

    def part(self, viewer: str) -> None:
        """Say that somebody's browser has gone."""
        with self._lock:
            for identity, viewers in self._viewers.items():
                if viewer in viewers:
                    viewers.discard(viewer)
                    if not viewers:
                        self._alone[identity] = time.monotonic()

    def close(self) -> None:
        """Stop everything, for the end of a server or of a test."""
        with self._lock:
            for identity in list(self._owners):
                self.stop(identity, "The server was stopped.")

    # --- inside, with the lock held ---

    def _check(self, owner: str, minutes: float) -> None:
        if self.of(owner) is not None:
            raise UserError("A run of yours is waiting or working already: stop it, or wait for its end.")
        if len(self._owners) >= self.limits.waiting + self.limits.running:
            raise UserError(f"{self.limits.waiting} runs are waiting already: try again in a few minutes.")
        if not 0 < minutes <= self.limits.minutes:
            raise UserError(f"A run may take up to {self.limits.minutes:g} minutes here, not {minutes:g}.")

    def _folder(self, order: Order) -> Path:
        """Where the model goes; a name that a model or another run has is refused, or counted up where none was given.

        Raises:
            UserError: the name is taken.
        """
        taken = {path.name for path in _folders()} | {model.name for model in checkpoint.list_models()}
        taken |= {run.snapshot.folder.name for run in self._runs.values() if run.snapshot.live}
        if order.name and order.name in taken:
            raise UserError(f"There is a model or a run named {order.name} already: choose another name.")
        stem = f"{order.method}-{Path(order.dataset).stem.lower().replace('_', '-')}"[:48]
        free = (name for i in range(1, 10_000) if (name := f"{stem}-{i}") not in taken)
        return models_dir() / (order.name or next(free))

    def _enter(self, identity: str, run: process.Run, owner: str) -> None:
        self._remember(identity, run)
        self._owners[identity] = owner
        self._alone[identity] = time.monotonic()
        run.write()
        self._start()
        if self._watchdog is None:
            self._watchdog = threading.Thread(target=self._watch, daemon=True, name="sslviz-watchdog")
            self._watchdog.start()

    def _remember(self, identity: str, run: process.Run) -> None:
        self._runs[identity] = run
        ended = [other for other in self._runs if other not in self._owners and other != identity]
        for other in ended[: max(0, len(ended) - self.limits.kept)]:
            del self._runs[other]

    def _start(self) -> None:
        working = sum(self._runs[identity].began is not None for identity in self._owners)
        for identity in list(self._owners):
            run = self._runs[identity]
            if working < self.limits.running and run.began is None:
                working, run.began = working + 1, time.monotonic()
                threading.Thread(target=self._work, args=(identity, run), daemon=True, name="sslviz-run").start()

    def _work(self, identity: str, run: process.Run) -> None:
        try:
            end = run.work()
        except Exception:
            log.exception("a run's thread failed")
            run.kill()
            end = replace(run.snapshot, state="failed", error="The run failed; the server's log says why.")
        with self._lock:
            run.snapshot = end
            self._leave(identity)
            run.write()

    def _leave(self, identity: str) -> None:
        for record in (self._owners, self._viewers, self._alone, self._idle):
            record.pop(identity, None)
        self._start()

    def _prune(self) -> None:
        """Delete the oldest unfinished runs that nobody works on."""
        busy = {self._runs[identity].snapshot.folder.name for identity in self._owners}
        unfinished = [
            path for path in _folders() if path.name not in busy and not (path / checkpoint.WEIGHTS).is_file()
        ]
        unfinished.sort(key=lambda path: (path / process.RECORD).stat().st_mtime)
        for path in unfinished[: max(0, len(unfinished) + 1 - self.limits.unfinished)]:
            shutil.rmtree(path, ignore_errors=True)

    def _watch(self) -> None:
        """Hold the runs to their limits until there are none."""
        while True:
            time.sleep(0.25)
            with self._lock:
                if not self._owners:
                    self._watchdog = None
                    return
                for identity in list(self._owners):
                    self._judge(identity, self._runs[identity], time.monotonic())

    def _judge(self, identity: str, run: process.Run, now: float) -> None:
        limits, snapshot = self.limits, run.snapshot
        if snapshot.state == "paused":
            self._idle.setdefault(identity, now)
        elif identity in self._idle:
            run.began += now - self._idle.pop(identity)  # what a run spends paused is not held against it
        worked = self._idle.get(identity, now)  # when it last did
        if run.stopped_at is not None:
            if now - run.stopped_at > limits.patience:
                run.kill()
        elif now - self._alone.get(identity, now) > limits.grace:
            self.stop(identity, "Nobody had its page open any more, so the run was stopped; it can go on.")
        elif now - worked > limits.idle:
            self.stop(identity, "The run paused for long while it held its place, so it was stopped; it can go on.")
        elif run.began is not None and worked - run.began > 60 * (limits.overtime * snapshot.order.minutes + 2):
            self.stop(identity, "The run took far longer than its budget, so it was stopped; it can go on.")
        elif snapshot.step > limits.steps:
            self.stop(identity, f"The run has done the {limits.steps:,} steps that a run may do here.")


def _folders() -> list[Path]:
    """Folders that hold, or held, a run."""
    folder = models_dir()
    return [path.parent for path in sorted(folder.glob(f"*/{process.RECORD}"))] if folder.is_dir() else []
