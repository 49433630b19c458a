"""Training runs as processes: the queue and its limits with a process that only speaks the protocol, faults with a real
one."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sslviz.errors import UserError
from sslviz.jobs import process
from sslviz.jobs.queue import Limits, Trainer
from sslviz.jobs.request import Order
from sslviz.store import checkpoint, embeddings

SPEAKER = """
import json, os, select, sys, time
from pathlib import Path
words = sys.argv[1:]
out = Path(words[words.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
state, step, steps, paused, alone, news = out / "state.pt", 0, 100_000, False, 0, b""
deaf = "--deaf" in words
if "--complain" in words:
    print("sslviz train: The loss is no longer a finite number after 7 steps.", file=sys.stderr)
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
    if ready and not deaf:
        news = os.read(0, 100)
        if not news:
            state.write_text(str(step))
            sys.exit(0)
        for word in news.split():
            paused = word != b"resume"
            alone += word == b"step"
            tell("paused" if paused else "resumed")
    if not paused or alone:
        step, alone = step + 1, max(0, alone - 1)
        tell("step", losses={"loss": 1 / step}, images_per_second=50.0)
        state.with_suffix(".new").write_text(str(step))
        os.replace(state.with_suffix(".new"), state)
        if "--short" in words and step >= 5:
            break
(out / "model.safetensors").write_text("")
tell("done", path=str(out))
"""


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture()
def make(tmp_path):
    """Trainers whose runs are ended with the test."""
    script, made = tmp_path / "speaker.py", []
    script.write_text(SPEAKER)

    def trainer(command=(sys.executable, "-u", str(script)), **limits):
        made.append(Trainer(Limits(**limits), command=command))
        return made[-1]

    yield trainer
    for trainer in made:
        trainer.close()
        until(lambda trainer=trainer: not trainer._owners, seconds=60)


def order(*options, minutes=1.0, name="", dataset="mnist", method="vae"):
    return Order(method, dataset, options, minutes, name)


def until(condition, seconds=280.0):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def state(trainer, identity):
    return trainer.snapshot(identity).state


def running(trainer, identity):
    return until(lambda: state(trainer, identity) == "running" and trainer.snapshot(identity).step > 0)


def test_one_run_at_a_time_one_an_owner_and_a_place_for_those_who_wait(make):
    trainer = make(waiting=2)
    first = trainer.submit(order(), "ann")
    running(trainer, first)
    with pytest.raises(UserError, match="A run of yours"):
        trainer.submit(order(), "ann")
    second, third = (trainer.submit(order(), owner) for owner in ("bob", "cem"))
    assert [trainer.snapshot(i).place for i in (second, third)] == [1, 2]
    with pytest.raises(UserError, match="2 runs are waiting"):
        trainer.submit(order(), "dan")
    trainer.stop(second)
    assert state(trainer, second) == "stopped" and trainer.snapshot(third).place == 1
    assert not trainer.snapshot(second).resumable
    trainer.stop(first)
    running(trainer, third)
    assert state(trainer, first) == "stopped" and trainer.snapshot(first).resumable
    assert trainer.of("cem") == third and trainer.of("ann") is None


def test_two_at_once_where_the_setting_says_so(make, monkeypatch):
    monkeypatch.setenv("SSLVIZ_TRAIN_RUNNING", "2")
    trainer = make(**dataclasses.asdict(Limits.here()))
    for identity in [trainer.submit(order(), owner) for owner in ("ann", "bob")]:
        running(trainer, identity)
    for bad in ("0", "x", "-1"):
        monkeypatch.setenv("SSLVIZ_TRAIN_RUNNING", bad)
        with pytest.raises(UserError, match="SSLVIZ_TRAIN_RUNNING"):
            Limits.here()


def test_pause_step_and_resume(make):
    trainer = make()
    identity = trainer.submit(order(), "ann")
    running(trainer, identity)
    trainer.send(identity, "pause")
    until(lambda: state(trainer, identity) == "paused")
    paused_at = trainer.snapshot(identity).step
    time.sleep(0.2)
    assert trainer.snapshot(identity).step == paused_at
    trainer.send(identity, "step")
    until(lambda: trainer.snapshot(identity).step == paused_at + 1)
    time.sleep(0.2)
    assert trainer.snapshot(identity).step == paused_at + 1 and state(trainer, identity) == "paused"
    trainer.send(identity, "resume")
    until(lambda: trainer.snapshot(identity).step > paused_at + 3)
    trainer.send(identity, "rm -rf")  # not a word
    assert state(trainer, identity) == "running"


def test_stop_answers_at_once_and_the_run_can_go_on(make):
    trainer = make()
    identity = trainer.submit(order(), "ann")
    running(trainer, identity)
    began = time.monotonic()
    trainer.stop(identity)
    assert trainer.snapshot(identity).stopping
    until(lambda: state(trainer, identity) == "stopped")
    assert time.monotonic() - began < 10  # of 1,000 seconds
    kept = trainer.snapshot(identity)
    trainer.resume(identity, "ann")
    running(trainer, identity)
    assert trainer.snapshot(identity).step > kept.step and trainer.snapshot(identity).points[0] == kept.points[0]


def test_a_process_that_does_not_listen_is_killed(make):
    trainer = make(patience=0.3)
    identity = trainer.submit(order("--deaf"), "ann")
    running(trainer, identity)
    trainer.stop(identity)
    until(lambda: state(trainer, identity) == "stopped", seconds=60)
    assert trainer._runs[identity].process.returncode == -signal.SIGKILL


def test_a_run_ends_with_a_model(make):
    trainer = make()
    identity = trainer.submit(order("--short"), "ann")
    until(lambda: state(trainer, identity) == "done")
    assert trainer.snapshot(identity).trained and not trainer.snapshot(identity).resumable
    until(lambda: trainer.of("ann") is None)
    with pytest.raises(UserError, match="nothing to resume"):
        trainer.resume(identity, "ann")


def test_what_a_run_says_of_its_failure_is_shown_and_a_bug_is_not(make, caplog):
    trainer = make()
    identity = trainer.submit(order("--complain"), "ann")
    until(lambda: state(trainer, identity) == "failed")
    assert trainer.snapshot(identity).error == "The loss is no longer a finite number after 7 steps."
    other = trainer.submit(order("--crash"), "bob")
    until(lambda: state(trainer, other) == "failed")
    assert "log says why" in trainer.snapshot(other).error and "a bug" not in trainer.snapshot(other).error
    assert "SystemError" in caplog.text


def test_a_killed_worker_is_told_and_can_go_on(make):
    trainer = make()
    identity = trainer.submit(order(), "ann")
    running(trainer, identity)
    trainer._runs[identity].kill()
    until(lambda: state(trainer, identity) == "failed")
    assert "SIGKILL" in trainer.snapshot(identity).error and trainer.snapshot(identity).resumable
    trainer.resume(identity, "ann")
    running(trainer, identity)


def test_a_run_that_nobody_looks_at_stops_after_a_while(make):
    trainer = make(grace=0.5)
    watched, left = trainer.submit(order(), "ann"), None
    trainer.join(watched, "tab 1")
    trainer.join(watched, "tab 2")
    running(trainer, watched)
    trainer.part("tab 1")
    time.sleep(1.2)
    assert state(trainer, watched) == "running"  # the second tab is still there
    left = time.monotonic()
    trainer.part("tab 2")
    until(lambda: state(trainer, watched) == "stopped", seconds=60)
    assert time.monotonic() - left > 0.4
    assert "Nobody" in trainer.snapshot(watched).error and trainer.snapshot(watched).resumable


def test_a_pause_does_not_hold_the_place_for_ever(make):
    trainer = make(idle=0.4)
    identity, other = (trainer.submit(order(), owner) for owner in ("ann", "bob"))
    running(trainer, identity)
    trainer.send(identity, "pause")
    until(lambda: state(trainer, identity) == "stopped", seconds=10)
    running(trainer, other)


def test_a_pause_takes_nothing_of_the_budget(make):
    trainer = make()
    identity = trainer.submit(order(), "ann")
    running(trainer, identity)
    run = trainer._runs[identity]
    began = run.began
    trainer.send(identity, "pause")
    until(lambda: identity in trainer._idle)
    trainer._judge(identity, run, time.monotonic() + 400)  # longer than a run may take, not than one may pause
    assert run.stopped_at is None
    time.sleep(0.3)
    trainer.send(identity, "resume")
    until(lambda: identity not in trainer._idle)
    assert run.began >= began + 0.3


@pytest.mark.parametrize("limits", [{"steps": 20}, {"overtime": -2.0}])
def test_caps_on_steps_and_time_are_kept_here(make, limits):
    trainer = make(**limits)
    identity = trainer.submit(order(), "ann")
    until(lambda: state(trainer, identity) == "stopped", seconds=20)
    assert trainer.snapshot(identity).error


def test_a_budget_out_of_bounds_is_refused(make):
    trainer = make(minutes=5.0)
    for minutes in (0.0, -1.0, 5.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="up to 5 minutes"):
            trainer.submit(order(minutes=minutes), "ann")


def test_names_are_counted_up_or_refused(make, models):
    trainer = make()
    first = trainer.submit(order(), "ann")
    second = trainer.submit(order(), "bob")
    named = trainer.submit(order(name="mine"), "cem")
    folders = [trainer.snapshot(i).folder.name for i in (first, second, named)]
    assert folders == ["vae-mnist-1", "vae-mnist-2", "mine"]
    for taken in ("mine", "vae-mnist"):  # a waiting run's, a bundled model's
        with pytest.raises(UserError, match="choose another name"):
            trainer.submit(order(name=taken), "dan")


def test_after_a_restart_a_run_is_found_by_its_id_alone(make):
    before = make()
    identity = before.submit(order(), "ann")
    running(before, identity)
    until(lambda: before.snapshot(identity).step > 5)
    run = before._runs[identity]
    run.write()
    run.kill()
    until(lambda: state(before, identity) == "failed")
    content = json.loads((run.snapshot.folder / process.RECORD).read_text())
    assert identity not in json.dumps(content)  # who reads the disk doesn't get hold of the run
    (run.snapshot.folder / process.RECORD).write_text(json.dumps(content | {"state": "running"}))
    after = make()
    assert after.snapshot("guess") is None and after.of("ann") is None
    found = after.snapshot(identity)
    assert found.state == "cut off" and found.resumable and found.points
    after.resume(identity, "someone with the address")
    running(after, identity)
    until(lambda: after.snapshot(identity).step > found.step)


def test_ids_cannot_be_guessed(make):
    trainer = make(waiting=8)
    ids = {trainer.submit(order(), f"owner {i}") for i in range(4)}
    assert len(ids) == 4 and all(len(identity) >= 22 for identity in ids)
    trainer.stop("vae-mnist-1")  # a name is no id
    trainer.send("vae-mnist-1", "pause")
    assert all(trainer.snapshot(identity).live for identity in ids)


def test_nothing_grows_without_a_bound(make, models):
    trainer = make(kept=3, unfinished=4)
    for i in range(8):
        identity = trainer.submit(order(), f"owner {i}")
        trainer.join(identity, "tab")
        running(trainer, identity)
        trainer.stop(identity)
        until(lambda identity=identity: trainer.of(f"owner {i}") is None)  # noqa: B023
    assert len(trainer._runs) <= 4
    assert not (trainer._owners or trainer._viewers or trainer._alone or trainer._idle)
    assert len(list(models.iterdir())) <= 4
    run = process.Run(order(), models / "x", key="k")
    for step in range(1, 20_000):
        moment = {"event": "step", "step": step, "epoch": step / 10, "progress": 0.1, "seconds": 1.0}
        run._hear(moment | {"losses": {"loss": 1.0}})
    steps = [point.step for point in run.snapshot.points]
    assert 250 < len(steps) <= process.POINTS and steps[0] == 1 and steps[-1] > 19_000
    gaps = {b - a for a, b in itertools.pairwise(steps)}
    assert max(gaps) <= 2 * min(gaps)


# with the command itself ------------------------------------------------------------------------------------------

TINY = ("--batch-size", "16", "--device", "cpu", "--threads", "1", "--log-every", "1")
SMALL = ("--model.encoder.widths", "8", "8", "--model.encoder.strides", "2", "2")


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(200, 60)


def test_a_real_run_pauses_steps_dies_goes_on_and_leaves_a_model(make, data):
    trainer = make(command=process.COMMAND)
    identity = trainer.submit(order("--steps", "400", *TINY, dataset=data, name="real"), "ann")
    running(trainer, identity)
    trainer.send(identity, "pause")
    until(lambda: state(trainer, identity) == "paused")
    trainer.send(identity, "step")
    shown = until(lambda: (now := trainer.snapshot(identity)).detail and now)
    assert shown.detail_step == shown.step and Path(shown.detail).is_file() and shown.gradients["decoder"] > 0
    assert shown.info["images_per_second"] > 0 and "--steps" in shown.info["command"] and shown.looks[0].step == 0
    os.kill(trainer._runs[identity].process.pid, signal.SIGKILL)
    until(lambda: state(trainer, identity) == "failed")
    trainer.resume(identity, "ann")
    done = until(lambda: "pca" in (now := trainer.snapshot(identity)).maps and now)
    assert done.step == done.info["steps"]
    began = time.monotonic()
    trainer.stop(identity)  # while UMAP is being fitted
    until(lambda: state(trainer, identity) == "done")
    assert time.monotonic() - began < 20
    assert checkpoint.load(done.folder).method == "vae"
    assert {"h", "pca_xy"} <= embeddings.load_embeddings(done.folder).keys()


def test_a_loss_that_is_no_number_is_explained_and_the_last_good_state_kept(make, data):
    import torch

    trainer = make(command=process.COMMAND)
    identity = trainer.submit(order("--steps", "400", "--lr", "1e6", *TINY, dataset=data), "ann")
    until(lambda: state(trainer, identity) == "failed")
    snapshot = trainer.snapshot(identity)
    assert "finite" in snapshot.error and "lower --lr" in snapshot.error
    kept = torch.load(snapshot.folder / process.STATE, weights_only=True)
    assert all(value.isfinite().all() for value in kept["model"].values())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell's ulimit")
def test_a_full_disk_is_said_and_leaves_no_half_file(make, data):
    """Files may grow to 200 kB only: the record and the pictures fit, the state does not."""
    command = ("bash", "-c", 'ulimit -f 200; exec "$0" "$@"', *process.COMMAND)
    trainer = make(command=command)
    identity = trainer.submit(order("--steps", "20", *TINY, dataset=data), "ann")
    until(lambda: state(trainer, identity) == "failed")
    snapshot = trainer.snapshot(identity)
    assert "Can't write" in snapshot.error and not snapshot.resumable
    assert {path.name for path in snapshot.folder.iterdir()} <= {process.RECORD, "live"}


def test_a_worker_dies_with_its_server_and_keeps_its_state(data, models):
    code = f"""
import sys, time
from sslviz.jobs.request import Order
from sslviz.jobs.queue import Trainer
trainer = Trainer()
identity = trainer.submit(Order("simclr", {data!r}, {("--steps", "5000", *TINY, *SMALL)!r}, 5.0, "orphan"), "ann")
while trainer.snapshot(identity).step < 3:
    time.sleep(0.05)
print(trainer._runs[identity].process.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        worker = int(server.stdout.readline())
        server.kill()
    until(lambda: not _alive(worker), seconds=60)
    assert (models / "orphan" / process.STATE).is_file()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
