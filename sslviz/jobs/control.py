"""Commands to a run that trains in a process of its own, one a line of a stream: pause, resume, step.

The end of the stream stops the run, so that a run whose server has died ends too. A run is answered between two events;
if it is busy for longer than a moment, the process ends at once, and the state saved last is what is kept of it.
"""

import dataclasses
import os
import threading
from collections.abc import Generator, Iterator

from sslviz.jobs.protocol import (
    PAUSE,
    RESUME,
    STEP,
    Command,
    Done,
    Moment,
    Paused,
    ProtocolError,
    Resumed,
    Stepped,
    Stopped,
    parse_command,
)

PATIENCE = 1.5  # seconds that a run has to stop by itself
LONGEST = 64  # characters of a command


class Control:
    """Commands from a file descriptor, read by a thread: read unbuffered, as a buffer's lock would outlive the thread.

    Attributes:
        stopped: whether the stream has ended.
    """

    def __init__(self, descriptor: int) -> None:
        self._changed = threading.Condition()
        self._paused, self._steps, self.stopped = False, 0, False
        self._ended = False
        threading.Thread(target=self._read, args=(descriptor,), daemon=True, name="sslviz-control").start()

    def drive(self, events: Generator[Moment, str | None, None]) -> Iterator[Moment]:
        """Pass the events of `fit` on, with `Paused`, `Resumed` and `Stopped` among them, until done or stopped.

        `Stopped` comes only where a state has been saved: its step is the one from which the run goes on.
        """
        event, told = next(events), False  # `told`: whether the last of Paused and Resumed was Paused
        yield event
        while True:
            if self._paused != told:
                told = not told
                yield _moment(Paused if told else Resumed, event)
                continue
            with self._changed:
                while told and self._paused and not self._steps and not self.stopped:
                    self._changed.wait()
                if told and not self._paused and not self.stopped:
                    continue
                asked = STEP.word if self._steps else None
            if self.stopped:
                events.close()  # saves the state
                if not isinstance(event, Done):
                    yield _moment(Stopped, event)
                return
            try:
                event = events.send(asked)
            except StopIteration:
                return
            if asked and isinstance(event, Stepped):
                with self._changed:
                    self._steps = max(0, self._steps - 1)
            yield event

    def end(self) -> None:
        """Say that the process has stopped by itself, or is about to."""
        self._ended = True

    def _read(self, descriptor: int) -> None:
        text = b""
        while chunk := os.read(descriptor, 4096):
            *lines, text = (text + chunk).split(b"\n")
            text = text[-LONGEST:]
            for line in lines:
                try:
                    self._obey(parse_command(line.decode("utf-8", "replace")))
                except ProtocolError:
                    continue
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
        threading.Event().wait(PATIENCE)
        if not self._ended:
            os._exit(0)

    def _obey(self, command: Command) -> None:
        with self._changed:
            if command in (PAUSE, STEP):
                self._paused = True
                self._steps = min(self._steps + 1, 10) if command is STEP else 0
            elif command is RESUME:
                self._paused, self._steps = False, 0
            self._changed.notify_all()


def _moment(kind: type[Moment], event: Moment) -> Moment:
    """An event of another kind at the same moment."""
    return kind(**{item.name: getattr(event, item.name) for item in dataclasses.fields(Moment)})
