"""Signals that end a command: a training stops at a step and keeps its state, anything else is left at once.

The exit status is the shell's own: 128 and the signal's number, 130 for Ctrl-C (SIGINT), 143 for SIGTERM.
"""

import dataclasses
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from sslviz.jobs.protocol import Done, Moment, Stopped


class Interrupted(BaseException):
    """A command was ended by a signal.

    Attributes:
        number: of the signal.
        step: from which a training goes on; None where no state was kept of what was ended.
    """

    def __init__(self, number: int, message: str = "", *, step: int | None = None) -> None:
        super().__init__(message)
        self.number, self.step = number, step


@contextmanager
def _handled(handler: object) -> Iterator[None]:
    """Handle SIGINT and SIGTERM within the block; outside the main thread signals stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in before.items():
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(number, old)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted`, so that files which are being written are tidied up."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(end):
        yield


def until_interrupted(events: Generator[Moment, str | None, None]) -> Iterator[Moment]:
    """Pass the events of `fit` on; SIGINT or SIGTERM ends the run at its next event, which closes `fit` and so keeps
    its state, and `Stopped` with that step is the last event. A second signal ends the run at once.

    Raises:
        Interrupted: after `Stopped`, with the signal and the step of the state; the second signal's message is "".
    """
    told: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if len(told) > 1:
            raise Interrupted(number)

    with _handled(note):
        for event in events:
            yield event
            if not told or isinstance(event, Done):
                continue
            events.close()
            yield Stopped(**{item.name: getattr(event, item.name) for item in dataclasses.fields(Moment)})
            raise Interrupted(told[0], f"stopped at step {event.step:,}; its state is kept", step=event.step)
