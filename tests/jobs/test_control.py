"""Commands to a run: what it does between two events, and that it ends with its stream."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest
from tinyimages import make_models

from sslviz.jobs.control import Control


@dataclasses.dataclass(frozen=True)
class Event:
    event: str
    step: int
    losses: dict = dataclasses.field(default_factory=dict)
    monitor: dict = dataclasses.field(default_factory=dict)
    gradients: dict = dataclasses.field(default_factory=dict)
    path: str | None = None
    info: dict = dataclasses.field(default_factory=dict)
    images_per_second: float | None = None


def endless(wishes, ended):
    """A run that tells every step, and of what it was asked."""
    step = 0
    try:
        yield Event("start", 0)
        while True:
            step += 1
            wishes.append((yield Event("step", step, losses={"loss": 1.0})))
    finally:
        ended.append(step)


@pytest.fixture()
def pipe():
    reading, writing = os.pipe()
    control = Control(reading)
    yield control, writing
    control.end()
    os.close(writing)


def settle(control, paused):
    for _ in range(6000):
        if control._paused == paused:
            return
        time.sleep(0.01)
    raise AssertionError("the command did not arrive")


def test_a_run_pauses_steps_and_resumes(pipe):
    control, writing = pipe
    wishes, ended = [], []
    events = control.drive(endless(wishes, ended))
    assert [next(events).event for _ in range(3)] == ["start", "step", "step"]
    os.write(writing, b"pause\n")
    settle(control, paused=True)
    paused = next(events)
    assert (paused.event, paused.step, paused.losses) == ("paused", 2, {})
    os.write(writing, b"step\nst")  # the next command comes in two parts
    step = next(events)
    assert (step.event, step.step) == ("step", 3) and wishes[-1] == "step"
    os.write(writing, b"ep\n")
    assert next(events).event == "step" and wishes[-1] == "step"
    os.write(writing, b"nonsense\nresume\n")
    settle(control, paused=False)
    assert next(events).event == "resumed"
    assert next(events).event == "step" and wishes[-1] is None
    assert not ended


def test_the_end_of_the_stream_stops_the_run(monkeypatch):
    reading, writing = os.pipe()
    control, ended = Control(reading), []
    events = control.drive(endless([], ended))
    next(events), next(events)
    os.close(writing)
    for _ in range(6000):
        if control.stopped:
            break
        time.sleep(0.01)
    assert list(events) == [] and ended == [1]
    control.end()


def test_a_busy_process_ends_soon_after_its_stream():
    code = """
import sys, time
from sslviz.jobs.control import Control
control = Control(sys.stdin.fileno())
print("ready", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.stdin.close()
    assert process.wait(60) == 0
    assert 1.0 < time.monotonic() - began < 60  # and not the 600
    process.stdout.close()


def test_maps_are_left_when_the_server_ends(tmp_path):
    make_models(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "sslviz", "models", "maps", "tiny-vae", "--json", "--control", "stdin"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        env=os.environ | {"SSLVIZ_MODELS": str(tmp_path)},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")  # it would have told of its maps


def test_a_run_whose_server_ends_while_it_still_loads_ends_before_it_trains(tmp_path):
    command = [sys.executable, "-m", "sslviz", "train", "vae", "mnist", "--json", "--control", "stdin"]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "m")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0 and not ended.stderr
    assert '"step"' not in ended.stdout and not (tmp_path / "m").exists()
