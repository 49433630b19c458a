"""Work in the background: one thread with a bounded queue for what takes seconds; `queue` is for what takes minutes.

Knows nothing of streamlit: the app keeps one of these for all its sessions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs.limits import Guest

log = logging.getLogger("sslviz.app")

Report = Callable[[str, float], None]  # what a job is doing, in words, and how far it is, in [0, 1]


class Stopped(Exception):
    """Raised inside a job when nobody wants its result any more."""


@dataclass(frozen=True)
class Progress:
    """How a job stands: "waiting", "running", "done", "failed" or "stopped".

    Attributes:
        state: as above.
        stage: what it is doing, in words.
        fraction: how far it is, in [0, 1].
        seconds: since it began.
        place: jobs before it in the queue.
        wait_seconds: until it begins, by what those before it are expected to take.
        result: what it returned, once done; while it runs, what it has found so far, if it tells that.
        error: one sentence, once failed.
    """

    state: str = "waiting"
    stage: str = "starting"
    fraction: float = 0.0
    seconds: float = 0.0
    place: int = 0
    wait_seconds: float = 0.0
    result: Any = None
    error: str = ""


@dataclass
class _Job:
    """A job that waits or runs: its work, who wants it, what it is expected to take, and when it was last looked at."""

    work: Callable[[Telling], Any]
    seconds: float
    longest: float
    lasting: bool
    seen: float
    guests: list[Guest] = field(default_factory=list)
    began: float | None = None


class Worker:
    """One background thread with a bounded queue: at most one job of a kind an owner; a job asked for twice runs once.

    A job is `work(report) -> result`; it calls `report(stage, fraction)` often, which raises `Stopped` once the job
    was stopped, or was not looked at for `GRACE` seconds because its browser is gone, and `UserError` once it has
    taken as long as it may, or is so slow that it would. What it has so far it may tell with `report.found(result)`.

    Args:
        clock: seconds that only grow.
        rest: called in the worker's thread when there has been no work for `IDLE` seconds.
    """

    WAITING, KEPT, GRACE = 8, 24, 60.0
    LEFT = 5.0  # seconds that a job goes on when the last browser that wanted it has gone: it may be a reload
    QUEUED = 900.0  # seconds that all jobs together may be expected to take
    EACH = 4  # jobs that one browser may have at once, of several kinds or in several tabs
    LONGEST = 600.0  # seconds that a job may take, unless more is asked for
    JUDGED = 10.0  # seconds after which the pace of a job is taken for what it is
    IDLE = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, rest: Callable[[], None] = lambda: None) -> None:
        self._clock, self._rest = clock, rest
        self._lock = threading.Condition()
        self._progress: OrderedDict[tuple, Progress] = OrderedDict()
        self._jobs: OrderedDict[tuple, _Job] = OrderedDict()  # those that wait or run, in their order
        threading.Thread(target=self._run, daemon=True, name="sslviz-worker").start()

    def submit(
        self,
        key: tuple,
        guest: Guest,
        work: Callable[[Telling], Any],
        *,
        seconds: float = 30.0,
        longest: float = LONGEST,
        lasting: bool = False,
    ) -> None:
        """Queue a job, or join the one with this key; an owner's other job of this kind is stopped.

        Args:
            key: of the job, its kind first: the same for the same work.
            guest: who asks.
            work: the job.
            seconds: what it is expected to take.
            longest: seconds that it may take: more for what only waits, as a download does.
            lasting: whether it goes on when nobody looks, as what it leaves on the disk is of use to others too.

        Raises:
            UserError: the queue is full, or the guest has too many jobs.
        """
        with self._lock:
            for other in [k for k, job in self._jobs.items() if guest in job.guests and k != key and k[:1] == key[:1]]:
                self._leave(other, guest)
            state = self._progress[key].state if key in self._progress else None
            if key in self._jobs:
                if guest not in self._jobs[key].guests:
                    self._jobs[key].guests.append(guest)
                return
            if state == "done":
                return
            self._check(guest, seconds, longest)
            self._progress.pop(key, None)
            self._progress[key] = Progress()
            self._jobs[key] = _Job(work, seconds, longest, lasting, self._clock(), [guest])
            finished = [k for k in self._progress if k not in self._jobs]
            for old in finished[: max(0, len(self._progress) - self.KEPT)]:
                del self._progress[old]
            self._lock.notify()

    def progress(self, key: tuple) -> Progress | None:
        """How a job stands, or None where there is no such job."""
        with self._lock:
            if key in self._jobs:
                self._jobs[key].seen = self._clock()
            found = self._progress.get(key)
            if found is not None and found.state == "waiting":
                place = list(self._jobs).index(key)
                return replace(found, place=place, wait_seconds=self._wait(key))
            return found

    def stop(self, key: tuple, guest: Guest) -> None:
        """Let go of a job; it ends when nobody else wants it."""
        with self._lock:
            self._leave(key, guest)

    def part(self, guest: Guest) -> None:
        """Say that somebody's browser has gone: what nobody else wants ends, unless it is looked at again at once."""
        with self._lock:
            for job in self._jobs.values():
                if job.guests == [guest] and not job.lasting:
                    job.seen = min(job.seen, self._clock() - self.GRACE + self.LEFT)

    # --- inside, with the lock held ---

    def _check(self, guest: Guest, seconds: float, longest: float) -> None:
        theirs = sum(any(other.same_as(guest) for other in job.guests) for job in self._jobs.values())
        if theirs >= self.EACH:
            raise UserError(
                f"{theirs} computations of yours are waiting or running already: stop one of them, or wait for its end."
            )
        if seconds > longest:
            raise UserError(_too_long(seconds, longest), code=ErrorCode.COST)
        ahead = self._wait(None)
        if len(self._jobs) >= self.WAITING or (self._jobs and ahead + seconds > self.QUEUED):
            raise UserError(
                f"{len(self._jobs)} computations are waiting already, some {ahead / 60:.0f} minutes of work: try again "
                "in a minute.",
                code=ErrorCode.COST,
            )

    def _wait(self, key: tuple | None) -> float:
        """Seconds until a job (None: one that is asked for now) begins."""
        total = 0.0
        for other, job in self._jobs.items():
            if other == key:
                break
            total += self._left(other, job)
        return total

    def _left(self, key: tuple, job: _Job) -> float:
        """Seconds that a job still takes: by its pace once it has one, else as expected."""
        if job.began is None:
            return job.seconds
        spent, fraction = self._clock() - job.began, self._progress[key].fraction
        if spent > self.JUDGED and fraction > 0.05:
            return spent * (1 - fraction) / fraction
        return max(0.0, job.seconds - spent)

    def _leave(self, key: tuple, guest: Guest) -> None:
        job = self._jobs.get(key)
        if job is not None:
            job.guests = [other for other in job.guests if other != guest]
            if not job.guests:
                self._end(key, Progress("stopped", stage="stopped"))

    def _end(self, key: tuple, end: Progress) -> None:
        """Keep how a job ended, and nothing else of it."""
        self._progress[key] = end
        del self._jobs[key]

    def _forget(self, key: tuple) -> None:
        """Keep nothing of a job whose browser has gone: whoever looks next asks for it anew, and did not stop it."""
        del self._progress[key], self._jobs[key]

    # --- the thread ---

    def _run(self) -> None:
        while True:
            key, job = self._next()
            end: Progress | None
            try:
                result = job.work(Telling(self, key, job))
                end = Progress("done", "done", 1.0, self._clock() - (job.began or 0.0), result=result)
            except Stopped:
                end = None
            except UserError as error:
                end = Progress("failed", error=str(error))
            except Exception:
                log.exception("a job failed")
                end = Progress("failed", error="The work failed; the server's log says why.")
            with self._lock:
                if self._jobs.get(key) is job:  # else it was stopped, and may have been asked for again since
                    self._end(key, end) if end else self._forget(key)

    def _next(self) -> tuple[tuple, _Job]:
        """Wait for a job, and begin it."""
        with self._lock:
            while True:
                while not self._jobs:
                    if not self._lock.wait(self.IDLE) and not self._jobs:
                        self._rest()
                key, job = next(iter(self._jobs.items()))
                if job.lasting or self._clock() - job.seen <= self.GRACE:
                    job.began, self._progress[key] = self._clock(), Progress("running", "starting")
                    return key, job
                self._forget(key)

    def _report(self, key: tuple, job: _Job, stage: str, fraction: float) -> None:
        with self._lock:
            now = self._clock()
            gone = not job.lasting and now - job.seen > self.GRACE
            if self._jobs.get(key) is not job or gone:
                raise Stopped
            spent = now - (job.began or now)
            expected = spent / fraction if fraction > 0.02 and spent > self.JUDGED else spent
            if max(spent, expected / 2) > job.longest:  # the pace of a beginning is uncertain by a factor of two
                raise UserError(_too_long(max(spent, expected), job.longest), code=ErrorCode.COST)
            fraction = min(1.0, max(0.0, fraction))
            self._progress[key] = replace(
                self._progress[key], state="running", stage=stage, fraction=fraction, seconds=spent
            )

    def _found(self, key: tuple, job: _Job, result: Any) -> None:
        with self._lock:
            if self._jobs.get(key) is not job:
                raise Stopped
            self._progress[key] = replace(self._progress[key], result=result)


class Telling:
    """What a job is given to tell of itself: how far it is, and what it has found so far."""

    def __init__(self, worker: Worker, key: tuple, job: _Job) -> None:
        self._worker, self._key, self._job = worker, key, job

    def __call__(self, stage: str, fraction: float) -> None:
        self._worker._report(self._key, self._job, stage, fraction)

    def found(self, result: Any) -> None:
        """Show this while the job goes on."""
        self._worker._found(self._key, self._job, result)


def _too_long(seconds: float, most: float) -> str:
    return (
        f"This would take some {seconds / 60:.0f} minutes here, and a computation may take {most / 60:.0f}: choose "
        "fewer images or labels, or a smaller model."
    )
