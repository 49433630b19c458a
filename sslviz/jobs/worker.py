"""Work in the background: one thread with a bounded queue for what takes seconds; `jobs` is for what takes minutes.

Knows nothing of streamlit: the app keeps one of these for all its sessions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sslviz.errors import UserError

log = logging.getLogger("sslviz.app")


class Stopped(Exception):
    """Raised inside a job when nobody wants its result any more."""


@dataclass(frozen=True)
class Progress:
    """A snapshot of a job: "waiting", "running", "done", "failed" or "stopped".

    Attributes:
        state: as above.
        stage: what it is doing, in words.
        fraction: how far it is, in [0, 1].
        seconds: since it began.
        place: jobs before it in the queue.
        result: what it returned, once done.
        error: one sentence, once failed.
    """

    state: str = "waiting"
    stage: str = "starting"
    fraction: float = 0.0
    seconds: float = 0.0
    place: int = 0
    result: Any = None
    error: str = ""


class Worker:
    """One background thread with a bounded queue: at most one job an owner; the same job asked for twice runs once.

    A job is `work(report) -> result`; it calls `report(stage, fraction)` often, which raises `Stopped` once the job
    was stopped, or was not looked at for `GRACE` seconds because its browser is gone.
    """

    WAITING, KEPT, GRACE = 8, 24, 60.0

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._jobs: OrderedDict[tuple, Progress] = OrderedDict()
        self._work: dict[tuple, Callable] = {}
        self._owners: dict[tuple, set[str]] = {}
        self._seen: dict[tuple, float] = {}
        threading.Thread(target=self._run, daemon=True, name="sslviz-worker").start()

    def submit(self, key: tuple, owner: str, work: Callable[[Callable[[str, float], None]], Any]) -> None:
        """Queue a job, or join the one with this key; an owner's other job is stopped.

        Raises:
            UserError: the queue is full.
        """
        with self._lock:
            for other in [k for k, owners in self._owners.items() if owner in owners and k != key]:
                self._leave(other, owner)
            state = self._jobs[key].state if key in self._jobs else None
            if state in ("waiting", "running"):
                self._owners[key].add(owner)
            if state in ("waiting", "running", "done"):
                return
            if len(self._work) >= self.WAITING:
                raise UserError(f"{len(self._work)} jobs are waiting already: try again in a minute.")
            self._jobs.pop(key, None)
            self._jobs[key], self._work[key], self._owners[key] = Progress(), work, {owner}
            self._seen[key] = time.monotonic()
            finished = [k for k, p in self._jobs.items() if p.state in ("done", "failed", "stopped")]
            for old in finished[: max(0, len(self._jobs) - self.KEPT)]:
                del self._jobs[old]
            self._lock.notify()

    def progress(self, key: tuple) -> Progress | None:
        """Return a job's snapshot, or None where there is no such job."""
        with self._lock:
            if key in self._work:
                self._seen[key] = time.monotonic()
            snapshot = self._jobs.get(key)
            if snapshot is not None and snapshot.state == "waiting":
                return replace(snapshot, place=list(self._work).index(key))
            return snapshot

    def stop(self, key: tuple, owner: str) -> None:
        """Let go of a job; it ends when nobody else wants it."""
        with self._lock:
            self._leave(key, owner)

    def _leave(self, key: tuple, owner: str) -> None:
        self._owners.get(key, set()).discard(owner)
        if key in self._work and not self._owners[key]:
            self._end(key, Progress("stopped", stage="stopped"))

    def _end(self, key: tuple, end: Progress) -> None:
        """Keep how a job ended, and nothing else of it: work, owners and looks are of waiting and running jobs only."""
        self._jobs[key] = end
        for record in (self._work, self._owners, self._seen):
            del record[key]

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._work:
                    self._lock.wait()
                key = next(iter(self._work))
                work, started = self._work[key], time.monotonic()
                self._jobs[key] = Progress("running", "starting")

            def report(stage: str, fraction: float, *, key=key, work=work, started=started) -> None:
                with self._lock:
                    if self._work.get(key) is not work or time.monotonic() - self._seen[key] > self.GRACE:
                        raise Stopped
                    spent = time.monotonic() - started
                    self._jobs[key] = Progress("running", stage, min(1.0, max(0.0, fraction)), spent)

            try:
                result = work(report)
                end = Progress("done", "done", 1.0, time.monotonic() - started, result=result)
            except Stopped:
                end = Progress("stopped", "stopped")
            except UserError as error:
                end = Progress("failed", error=str(error))
            except Exception:
                log.exception("a job failed")
                end = Progress("failed", error="The work failed; the server's log says why.")
            with self._lock:
                if self._work.get(key) is work:  # else it was stopped, and may have been asked for again since
                    self._end(key, end)
