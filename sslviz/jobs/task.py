"""Work of seconds in a process that can be stopped: a function of ours by its name, or a command of `sslviz`.

    python -m sslviz.jobs.task      takes calls, a line of JSON each, and tells how far they are

The process imports torch once and is kept for the next call; whoever stops a call kills it. Imports no torch itself.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs.child import Child
from sslviz.jobs.process import COMMAND, ONE_THREAD
from sslviz.jobs.protocol import Answered, Event, Failed, Found, Progressed, ProtocolError, parse_event
from sslviz.jobs.request import TrainingRequest
from sslviz.jobs.worker import Report

log = logging.getLogger("sslviz.app")

HELPER = (sys.executable, "-u", "-m", "sslviz.jobs.task")
FAILED = "The work failed; the server's log says why."
GIVEN, FOUND = "given.npz", "found.npz"  # arrays of a call and of its answer
EVERY = 0.1  # seconds between two looks


class Helper:
    """A process that computes what it is called for, one call at a time; it is started when it is first needed."""

    def __init__(self, command: Sequence[str] = HELPER) -> None:
        self._command = command
        self._child: Child | None = None

    def call(
        self,
        function: str,
        report: Report,
        *,
        arrays: Mapping[str, np.ndarray] | None = None,
        found: Callable[[dict[str, Any]], None] = lambda result: None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Call a function in the process, and wait for what it returns.

        Args:
            function: "module:name" of a function that takes the arrays and arguments by name, and `report`, and returns
                a dict of arrays and of plain values.
            report: told how far it is several times a second; what it raises stops the call.
            arrays: arrays among the arguments.
            found: told what the function has so far, each time that it calls `report.found` with a dict.
            arguments: the others, which JSON can hold.

        Raises:
            UserError: as the function raised it, or it failed otherwise.
        """
        if self._child is None or self._child.returncode is not None:
            self._child = Child(self._command, env=ONE_THREAD)
        with tempfile.TemporaryDirectory(prefix="sslviz-") as folder:
            if arrays:
                _write(Path(folder) / GIVEN, arrays)
            self._child.say(json.dumps({"function": function, "arguments": arguments, "folder": folder}))
            told = None
            try:
                for told in _events(self._child, report):
                    if isinstance(told, Found):
                        found(told.result | _read(Path(folder) / Path(told.file).name))
                    if isinstance(told, Answered | Failed):
                        break
            except BaseException:
                self.close()
                raise
            if isinstance(told, Failed):
                raise told.raised()
            if not isinstance(told, Answered):
                self.close()
                raise UserError(FAILED, code=ErrorCode.ENDED)
            return told.result | _read(Path(folder) / FOUND)

    def close(self) -> None:
        """End the process; the next call starts another."""
        if self._child is not None:
            with self._child:  # its end closes and kills
                self._child = None


def estimate(request: TrainingRequest, report: Report, *, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """Measure a few steps of a run in a process of its own: see `training.estimate`. A job of `Worker`.

    Raises:
        UserError: the run does not fit, or can't be made.
    """
    return _answer([*command, *request.words(), "--estimate"], "measuring a few steps", 4.0, report)


def store_maps(name: str, report: Report, *, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """Store an own model's representations and maps in a process of its own. A job of `Worker`.

    Raises:
        UserError: there is no such model of one's own.
    """
    return _answer([*command, "models", "maps", name], "encoding the test images, then their maps", 30.0, report)


def _answer(words: Sequence[str], doing: str, half: float, report: Report) -> dict[str, Any]:
    """Run a command to its end and return the JSON object that it prints; `half` is when the bar stands half way, s."""
    began, result = time.monotonic(), None

    def timed(stage: str, fraction: float) -> None:
        share = 1 - 2 ** -((time.monotonic() - began) / half)
        report(stage or doing, fraction or min(share, 0.98))

    with Child([*words, "--json", "--control", "stdin"], env=ONE_THREAD) as child:
        for event in _events(child, timed):
            if isinstance(event, Failed):
                raise event.raised()
            if isinstance(event, Answered):
                result = event.result
    if result is None:
        raise UserError(FAILED, code=ErrorCode.BUG)
    return result


def _events(child: Child, report: Report) -> Iterator[Event]:
    """What a process tells, to its end; `report` is called all the while. A plain JSON object counts as an answer."""
    stage, fraction, tail = "starting", 0.0, deque[str](maxlen=40)
    while not child.over:
        line = child.line(EVERY)
        report(stage, fraction)
        if line is None:
            continue
        event = _event(line)
        if isinstance(event, Progressed):
            stage, fraction = event.stage, event.fraction
        elif event is not None:
            if isinstance(event, Failed) and event.code is ErrorCode.BUG:
                log.error("a process failed: %s", "\n".join(tail))
            yield event
        else:
            tail.append(line[:2000])
    if child.wait():
        log.error("a process failed: %s", "\n".join(tail))


def _event(line: str) -> Event | None:
    try:
        return parse_event(line)
    except ProtocolError:
        pass
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return Answered(content) if isinstance(content, dict) else None


def _split(found: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Write the arrays of a result to a file; the plain values that are left."""
    arrays = {key: value for key, value in found.items() if isinstance(value, np.ndarray)}
    _write(path, arrays)
    return {key: value for key, value in found.items() if key not in arrays}


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    content: dict[str, Any] = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez(path, **content)


# the process --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer calls until the input ends, and end with it, whatever is being computed then."""
    calls: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            calls.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        call = json.loads(calls.get())
        print(_compute(call["function"], call["arguments"], Path(call["folder"])).to_line(), flush=True)


class _Telling:
    """What a function is given to tell of itself: how far it is, and what it has so far."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._told, self._parts = folder, 0.0, 0

    def __call__(self, stage: str, fraction: float) -> None:
        if (now := time.monotonic()) - self._told > EVERY or fraction >= 1:
            self._told = now
            print(Progressed(stage, fraction).to_line(), flush=True)

    def found(self, result: Mapping[str, Any]) -> None:
        """Tell what is there already: a dict of arrays and plain values."""
        self._parts += 1
        file = f"part-{self._parts}.npz"
        print(Found(file, _split(result, self._folder / file)).to_line(), flush=True)


def _compute(function: str, arguments: dict[str, Any], folder: Path) -> Event:
    report = _Telling(folder)
    try:
        module, _, name = function.partition(":")
        work: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
        if (folder / GIVEN).is_file():
            arguments = arguments | _read(folder / GIVEN)
        return Answered(_split(work(**arguments, report=report), folder / FOUND))
    except UserError as error:
        return Failed.of(error)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        return Failed(ErrorCode.BUG, FAILED)


if __name__ == "__main__":
    main()
