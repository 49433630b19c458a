"""What a run and whoever watches it tell one another: events out, commands in, one a line.

An event is a frozen dataclass and a line of JSON (`to_line`, `parse_event`); a command is a word on a line. The loop,
the process, the queue, the command line's `--json` and the page all use these types; nobody reads a sentence to decide.

Imports no torch, and nothing of ours but the error codes, so that every layer may use it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sslviz.errors import ErrorCode, UserError


class ProtocolError(ValueError):
    """A line that is no event, or no command."""


@dataclass(frozen=True)
class Event:
    """Anything that a process tells; `event` is its kind on the wire."""

    event: ClassVar[str] = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON has, without what is empty; a number that is not finite is null."""
        values = {key: _plain(value) for key, value in dataclasses.asdict(self).items() if value not in (None, {})}
        return {"event": self.event} | values

    def to_line(self) -> str:
        """The event as a line of JSON, without its end."""
        return json.dumps(self.as_dict(), allow_nan=False)


@dataclass(frozen=True)
class Moment(Event):
    """A moment of a run.

    Attributes:
        step: steps done.
        epoch: passes over the training images done.
        images: images (or sentences) seen so far.
        seconds: of training so far, earlier parts of a resumed run included.
        progress: share of the budget, in [0, 1].
        seconds_left: of training, at the pace so far; None before the first step.
    """

    step: int
    epoch: float
    images: int
    seconds: float
    progress: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Started(Moment):
    """The run begins; `info` says what it is: name, method, dataset, source, n_train, parameters, hardware, steps."""

    event: ClassVar[str] = "start"
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stepped(Moment):
    """A step is done.

    Attributes:
        images_per_second: since the last such event.
        lr: learning rate of the step.
        losses: the loss and its parts, by name.
        gradients: norm of the gradient of each part of the model.
        path: file of the step's pictures, where the step was asked for alone.
    """

    event: ClassVar[str] = "step"
    images_per_second: float | None = None
    lr: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    path: str | None = None


@dataclass(frozen=True)
class Monitored(Moment):
    """The model was evaluated as it stands: `monitor` has the measures by name, `path` the file of its pictures."""

    event: ClassVar[str] = "monitor"
    monitor: dict[str, float] = field(default_factory=dict)
    path: str | None = None


@dataclass(frozen=True)
class Saved(Moment):
    """The state at this step is on the disk, in `path`; a resumed run goes on from it."""

    event: ClassVar[str] = "saved"
    path: str | None = None


@dataclass(frozen=True)
class Paused(Moment):
    """The run waits for a command."""

    event: ClassVar[str] = "paused"


@dataclass(frozen=True)
class Resumed(Moment):
    """The run goes on after a pause."""

    event: ClassVar[str] = "resumed"


@dataclass(frozen=True)
class Stopped(Moment):
    """The run was stopped and has saved its state: it goes on from this step."""

    event: ClassVar[str] = "stopped"


@dataclass(frozen=True)
class Done(Moment):
    """Training has ended; the model is in the folder `path`, with the losses and measures of its end."""

    event: ClassVar[str] = "done"
    losses: dict[str, float] = field(default_factory=dict)
    monitor: dict[str, float] = field(default_factory=dict)
    path: str | None = None


@dataclass(frozen=True)
class Estimated(Event):
    """What a run will cost, measured before it: see `training.estimate`."""

    event: ClassVar[str] = "estimate"
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storing(Event):
    """After training: the map of this name is being fitted."""

    event: ClassVar[str] = "storing"
    map: str


@dataclass(frozen=True)
class Stored(Event):
    """After training: the map of this name lies beside the model in the folder `path`."""

    event: ClassVar[str] = "stored"
    map: str
    path: str


@dataclass(frozen=True)
class Progressed(Event):
    """How far a task is: what it is doing, in words, and a share in [0, 1]."""

    event: ClassVar[str] = "progress"
    stage: str
    fraction: float


@dataclass(frozen=True)
class Found(Event):
    """What a task has so far, while it goes on; arrays lie in `file` of the folder that its caller named."""

    event: ClassVar[str] = "found"
    file: str
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answered(Event):
    """A task has ended; `result` is what it found, and arrays lie in a file that its caller named."""

    event: ClassVar[str] = "result"
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed(Event):
    """It has failed: why, for programs, and one sentence, for people."""

    event: ClassVar[str] = "error"
    code: ErrorCode
    message: str

    @classmethod
    def of(cls, error: UserError) -> Failed:
        return cls(error.code, str(error))

    def raised(self) -> UserError:
        """The error to raise on the side that hears of it."""
        return UserError(self.message, code=self.code)


EVENTS: dict[str, type[Event]] = {
    kind.event: kind
    for kind in (Started, Stepped, Monitored, Saved, Paused, Resumed, Stopped, Done, Estimated, Storing, Stored,
                 Progressed, Found, Answered, Failed)
}  # fmt: skip


def parse_event(line: str) -> Event:
    """The event that a line of JSON tells.

    Raises:
        ProtocolError: the line is no event of this protocol.
    """
    try:
        content = json.loads(line)
        kind = EVENTS[content.pop("event")]
        known = {item.name: item for item in dataclasses.fields(kind)}
        values = {key: _measured(value) if key in ("losses", "monitor", "gradients") else value
                  for key, value in content.items() if key in known}  # fmt: skip
        if "code" in values:
            values["code"] = ErrorCode(str(values["code"]))
        event = kind(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"no event: {line[:200]!r}") from error
    if isinstance(event, Moment) and not all(_is_number(getattr(event, key)) for key in _NUMBERS):
        raise ProtocolError(f"an event with a moment that is no number: {line[:200]!r}")
    return event


_NUMBERS = ("step", "epoch", "images", "seconds", "progress")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _measured(values: dict[str, float | None]) -> dict[str, float]:
    return {key: math.nan if value is None else float(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    """A value that strict JSON can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# commands -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """What a run is told: a word on a line of its input. The end of the input stops the run, which saves its state."""

    word: str

    def to_line(self) -> str:
        """The command as a line, without its end."""
        return self.word


PAUSE, RESUME, STEP = Command("pause"), Command("resume"), Command("step")
COMMANDS = {command.word: command for command in (PAUSE, RESUME, STEP)}


def parse_command(line: str) -> Command:
    """The command on a line.

    Raises:
        ProtocolError: there is no such command.
    """
    try:
        return COMMANDS[line.strip()]
    except KeyError:
        raise ProtocolError(f"no command: {line[:40]!r}") from None
