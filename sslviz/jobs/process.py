"""One training run in a process of its own: what it is told, what it tells, and what is kept of it on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.jobs.request import Order
from sslviz.paths import ROOT
from sslviz.store import checkpoint

log = logging.getLogger("sslviz.app")

COMMAND = (sys.executable, "-u", "-m", "sslviz")
RECORD, STATE, PICTURES = "run.json", "state.pt", "live"  # in a run's folder: what is known, what it resumes from
POINTS, LOOKS = 600, 200  # kept of the loss curve and of the evaluations; curves are thinned, not cut
LIVE = ("waiting", "starting", "running", "paused")


@dataclass(frozen=True)
class Point:
    """A step's losses."""

    step: int
    epoch: float
    losses: dict[str, float]


@dataclass(frozen=True)
class Look:
    """An evaluation while training, and the file of its pictures."""

    step: int
    epoch: float
    monitor: dict[str, float]
    path: str


@dataclass(frozen=True)
class Snapshot:
    """What is known of a run at a moment; never changed, only replaced.

    Attributes:
        order: what was asked for.
        folder: of the model to be.
        state: "waiting", "starting", "running", "paused", "done", "stopped", "failed", or "cut off" where the server
            ended before the run did.
        place: runs before it in the queue.
        step, epoch, progress, seconds, seconds_left, images_per_second: as in `train.Event`.
        losses, gradients: of the newest step that was told.
        detail: file of the pictures of a step that was asked for alone, and `detail_step` its number.
        points, looks: the curves so far.
        info: of the start (hardware, source, command, parameters), and what was forecast.
        maps: those that are stored beside the model.
        stopping: whether it was asked to stop.
        error: one sentence, where it failed or was stopped for a reason.
    """

    order: Order
    folder: Path
    state: str = "waiting"
    place: int = 0
    step: int = 0
    epoch: float = 0.0
    progress: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    images_per_second: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    detail: str = ""
    detail_step: int = -1
    points: tuple[Point, ...] = ()
    looks: tuple[Look, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    stopping: bool = False
    error: str = ""

    @property
    def live(self) -> bool:
        """Whether it waits or works."""
        return self.state in LIVE

    @property
    def trained(self) -> bool:
        """Whether there is a model."""
        return (self.folder / checkpoint.WEIGHTS).is_file()

    @property
    def resumable(self) -> bool:
        """Whether it can go on from a saved state."""
        return not self.live and not self.trained and (self.folder / STATE).is_file()


class Run:
    """A run's process: `work` is called once, in a thread; everything else may be called from any thread."""

    def __init__(self, order: Order, folder: Path, *, key: str, command: Sequence[str] = COMMAND) -> None:
        self.key, self._command = key, tuple(command)
        self.snapshot = Snapshot(order, folder)
        self.process: subprocess.Popen | None = None
        self.began: float | None = None
        self.stopped_at: float | None = None
        self._stride, self._reason = 1, ""

    def work(self) -> Snapshot:
        """Run the command to its end, keep the snapshot up to date, and return how it ended."""
        if self.stopped_at is not None:
            return self._end(0, False, [])
        before = self.snapshot
        steps = before.info.get("steps")
        words = before.order.words()
        if (before.folder / STATE).is_file() and steps:  # as the run began: in steps, whatever the minutes gave
            words = [*words[:-2], "--steps", str(steps), "--resume"]
        words += ["--live", "--json", "--control", "stdin", "--out", str(before.folder)]
        self.snapshot = replace(before, state="starting", error="")
        self.began, tail, done = time.monotonic(), deque[str](maxlen=40), False
        try:
            self.process = subprocess.Popen(
                [*self._command, *words], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            if self.stopped_at is not None:  # stopped while it started
                self._close()
            for line in self.process.stdout:
                try:
                    event = json.loads(line)
                    done = done or event["event"] == "done"
                    self._hear(event)
                except (ValueError, KeyError, TypeError):
                    tail.append(line.rstrip()[:2000])
            code = self.process.wait()
        except OSError as error:
            log.exception("a run could not start")
            code, tail = 1, deque([f"sslviz train: The training process could not start ({error.strerror})."])
        self._close()
        return self._end(code, done, list(tail))

    def send(self, word: str) -> None:
        """Send "pause", "resume" or "step"."""
        if self.process and self.process.stdin and self.snapshot.live:
            with contextlib.suppress(OSError, ValueError):
                self.process.stdin.write(f"{word}\n")
                self.process.stdin.flush()

    def stop(self, reason: str = "") -> None:
        """End the run, keeping its state; it has a second or two to do so."""
        if self.stopped_at is None:
            self.stopped_at, self._reason = time.monotonic(), reason
            self.snapshot = replace(self.snapshot, stopping=True)
            self._close()

    def kill(self) -> None:
        """End the process now."""
        if self.process and self.process.poll() is None:
            self.process.kill()

    def _close(self) -> None:
        if self.process and self.process.stdin:
            with contextlib.suppress(OSError, ValueError):
                self.process.stdin.close()

    def _hear(self, event: dict[str, Any]) -> None:
        """Take one event into the snapshot."""
        now, kind = self.snapshot, event["event"]
        if kind in ("estimate", "start"):
            now = replace(now, info=now.info | event.get("info", {}))
        elif kind == "storing":
            pass
        elif kind == "stored":
            now = replace(now, maps=(*now.maps, event["map"]))
        else:
            moment = {key: event[key] for key in ("step", "epoch", "progress", "seconds")}
            now = replace(now, **moment, seconds_left=event.get("seconds_left"))
            now = replace(now, state={"paused": "paused", "resumed": "running"}.get(kind, now.state))
        if kind == "step":
            now = replace(
                now,
                state="running" if now.state == "starting" else now.state,
                losses=event["losses"],
                gradients=event.get("gradients", {}),
                images_per_second=event.get("images_per_second"),
                points=self._thinned(now.points, Point(event["step"], event["epoch"], event["losses"])),
            )
            if event.get("path"):
                now = replace(now, detail=event["path"], detail_step=event["step"])
        elif kind == "monitor":
            look = Look(event["step"], event["epoch"], event.get("monitor", {}), event.get("path", ""))
            now = replace(now, looks=(*now.looks, look)[-LOOKS:])
        self.snapshot = replace(now, stopping=self.stopped_at is not None)
        if kind in ("start", "monitor", "saved", "done", "stored"):
            self.write()

    def _thinned(self, points: tuple[Point, ...], new: Point) -> tuple[Point, ...]:
        """Add a point, and drop every other one when there are too many; those left stay evenly apart."""
        if points and new.step < points[-1].step + self._stride:
            return points
        if len(points) >= POINTS:
            points = points[::2]
            self._stride = max(2 * self._stride, points[1].step - points[0].step)
        return (*points, new)

    def _end(self, code: int, done: bool, tail: list[str]) -> Snapshot:
        now, error = self.snapshot, self._reason
        kept = "what it had learnt is kept" if (now.folder / STATE).is_file() else "nothing of it was kept"
        if done or now.trained:
            state, error = "done", ""
        elif self.stopped_at is not None or code == 0:
            state = "stopped"
        else:
            state = "failed"
            said = [line.removeprefix("sslviz train: ") for line in tail if line.startswith("sslviz train: ")]
            if code < 0:
                name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
                error = f"The training process was ended from outside ({name}), perhaps for want of memory; {kept}."
            elif said:
                error = said[-1]
            else:
                log.error("a run failed: %s", "\n".join(tail))
                error = f"The training process failed, and the server's log says why; {kept}."
        return replace(now, state=state, error=error, stopping=False, seconds_left=None)

    def write(self) -> None:
        """Keep what is known of the run beside its state, for whoever comes with its id after a restart."""
        content = {"key": self.key} | asdict(replace(self.snapshot, info=self.snapshot.info))
        content["folder"] = str(self.snapshot.folder)
        try:
            with checkpoint.writing(self.snapshot.folder):
                checkpoint.write_json(content, self.snapshot.folder / RECORD)
        except UserError as error:
            log.warning("a run's record was not written: %s", error)


def key_of(identity: str) -> str:
    """What is kept on disk of a run's id, so that nobody who reads the disk gets hold of the run."""
    return hashlib.sha256(identity.encode()).hexdigest()


def read(folder: Path) -> tuple[str, Snapshot] | None:
    """The key and the last known snapshot of a run; None where the folder has no readable record."""
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        key = content.pop("key")
        order = content["order"] | {"options": tuple(content["order"]["options"]), "name": folder.name}  # if renamed
        content["order"] = Order(**order)
        content["points"] = tuple(Point(**point) for point in content["points"])
        looks = (Look(**look) for look in content["looks"])
        content["looks"] = tuple(
            replace(look, path=look.path and str(folder / PICTURES / Path(look.path).name)) for look in looks
        )
        snapshot = Snapshot(**content | {"folder": folder, "maps": tuple(content["maps"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if snapshot.trained:
        snapshot = replace(snapshot, state="done", error="")
    elif snapshot.live:
        snapshot = replace(snapshot, state="cut off", stopping=False, seconds_left=None)
    return str(key), snapshot


def estimate(order: Order, report: Callable[[str, float], None], *, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """Measure a few steps of a run in a process of its own: see `forecast.Forecast`. A job of `jobs.Worker`.

    Raises:
        UserError: the run does not fit, or can't be made.
    """
    return _answer([*command, *order.words(), "--estimate"], "measuring a few steps", 4.0, report)


def store_maps(name: str, report: Callable[[str, float], None], *, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """Store an own model's representations and maps in a process of its own. A job of `jobs.Worker`.

    Raises:
        UserError: there is no such model of one's own.
    """
    return _answer([*command, "models", "maps", name], "encoding the test images, then UMAP", 30.0, report)


def _answer(words: list[str], doing: str, half: float, report: Callable[[str, float], None]) -> dict[str, Any]:
    """Run a command to its end and return the JSON object that it prints; `half` is when the bar stands half way, s."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)  # its input ends with this process, so it too
    process = subprocess.Popen([*words, "--json", "--control", "stdin"], cwd=ROOT, env=env, text=True, **pipes)
    began = time.monotonic()
    try:
        while process.poll() is None:
            report(doing, 1 - 2 ** -((time.monotonic() - began) / half))
            time.sleep(0.1)
    finally:
        process.kill()
        out, errors = process.communicate()
    if process.returncode == 0:
        return json.loads(out.splitlines()[-1])
    said = [line.split(": ", 1)[1] for line in errors.splitlines() if re.match("sslviz [a-z ]+: ", line)]
    if said:
        raise UserError(said[-1])
    log.error("a command failed: %s", errors[-4000:])
    raise UserError("The work failed; the server's log says why.")
