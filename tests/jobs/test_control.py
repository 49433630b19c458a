"""Commands to a run: what it does between two events, and that it ends with its stream."""

import os
import subprocess
import sys
import time

import pytest

from sslviz.jobs.control import Control
from sslviz.jobs.protocol import Paused, Started, Stepped, Stopped


def started(step=0):
    return Started(step, 0.0, 0, 0.0, 0.0)


def stepped(step):
    return Stepped(step, 0.1 * step, 8 * step, 1.0, 0.1, losses={"loss": 1.0})


def endless(asked, ended, first=0):
    """A run that tells every step, and keeps what it was asked."""
    step = first
    try:
        yield started(first)
        while True:
            step += 1
            asked.append((yield stepped(step)))
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
    with control._changed:
        assert control._changed.wait_for(lambda: control._paused == paused, timeout=60)


def until_stopped(control):
    with control._changed:
        assert control._changed.wait_for(lambda: control.stopped, timeout=60)


def test_a_run_pauses_steps_and_resumes(pipe):
    control, writing = pipe
    asked, ended = [], []
    events = control.drive(endless(asked, ended))
    assert [next(events).event for _ in range(3)] == ["start", "step", "step"]
    os.write(writing, b"pause\n")
    settle(control, paused=True)
    paused = next(events)
    assert isinstance(paused, Paused) and paused.step == 2
    os.write(writing, b"step\nst")  # the next command comes in two parts
    step = next(events)
    assert (step.event, step.step) == ("step", 3) and asked[-1] == "step"
    os.write(writing, b"ep\n")
    assert next(events).event == "step" and asked[-1] == "step"
    os.write(writing, b"nonsense\nresume\n")
    settle(control, paused=False)
    assert next(events).event == "resumed"
    assert next(events).event == "step" and asked[-1] is None
    assert not ended


def test_the_end_of_the_stream_stops_the_run():
    reading, writing = os.pipe()
    control, ended = Control(reading), []
    events = control.drive(endless([], ended))
    next(events), next(events)
    os.close(writing)
    until_stopped(control)
    (stopped,) = events
    assert isinstance(stopped, Stopped) and stopped.step == 1 and ended == [1]  # goes on from step 1
    control.end()


@pytest.mark.parametrize("first", [0, 40])
def test_a_run_that_is_stopped_before_its_first_step_says_where_it_goes_on(first):
    reading, writing = os.pipe()
    control = Control(reading)
    events = control.drive(endless([], [], first))
    next(events)
    os.close(writing)
    until_stopped(control)
    assert [event.step for event in events] == [first]
    control.end()


@pytest.mark.slow
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


@pytest.mark.slow
def test_maps_are_left_when_the_server_ends(tiny_models):
    ended = subprocess.run(
        [sys.executable, "-m", "sslviz", "models", "maps", "tiny-vae", "--json", "--control", "stdin"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        env=os.environ | {"SSLVIZ_MODELS": str(tiny_models)},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")  # it would have told of its maps


@pytest.mark.slow
def test_a_run_whose_server_ends_while_it_still_loads_ends_before_it_trains(tmp_path):
    command = [sys.executable, "-m", "sslviz", "train", "vae", "mnist", "--json", "--control", "stdin"]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "m")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0 and not ended.stderr
    assert '"step"' not in ended.stdout and not (tmp_path / "m").exists()
