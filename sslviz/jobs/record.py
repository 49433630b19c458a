"""What is known of a training run: a frozen record that events replace, and the file of it in the run's folder.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sslviz.errors import ErrorCode, UserError
from sslviz.files import writing
from sslviz.jobs import protocol
from sslviz.jobs.protocol import Event, Moment
from sslviz.jobs.request import TrainingRequest
from sslviz.store import checkpoint

log = logging.getLogger("sslviz.app")

RECORD, STATE, PICTURES = "run.json", "state.pt", "live"  # in a run's folder: what is known, what it resumes from
POINTS, SNAPSHOTS = 600, 200  # kept of the loss curve and of the evaluations; curves are thinned, not cut
ACTIVE = ("waiting", "starting", "running", "paused", "storing")


@dataclass(frozen=True)
class Point:
    """A step's losses."""

    step: int
    epoch: float
    losses: dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """An evaluation while training, and the file of its pictures."""

    step: int
    epoch: float
    monitor: dict[str, float]
    path: str


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run at a moment; never changed, only replaced.

    Attributes:
        request: what was asked for.
        folder: of the model to be.
        state: "waiting", "starting", "running", "paused", "storing" (maps, after training), "done", "stopped",
            "failed", or "cut off" where the server ended before the run did.
        place: runs before it in the queue.
        wait_seconds: until it begins, by the budgets and the pace of those before it.
        elapsed: seconds since its process was started.
        stage: what it does before its first step, in words.
        step, epoch, progress, seconds, seconds_left, images_per_second: as in `protocol.Moment` and `Stepped`.
        losses, gradients: of the newest step that was told.
        detail: file of the pictures of a step that was asked for alone, and `detail_step` its number.
        points, snapshots: the curves so far.
        info: of the start (hardware, source, command, parameters), and what was estimated.
        saved_step: the step of the state on the disk, from which the run goes on; None where there is no state.
        storing: name of the map that is being fitted.
        maps: those that are stored beside the model.
        stopping: whether it was asked to stop.
        error: one sentence, where it failed or was stopped for a reason, and `code` the reason for programs.
    """

    request: TrainingRequest
    folder: Path
    state: str = "waiting"
    place: int = 0
    wait_seconds: float = 0.0
    elapsed: float = 0.0
    stage: str = ""
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
    snapshots: tuple[Snapshot, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)
    saved_step: int | None = None
    storing: str = ""
    maps: tuple[str, ...] = ()
    stopping: bool = False
    error: str = ""
    code: str = ""

    @property
    def active(self) -> bool:
        """Whether it waits or works."""
        return self.state in ACTIVE

    @property
    def trained(self) -> bool:
        """Whether there is a model."""
        return (self.folder / checkpoint.WEIGHTS).is_file()

    @property
    def resumable(self) -> bool:
        """Whether it can go on from a saved state."""
        return not self.active and not self.trained and (self.folder / STATE).is_file()


def heard(record: RunRecord, event: Event) -> RunRecord:
    """The record after an event."""
    if isinstance(event, Moment):
        moment = {key: getattr(event, key) for key in ("step", "epoch", "progress", "seconds", "seconds_left")}
        record = replace(record, **moment)
    change = _CHANGES.get(type(event))
    return replace(record, **change(record, event)) if change else record


def _estimated(record: RunRecord, event: protocol.Estimated) -> dict[str, Any]:
    rate = event.info.get("images_per_second")
    stage = f"measured {rate:,.0f} images/s, preparing the run" if rate else record.stage
    return {"info": record.info | event.info, "stage": stage}


def _started(record: RunRecord, event: protocol.Started) -> dict[str, Any]:
    return {"info": record.info | event.info, "stage": "evaluating it as it stands, before any step"}


def _stepped(record: RunRecord, event: protocol.Stepped) -> dict[str, Any]:
    changes: dict[str, Any] = {"detail": event.path, "detail_step": event.step} if event.path else {}
    return changes | {
        "state": "running" if record.state == "starting" else record.state,
        "losses": event.losses,
        "gradients": event.gradients,
        "images_per_second": event.images_per_second,
        "points": _thinned(record.points, Point(event.step, event.epoch, event.losses)),
    }


def _monitored(record: RunRecord, event: protocol.Monitored) -> dict[str, Any]:
    snapshot = Snapshot(event.step, event.epoch, event.monitor, event.path or "")
    return {"snapshots": (*record.snapshots, snapshot)[-SNAPSHOTS:]}


_CHANGES: dict[type[Event], Callable[[RunRecord, Any], dict[str, Any]]] = {
    protocol.Progressed: lambda record, event: {"stage": event.stage},
    protocol.Estimated: _estimated,
    protocol.Started: _started,
    protocol.Stepped: _stepped,
    protocol.Monitored: _monitored,
    protocol.Saved: lambda record, event: {"saved_step": event.step},
    protocol.Stopped: lambda record, event: {"saved_step": event.step},
    protocol.Paused: lambda record, event: {"state": "paused"},
    protocol.Resumed: lambda record, event: {"state": "running"},
    protocol.Done: lambda record, event: {"state": "storing", "saved_step": None},
    protocol.Storing: lambda record, event: {"storing": event.map},
    protocol.Stored: lambda record, event: {"storing": "", "maps": (*record.maps, event.map)},
    protocol.Failed: lambda record, event: {"error": event.message, "code": str(event.code)},
}


def _thinned(points: tuple[Point, ...], new: Point) -> tuple[Point, ...]:
    """Add a point, and drop every other one when there are too many; those left stay evenly apart."""
    stride = points[1].step - points[0].step if len(points) > POINTS // 2 else 1
    if points and new.step < points[-1].step + stride:
        return points
    return (*(points[::2] if len(points) >= POINTS else points), new)


# on the disk --------------------------------------------------------------------------------------------------------


def key_of(identity: str) -> str:
    """What is kept on disk of a run's id, so that nobody who reads the disk gets hold of the run."""
    return hashlib.sha256(identity.encode()).hexdigest()


def write(key: str, record: RunRecord) -> None:
    """Keep what is known of a run beside its state, for whoever comes with its id after a restart."""
    content = {"key": key} | asdict(record) | {"folder": record.folder.name}
    try:
        with writing(record.folder):
            checkpoint.write_json(content, record.folder / RECORD)
    except UserError as error:
        log.warning("a run's record was not written: %s", error)


def read(folder: Path) -> tuple[str, RunRecord] | None:
    """The key and the last known record of a run; None where the folder has no readable record."""
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        key = content.pop("key")
        request = content["request"] | {"options": tuple(content["request"]["options"]), "name": folder.name}
        content["request"] = TrainingRequest(**request)  # by the folder's name: the model may have been renamed
        content["points"] = tuple(Point(**point) for point in content["points"])
        content["snapshots"] = tuple(_here(Snapshot(**found), folder) for found in content["snapshots"])
        record = RunRecord(**content | {"folder": folder, "maps": tuple(content["maps"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if record.trained:
        record = replace(record, state="done", error="", code="")
    elif record.active:
        record = replace(record, state="cut off", stopping=False, seconds_left=None, code=str(ErrorCode.ENDED))
    return str(key), record


def _here(snapshot: Snapshot, folder: Path) -> Snapshot:
    """With its pictures in the folder as it is called now."""
    return replace(snapshot, path=snapshot.path and str(folder / PICTURES / Path(snapshot.path).name))
