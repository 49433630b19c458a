"""Commands to a run that trains in a process of its own, one a line of a stream: pause, resume, step.

The end of the stream stops the run, so that a run whose server has died ends too. A run is answered between two events;
if it is busy for longer than a moment, the process ends at once, and the state saved last is what is kept of it.
"""

import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

PATIENCE = 1.5  # seconds that a run has to stop by itself


class Control:
    """Commands from a file descriptor, read by a thread: read unbuffered, as a buffer's lock would outlive the thread.

    Attributes:
        stopped: whether the stream has ended.
    """

    def __init__(self, descriptor: int) -> None:
        self._news = threading.Condition()
        self._paused, self._steps, self.stopped = False, 0, False
        self._ended = False
        threading.Thread(target=self._read, args=(descriptor,), daemon=True, name="sslviz-control").start()

    def drive(self, events: Generator[Any, str | None, None]) -> Iterator[Any]:
        """Pass the events of `train.fit` on, with "paused" and "resumed" among them, until done or stopped."""
        event, told = next(events), False
        yield event
        while True:
            if self._paused != told:
                told = not told
                yield _bare(event, "paused" if told else "resumed")
                continue
            with self._news:
                self._news.wait_for(lambda told=told: not told or not self._paused or self._steps or self.stopped)
                if told and not self._paused and not self.stopped:
                    continue
            if self.stopped:
                events.close()
                return
            with self._news:
                wish = "step" if self._steps else None
            try:
                event = events.send(wish)
            except StopIteration:
                return
            if wish and event.event == "step":
                with self._news:
                    self._steps = max(0, self._steps - 1)
            yield event

    def end(self) -> None:
        """Say that the process has stopped by itself, or is about to."""
        self._ended = True

    def _read(self, descriptor: int) -> None:
        words = b""
        while chunk := os.read(descriptor, 4096):
            *lines, words = (words + chunk).split(b"\n")
            words = words[-64:]
            for line in lines:
                self._obey(line.strip())
        with self._news:
            self.stopped = True
            self._news.notify_all()
        threading.Event().wait(PATIENCE)
        if not self._ended:
            os._exit(0)

    def _obey(self, word: bytes) -> None:
        with self._news:
            if word in (b"pause", b"step"):
                self._paused = True
                self._steps = min(self._steps + 1, 10) if word == b"step" else 0
            elif word == b"resume":
                self._paused, self._steps = False, 0
            self._news.notify_all()


def _bare(event: Any, kind: str) -> Any:
    """An event of the same moment that tells nothing else."""
    return replace(event, event=kind, losses={}, monitor={}, gradients={}, path=None, info={}, images_per_second=None)
