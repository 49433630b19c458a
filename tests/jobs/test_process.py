"""A training run's process: with one that only speaks the protocol, and faults with the command itself."""

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sslviz.jobs import protocol, record
from sslviz.jobs.limits import Guest, Limits
from sslviz.jobs.process import COMMAND, RunProcess
from sslviz.jobs.protocol import PAUSE, RESUME, STEP
from sslviz.jobs.queue import RunQueue
from sslviz.jobs.request import TrainingRequest
from sslviz.store import checkpoint, embeddings

SPEAKER = """
import json, os, select, sys, time
from pathlib import Path
words = sys.argv[1:]
out = Path(words[words.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
state, step, steps, paused, alone, news = out / "state.pt", 0, 100_000, False, 0, b""
if "--complain" in words:
    print("sslviz train: The loss is no longer a finite number after 7 steps.", file=sys.stderr)
    print(json.dumps({"event": "error", "code": "loss_not_finite", "message": "The loss is not finite."}), flush=True)
    sys.exit(1)
if "--crash" in words:
    raise SystemError("a bug")
if "--resume" in words:
    step = int(state.read_text())
    steps = int(words[words.index("--steps") + 1])
def tell(event, **more):
    moment = dict(step=step, epoch=step / 100, images=step, seconds=step / 50, progress=min(1, step / steps))
    print(json.dumps(dict(event=event) | moment | more), flush=True)
tell("start", info={"steps": steps, "command": "sslviz train vae mnist"})
while step < steps:
    ready, _, _ = select.select([0], [], [], 0.01)
    if ready:
        news = os.read(0, 100)
        if not news:
            state.write_text(str(step))
            tell("stopped")
            sys.exit(0)
        for word in news.split():
            paused = word != b"resume"
            alone += word == b"step"
            tell("paused" if paused else "resumed")
    if not paused or alone:
        step, alone = step + 1, max(0, alone - 1)
        tell("step", losses={"loss": 1 / step}, images_per_second=50.0)
        if "--short" in words and step >= 5:
            break
(out / "model.safetensors").write_text("")
tell("done", path=str(out))
print("a word in between", flush=True)
print(json.dumps({"event": "storing", "map": "umap"}), flush=True)
if "--maps" in words:
    os.read(0, 100)
"""


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture()
def start(tmp_path, models):
    """A function that starts a speaking process in a thread: options -> the run."""
    script, made = tmp_path / "speaker.py", []
    script.write_text(SPEAKER)

    def begin(*options, before=None):
        run = RunProcess(request(*options), models / "m", key="k", command=(sys.executable, "-u", str(script)))
        run.record = before or run.record

        def work():
            run.record = run.work()

        run.thread = threading.Thread(target=work, daemon=True)
        run.thread.start()
        made.append(run)
        return run

    yield begin
    for run in made:
        run.kill()
        run.thread.join(60)


def request(*options, minutes=1.0, name="", dataset="mnist", method="vae"):
    return TrainingRequest(method, dataset, options, minutes, name)


def until(condition, seconds=280.0):
    """Wait for what another process will have done."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def ended(run):
    run.thread.join(120)
    assert not run.thread.is_alive()
    return run.record


def test_pause_step_and_resume(start):
    run = start()
    until(lambda: run.record.state == "running" and run.record.step > 0)
    run.send(PAUSE)
    until(lambda: run.record.state == "paused")
    at = run.record.step
    run.send(STEP)
    until(lambda: run.record.step == at + 1)
    assert run.record.state == "paused"
    run.send(RESUME)
    until(lambda: run.record.step > at + 3)
    assert run.record.state == "running"


def test_a_stopped_run_knows_the_step_from_which_it_goes_on(start):
    run = start()
    until(lambda: run.record.step > 3)
    run.stop()
    assert run.record.stopping
    stopped = ended(run)
    assert stopped.state == "stopped" and stopped.saved_step == stopped.step > 3 and stopped.resumable
    again = start(before=dataclasses.replace(stopped, state="waiting"))
    until(lambda: again.record.step > stopped.step)
    assert again.record.points[0] == stopped.points[0]


def test_a_run_that_is_stopped_before_it_started_never_starts(models):
    run = RunProcess(request(), models / "m", key="k", command=("/nowhere",))
    run.stop("reason")
    assert (run.work().state, run.record.error, run.child) == ("stopped", "", None)


def test_a_run_that_has_ended_stores_its_maps_and_says_which(start):
    run = start("--short", "--maps")
    until(lambda: run.record.storing == "umap")
    now = run.record
    assert now.state == "storing" and now.active and now.trained and now.seconds_left is None
    run.stop()
    assert ended(run).state == "done" and run.record.storing == ""


def test_why_a_run_has_failed_is_told_by_a_code_and_a_bug_is_not_shown(start, caplog):
    failed = ended(start("--complain"))
    assert (failed.state, failed.code, failed.error) == ("failed", "loss_not_finite", "The loss is not finite.")
    bug = ended(start("--crash"))
    assert bug.state == "failed" and "log says why" in bug.error and "a bug" not in bug.error and bug.code == "bug"
    assert "SystemError" in caplog.text


def test_a_killed_process_is_told_of(start):
    run = start()
    until(lambda: run.record.step > 3)
    run.kill()
    failed = ended(run)
    assert failed.state == "failed" and failed.code == "ended" and "SIGKILL" in failed.error


def test_a_command_that_cannot_start(models):
    run = RunProcess(request(), models / "m", key="k", command=("/nowhere/at/all",))
    failed = run.work()
    assert failed.state == "failed" and "could not start" in failed.error


def test_what_is_written_is_read_again(models):
    run = RunProcess(request("--lr", "0.1", name="m"), models / "m", key="k")
    run.hear(protocol.Started(0, 0.0, 0, 0.0, 0.0, info={"steps": 9}))
    run.hear(protocol.Monitored(3, 0.3, 9, 1.0, 0.3, monitor={"knn": 0.5}, path="/elsewhere/live/step-000003.npz"))
    key, found = record.read(models / "m")
    assert key == "k" and found.request == run.record.request and found.snapshots[0].monitor == {"knn": 0.5}
    assert found.snapshots[0].path == str(models / "m" / "live" / "step-000003.npz")  # where the folder is now
    for text in ("", "[]", "{}", '{"key": 3}'):
        (models / "m" / record.RECORD).write_text(text)
        assert record.read(models / "m") is None


def test_curves_are_thinned_evenly(models):
    run = RunProcess(request(), models / "x", key="k")
    for step in range(1, 20_000):
        run.hear(protocol.Stepped(step, step / 10, step, 1.0, 0.1, losses={"loss": 1.0}))
    steps = [point.step for point in run.record.points]
    assert 250 < len(steps) <= record.POINTS and steps[0] == 1 and steps[-1] > 19_000
    gaps = {b - a for a, b in itertools.pairwise(steps)}
    assert max(gaps) <= 2 * min(gaps)


# with the command itself ------------------------------------------------------------------------------------------

TINY = ("--batch-size", "16", "--device", "cpu", "--threads", "1", "--log-every", "1")
SMALL = ("--model.encoder.widths", "8", "8", "--model.encoder.strides", "2", "2")


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(200, 60)


@pytest.fixture()
def make():
    made = []

    def queue(command=COMMAND):
        made.append(RunQueue(Limits(), command))
        return made[-1]

    yield queue
    for queue in made:
        queue.close()
        until(lambda queue=queue: not queue._entries, seconds=60)


def state(queue, identity):
    return queue.record(identity).state


@pytest.mark.slow
def test_a_real_run_pauses_steps_dies_goes_on_and_leaves_a_model(make, data):
    queue = make()
    identity = queue.submit(request("--steps", "400", *TINY, dataset=data, name="real"), Guest("ann"))
    until(lambda: queue.record(identity).step > 0)
    queue.send(identity, PAUSE)
    until(lambda: state(queue, identity) == "paused")
    queue.send(identity, STEP)
    shown = until(lambda: (now := queue.record(identity)).detail and now)
    assert shown.detail_step == shown.step and Path(shown.detail).is_file() and shown.gradients["decoder"] > 0
    assert shown.info["images_per_second"] > 0 and "--steps" in shown.info["command"]
    assert shown.snapshots[0].step == 0 and shown.saved_step == 0
    os.kill(queue._runs[identity].child.pid, signal.SIGKILL)
    until(lambda: state(queue, identity) == "failed")
    queue.resume(identity, Guest("ann"))
    done = until(lambda: "pca" in (now := queue.record(identity)).maps and now)
    assert done.step == done.info["steps"] and done.state == "storing"
    until(lambda: queue.record(identity).storing)
    queue.stop(identity)  # while the next map is being fitted
    until(lambda: state(queue, identity) == "done", seconds=30)
    assert checkpoint.load(done.folder).method == "vae"
    assert {"h", "pca_xy"} <= embeddings.load_embeddings(done.folder).keys()


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_explained_and_the_last_good_state_kept(make, data):
    import torch

    queue = make()
    identity = queue.submit(request("--steps", "400", "--lr", "1e6", *TINY, dataset=data), Guest("ann"))
    until(lambda: state(queue, identity) == "failed")
    failed = queue.record(identity)
    assert failed.code == "loss_not_finite" and "lower --lr" in failed.error
    kept = torch.load(failed.folder / record.STATE, weights_only=True)
    assert all(value.isfinite().all() for value in kept["model"].values())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell's ulimit")
def test_a_full_disk_is_said_and_leaves_no_half_file(make, data):
    """Files may grow to 200 kB only: the record and the pictures fit, the state does not."""
    queue = make(("bash", "-c", 'ulimit -f 200; exec "$0" "$@"', *COMMAND))
    identity = queue.submit(request("--steps", "20", *TINY, dataset=data), Guest("ann"))
    until(lambda: state(queue, identity) == "failed")
    failed = queue.record(identity)
    assert failed.code == "disk" and "Can't write" in failed.error and not failed.resumable
    assert {path.name for path in failed.folder.iterdir()} <= {record.RECORD, "live"}


@pytest.mark.slow
def test_a_worker_dies_with_its_server_and_keeps_its_state(data, models):
    code = f"""
import sys, time
from sslviz.jobs.limits import Guest
from sslviz.jobs.queue import RunQueue
from sslviz.jobs.request import TrainingRequest
queue = RunQueue()
options = {("--steps", "5000", *TINY, *SMALL)!r}
identity = queue.submit(TrainingRequest("simclr", {data!r}, options, 5.0, "orphan"), Guest("ann"))
while queue.record(identity).step < 3:
    time.sleep(0.05)
print(queue._runs[identity].child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        worker = int(server.stdout.readline())
        server.kill()
    until(lambda: not _alive(worker), seconds=60)
    assert (models / "orphan" / record.STATE).is_file()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
