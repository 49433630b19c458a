"""The queue of training runs and its limits, with a clock of the test's own and runs that train nothing."""

import dataclasses
import threading

import pytest

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs import record
from sslviz.jobs.limits import Guest, Limits
from sslviz.jobs.process import RunProcess
from sslviz.jobs.protocol import PAUSE, Done, Paused, Resumed, Saved, Started, Stepped
from sslviz.jobs.queue import RunQueue
from sslviz.jobs.request import TrainingRequest


class IdleRun(RunProcess):
    """A run that does what the test says: it waits for `finish` or `stop`, and hears what the test lets it hear."""

    made: dict[str, "IdleRun"] = {}  # noqa: RUF012 (cleared for each test)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.over, self.sent, self.killed, self.deaf = threading.Event(), [], False, False
        self.began_at = threading.Event()
        self.made[self.record.folder.name] = self

    def work(self):
        self.record = dataclasses.replace(self.record, state="starting")
        self.began_at.set()
        assert self.over.wait(60)
        return self.ended(0)

    def stop(self, reason=""):
        super().stop(reason)
        if not self.deaf:
            self.over.set()

    def send(self, command):
        self.sent.append(command)

    def kill(self):
        self.killed = True
        self.over.set()

    def step(self, number, *, left=60.0):
        self.hear(Stepped(number, number / 10, number, number, 0.1, left, losses={"loss": 1.0}))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture()
def clock():
    return Clock()


@pytest.fixture()
def make(clock):
    """Queues that no thread watches: the test calls `tick`."""
    made = []
    IdleRun.made = {}

    def queue(**limits):
        made.append(RunQueue(Limits(**limits), clock=clock, watched=False, process=IdleRun))
        return made[-1]

    yield queue
    for queue in made:
        queue.close()
    for thread in threading.enumerate():
        if thread.name == "sslviz-run":
            thread.join(60)


def request(minutes=1.0, name="", dataset="mnist", method="vae"):
    return TrainingRequest(method, dataset, (), minutes, name)


def guest(name, client="", address=""):
    return Guest(name, client, address)


def run_of(queue, identity):
    return queue._runs[identity]


def working(queue, identity):
    run = run_of(queue, identity)
    assert run.began_at.wait(60)
    return run


def end(queue, identity):
    """Let a run come to its end, and wait until the queue knows."""
    run = working(queue, identity)
    run.over.set()
    gone(queue, identity)
    return queue.record(identity)


def gone(queue, identity):
    for thread in threading.enumerate():
        if thread.name == "sslviz-run" and identity not in queue._entries:
            return
    settled = threading.Event()
    while identity in queue._entries:
        settled.wait(0.002)


def test_one_run_at_a_time_one_a_guest_and_a_place_for_those_who_wait(make):
    queue = make(waiting=2)
    first = queue.submit(request(), guest("ann"))
    working(queue, first)
    with pytest.raises(UserError, match="A run of yours"):
        queue.submit(request(), guest("ann"))
    second, third = (queue.submit(request(), guest(name)) for name in ("bob", "cem"))
    assert [queue.record(i).place for i in (second, third)] == [1, 2]
    with pytest.raises(UserError, match="2 runs are waiting") as caught:
        queue.submit(request(), guest("dan"))
    assert caught.value.code is ErrorCode.COST
    queue.stop(second)
    assert queue.record(second).state == "stopped" and queue.record(third).place == 1
    assert not queue.record(second).resumable
    queue.stop(first)
    working(queue, third)
    gone(queue, first)
    assert queue.record(first).state == "stopped"
    assert queue.of(guest("cem")) == third and queue.of(guest("ann")) is None


def test_nine_tabs_of_one_browser_are_one_guest(make):
    queue = make()
    first = queue.submit(request(30), guest("tab 0", client="cookie"))
    for tab in range(1, 9):
        with pytest.raises(UserError, match="A run of yours"):
            queue.submit(request(30), guest(f"tab {tab}", client="cookie"))
    assert queue.of(guest("tab 8", client="cookie")) == first


def test_guests_of_one_address_may_not_fill_the_queue_with_hours(make):
    """Nobody can be told from others of one network, so what they take together is bounded."""
    queue = make(waiting_minutes=120, share_minutes=90)
    for number in range(3):
        queue.submit(request(30), guest(f"robot {number}", address="a"))
    with pytest.raises(UserError, match="your network"):
        queue.submit(request(30), guest("robot 3", address="a"))
    queue.submit(request(30), guest("somebody else", address="b"))
    with pytest.raises(UserError, match="may take 120 minutes together") as caught:
        queue.submit(request(1), guest("late", address="c"))
    assert caught.value.code is ErrorCode.COST


def test_a_refusal_says_what_budget_would_be_taken(make):
    queue = make(waiting_minutes=60)
    queue.submit(request(50), guest("ann"))
    with pytest.raises(UserError, match="budget of up to 10 minutes"):
        queue.submit(request(20), guest("bob"))
    queue.submit(request(10), guest("bob"))


def test_what_a_run_has_used_counts_no_longer(make):
    queue = make(waiting_minutes=60)
    first = queue.submit(request(50), guest("ann"))
    working(queue, first).step(10, left=60.0)  # a minute left of the 50
    queue.submit(request(50), guest("bob"))


def test_the_order_is_fair_by_minutes(make):
    """Who has had much waits behind who has had nothing, and nobody waits for ever."""
    queue = make(waiting_minutes=1000)
    current = queue.submit(request(10), guest("heavy"))
    other = queue.submit(request(10), guest("light"))
    queue.stop(current)
    working(queue, other)
    gone(queue, current)
    again = queue.submit(request(10), guest("heavy"))
    newcomers = [queue.submit(request(2), guest(f"new {number}")) for number in range(2)]
    assert [queue.record(i).place for i in newcomers] == [1, 2] and queue.record(again).place == 3
    order = []
    for _ in range(3):
        now = next(i for i in queue._entries if run_of(queue, i).began is not None)
        queue.stop(now)
        gone(queue, now)
        order.append(next(i for i in queue._entries if run_of(queue, i).began is not None))
    assert order == [*newcomers, again]


def test_the_waiting_time_is_what_those_before_take(make, clock):
    queue = make()
    first = queue.submit(request(10), guest("ann"))
    second = queue.submit(request(5), guest("bob"))
    third = queue.submit(request(1), guest("cem"))
    around = queue._around
    working(queue, first)
    assert queue.record(second).wait_seconds == pytest.approx(600 + around / 2)
    assert queue.record(third).wait_seconds == pytest.approx(600 + around / 2 + 300 + around)
    run_of(queue, first).step(100, left=42.0)  # what the run itself tells counts more than its budget
    assert queue.record(second).wait_seconds == pytest.approx(42 + around / 2)
    assert queue.wait_seconds() == pytest.approx(42 + around / 2 + 300 + around + 60 + around)


def test_what_runs_take_beside_their_training_is_learnt(make, clock, models):
    queue = make()
    first = queue.submit(request(1), guest("ann"))
    run = working(queue, first)
    run.hear(Done(100, 1.0, 100, 60.0, 1.0, 0.0, path=str(run.record.folder)))
    clock.now += 60 + 90  # a minute of training, and a minute and a half of all else
    before = queue._around
    assert end(queue, first).state == "done"
    assert queue._around == pytest.approx((before + 90) / 2)


def test_two_at_once_where_the_setting_says_so(make, monkeypatch):
    monkeypatch.setenv("SSLVIZ_TRAIN_RUNNING", "2")
    queue = make(**dataclasses.asdict(Limits.here()))
    for identity in [queue.submit(request(), guest(name)) for name in ("ann", "bob")]:
        working(queue, identity)
    third = queue.submit(request(), guest("cem"))
    assert queue.record(third).state == "waiting" and queue.record(third).place == 2
    for bad in ("0", "x", "-1"):
        monkeypatch.setenv("SSLVIZ_TRAIN_RUNNING", bad)
        with pytest.raises(UserError, match="SSLVIZ_TRAIN_RUNNING"):
            Limits.here()


def test_longer_runs_make_the_queue_longer(monkeypatch):
    monkeypatch.setenv("SSLVIZ_TRAIN_MINUTES", "600")
    limits = Limits.here()
    assert limits.minutes == 600 and limits.waiting_minutes >= 1200 and limits.share_minutes >= 600


def test_commands_reach_the_run_that_works(make):
    queue = make()
    identity = queue.submit(request(), guest("ann"))
    run = working(queue, identity)
    queue.send(identity, PAUSE)
    queue.send("nobody's", PAUSE)
    assert run.sent == [PAUSE]


def test_a_process_that_does_not_listen_is_killed(make, clock):
    queue = make(patience=4.0)
    identity = queue.submit(request(), guest("ann"))
    run = working(queue, identity)
    run.deaf = True
    queue.stop(identity)
    assert queue.record(identity).stopping
    clock.now += 3.9
    queue.tick()
    assert not run.killed
    clock.now += 0.2
    queue.tick()
    assert run.killed
    gone(queue, identity)
    assert queue.record(identity).state == "stopped"


def test_a_run_that_nobody_looks_at_stops_after_a_while(make, clock):
    queue = make(grace=600)
    identity = queue.submit(request(60), guest("ann"))
    working(queue, identity)
    queue.join(identity, "tab 1")
    queue.join(identity, "tab 2")
    queue.part("tab 1")
    clock.now += 700
    queue.tick()
    assert identity in queue._entries  # the second tab is still there
    queue.part("tab 2")
    clock.now += 599
    queue.tick()
    assert run_of(queue, identity).stopped_at is None
    clock.now += 2
    queue.tick()
    gone(queue, identity)
    assert "Nobody" in queue.record(identity).error


def test_a_pause_does_not_hold_the_place_for_ever(make, clock):
    queue = make(idle=600)
    identity, other = (queue.submit(request(), guest(name)) for name in ("ann", "bob"))
    run = working(queue, identity)
    queue.join(identity, "tab")
    queue.join(other, "other tab")
    run.step(1)
    run.hear(Paused(1, 0.1, 1, 1.0, 0.1))
    queue.tick()
    clock.now += 601
    queue.tick()
    working(queue, other)
    gone(queue, identity)
    assert "paused for long" in queue.record(identity).error


def test_a_pause_takes_nothing_of_the_budget(make, clock):
    queue = make(idle=1e9, overtime=3.0)
    identity = queue.submit(request(1), guest("ann"))
    run = working(queue, identity)
    queue.join(identity, "tab")
    run.hear(Paused(1, 0.1, 1, 1.0, 0.1))
    queue.tick()
    clock.now += 4000  # longer than a run may take, not than one may pause
    queue.tick()
    assert run.stopped_at is None
    run.hear(Resumed(1, 0.1, 1, 1.0, 0.1))
    queue.tick()
    clock.now += 200
    queue.tick()
    assert run.stopped_at is None  # 3 minutes and 2 more are allowed
    clock.now += 200
    queue.tick()
    assert run.stopped_at is not None


def test_a_cap_on_steps_is_kept_here(make):
    queue = make(steps=20)
    identity = queue.submit(request(), guest("ann"))
    run = working(queue, identity)
    run.step(20)
    queue.tick()
    assert run.stopped_at is None
    run.step(21)
    queue.tick()
    gone(queue, identity)
    assert "20 steps" in queue.record(identity).error


def test_a_budget_out_of_bounds_is_refused(make):
    queue = make(minutes=5.0)
    for minutes in (0.0, -1.0, 5.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="up to 5 minutes"):
            queue.submit(request(minutes), guest("ann"))


def test_names_are_counted_up_or_refused(make):
    queue = make()
    first = queue.submit(request(), guest("ann"))
    second = queue.submit(request(), guest("bob"))
    named = queue.submit(request(name="mine"), guest("cem"))
    folders = [queue.record(i).folder.name for i in (first, second, named)]
    assert folders == ["vae-mnist-1", "vae-mnist-2", "mine"]
    for taken in ("mine", "vae-mnist"):  # a waiting run's, a bundled model's
        with pytest.raises(UserError, match="choose another name"):
            queue.submit(request(name=taken), guest("dan"))


def test_after_a_restart_a_run_is_found_by_its_id_alone(make, models):
    before = make()
    identity = before.submit(request(), guest("ann"))
    run = working(before, identity)
    run.hear(Started(0, 0.0, 0, 0.0, 0.0, info={"steps": 100}))
    run.step(7)
    (run.record.folder / record.STATE).write_bytes(b"state")
    run.hear(Saved(5, 0.5, 5, 5.0, 0.05, path="state.pt"))
    text = (run.record.folder / record.RECORD).read_text()
    assert identity not in text and str(models) not in text  # who reads the disk doesn't get hold of the run
    after = make()
    assert after.record("guess") is None and after.of(guest("ann")) is None
    found = after.record(identity)
    assert found.state == "cut off" and found.resumable and found.points and found.saved_step == 5
    after.resume(identity, guest("someone with the address"))
    again = working(after, identity)
    assert again.words()[-9:-6] == ["--steps", "100", "--resume"] and "--minutes" not in again.words()


def test_what_has_no_state_is_not_resumed(make):
    queue = make()
    with pytest.raises(UserError, match="nothing to resume") as caught:
        queue.resume("unknown", guest("ann"))
    assert caught.value.code is ErrorCode.STATE


def test_ids_cannot_be_guessed(make):
    queue = make(waiting=8)
    ids = {queue.submit(request(), guest(f"guest {i}")) for i in range(4)}
    assert len(ids) == 4 and all(len(identity) >= 22 for identity in ids)
    queue.stop("vae-mnist-1")  # a name is no id
    queue.send("vae-mnist-1", PAUSE)
    assert all(queue.record(identity).active for identity in ids)


def test_nothing_grows_without_a_bound(make, models):
    queue = make(kept=3, unfinished=4)
    for i in range(8):
        identity = queue.submit(request(), guest(f"guest {i}"))
        queue.join(identity, "tab")
        working(queue, identity)
        queue.stop(identity)
        gone(queue, identity)
    assert len(queue._runs) <= 4 and not queue._entries
    assert len(queue._taken) <= 9
    assert len(list(models.iterdir())) <= 4


def test_a_tab_that_goes_is_let_go_of_everywhere(make, clock):
    queue = make()
    identity = queue.submit(request(), guest("ann"))
    queue.join(identity, "tab")
    assert queue._entries[identity].alone is None
    queue.part("tab")
    assert queue._entries[identity].alone == clock.now
    queue.join("nobody's", "tab")
