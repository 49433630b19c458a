"""The one worker for what takes seconds: whose turn it is, how long one waits, and what is too much."""

import threading

import pytest

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs.limits import Guest
from sslviz.jobs.worker import Worker

ANN, BOB, CEM = Guest("ann"), Guest("bob"), Guest("cem")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Job:
    """Work that the test leads: `tell` reports from the worker's thread, `finish` ends it."""

    def __init__(self):
        self.began, self.turn, self.done = threading.Event(), threading.Condition(), threading.Event()
        self.asked, self.error = [], None

    def __call__(self, report):
        self.began.set()
        while True:
            with self.turn:
                assert self.turn.wait_for(lambda: self.asked, 60)
                what = self.asked.pop(0)
            if what == "finish":
                return 42
            try:
                report(*what)
            except BaseException as error:
                self.error = error
                raise
            finally:
                self.done.set()

    def _ask(self, what):
        with self.turn:
            self.asked.append(what)
            self.turn.notify_all()

    def tell(self, stage, fraction):
        self.done.clear()
        self._ask((stage, fraction))
        assert self.done.wait(60)

    def finish(self):
        self._ask("finish")


@pytest.fixture()
def clock():
    return Clock()


@pytest.fixture()
def worker(clock):
    return Worker(clock)


def ended(worker, key):
    wait = threading.Event()
    for _ in range(20_000):
        if worker.progress(key).state in ("done", "failed", "stopped"):
            return worker.progress(key)
        wait.wait(0.002)
    raise AssertionError("the job did not end")


def test_a_job_runs_tells_how_far_it_is_and_leaves_its_result(worker, clock):
    job = Job()
    worker.submit(("a",), ANN, job)
    assert job.began.wait(60)
    clock.now += 3
    job.tell("half way", 0.5)
    now = worker.progress(("a",))
    assert (now.state, now.stage, now.fraction, now.seconds) == ("running", "half way", 0.5, 3.0)
    job.finish()
    assert ended(worker, ("a",)).result == 42


def test_what_a_job_has_found_so_far_is_there_while_it_runs_and_outlives_its_reports(worker):
    told, go = threading.Event(), threading.Event()

    def work(report):
        report.found("first")
        report("working", 0.5)
        told.set()
        assert go.wait(60)
        return "all"

    worker.submit(("parts",), ANN, work)
    assert told.wait(60)
    now = worker.progress(("parts",))
    assert (now.state, now.result, now.fraction) == ("running", "first", 0.5)
    go.set()
    while worker.progress(("parts",)).state == "running":
        pass
    assert worker.progress(("parts",)).result == "all"


def test_the_same_job_asked_for_twice_runs_once_and_ends_with_the_last_who_wants_it(worker):
    job, other = Job(), Job()
    worker.submit(("a",), ANN, job)
    worker.submit(("a",), BOB, other)
    worker.stop(("a",), ANN)
    assert worker.progress(("a",)).state in ("waiting", "running")
    worker.stop(("a",), BOB)
    assert worker.progress(("a",)).state == "stopped" and not other.began.is_set()
    job.finish()


def test_the_waiting_time_is_what_those_before_are_expected_to_take(worker, clock):
    first = Job()
    worker.submit(("a",), ANN, first, seconds=100)
    worker.submit(("b",), BOB, Job(), seconds=40)
    worker.submit(("c",), CEM, Job(), seconds=10)
    assert first.began.wait(60)
    assert worker.progress(("c",)).wait_seconds == pytest.approx(140) and worker.progress(("c",)).place == 2
    clock.now += 20
    first.tell("encoding", 0.5)  # twice as fast as was expected, or slower: the pace counts
    assert worker.progress(("b",)).wait_seconds == pytest.approx(20)
    assert worker.progress(("c",)).wait_seconds == pytest.approx(60)
    first.finish()


def test_what_takes_too_long_is_refused_before_it_starts_and_by_its_pace(worker, clock):
    with pytest.raises(UserError, match="fewer images") as caught:
        worker.submit(("a",), ANN, Job(), seconds=5000)
    assert caught.value.code is ErrorCode.COST
    slow, next_ = Job(), Job()
    worker.submit(("slow",), ANN, slow)
    worker.submit(("next",), BOB, next_)
    assert slow.began.wait(60)
    clock.now += 60
    worker.progress(("slow",))  # it is looked at
    worker.progress(("next",))
    slow.tell("encoding", 0.03)  # some 33 minutes at this pace
    assert isinstance(slow.error, UserError)
    assert "33 minutes" in ended(worker, ("slow",)).error
    assert next_.began.wait(60)  # the worker is free again
    next_.finish()


def test_what_says_nothing_of_its_pace_ends_at_its_limit(worker, clock):
    job = Job()
    worker.submit(("a",), ANN, job, longest=100.0)
    assert job.began.wait(60)
    clock.now += 50
    worker.progress(("a",))
    job.tell("working", 0.0)
    assert job.error is None
    clock.now += 51
    worker.progress(("a",))
    job.tell("working", 0.0)
    assert "a computation may take" in ended(worker, ("a",)).error


def test_the_queue_is_bounded_by_minutes_and_by_number(worker):
    worker.submit(("a",), Guest("0"), Job(), seconds=500)
    worker.submit(("b",), Guest("1"), Job(), seconds=390)
    with pytest.raises(UserError, match="some 15 minutes of work") as caught:
        worker.submit(("c",), Guest("2"), Job(), seconds=100)
    assert caught.value.code is ErrorCode.COST
    for number in range(Worker.WAITING - 2):
        worker.submit(("d", number), Guest(f"x{number}"), Job(), seconds=1)
    with pytest.raises(UserError, match="8 computations"):
        worker.submit(("e",), Guest("3"), Job(), seconds=1)


def test_tabs_of_one_browser_share_a_few_places(worker):
    for tab in range(Worker.EACH):
        worker.submit(("a", tab), Guest(f"tab {tab}", client="cookie"), Job())
    with pytest.raises(UserError, match="computations of yours"):
        worker.submit(("a", 9), Guest("tab 9", client="cookie"), Job())
    worker.submit(("b",), Guest("other", client="other cookie"), Job())


def test_an_owner_has_one_job_of_a_kind(worker):
    """A probe with other labels takes the place of the one before; what a page computes besides goes on."""
    first = Job()
    worker.submit(("probe", 100), ANN, first)
    worker.submit(("maps", "m"), ANN, Job())
    worker.submit(("probe", 300), ANN, Job())
    assert worker.progress(("probe", 100)).state == "stopped"
    assert worker.progress(("maps", "m")).state in ("waiting", "running")
    first.finish()


def test_a_job_ends_soon_after_its_browser_has_gone(worker, clock):
    job = Job()
    worker.submit(("a",), ANN, job)
    assert job.began.wait(60)
    job.tell("working", 0.1)
    worker.part(ANN)
    clock.now += Worker.LEFT - 1
    job.tell("working", 0.2)
    assert job.error is None
    clock.now += 2
    job.tell("working", 0.3)
    assert job.error is not None
    for _ in range(20_000):
        if worker.progress(("a",)) is None:  # whoever looks next did not stop it, and asks anew
            break
        threading.Event().wait(0.002)
    assert worker.progress(("a",)) is None


def test_what_is_of_use_to_others_goes_on_when_its_browser_has_gone(worker, clock):
    job = Job()
    worker.submit(("maps", "m"), ANN, job, lasting=True)
    assert job.began.wait(60)
    worker.part(ANN)
    clock.now += 2 * Worker.GRACE
    job.tell("fitting", 0.5)
    assert job.error is None
    clock.now += Worker.LONGEST  # but no longer than anything may take
    job.tell("fitting", 0.6)
    assert "a computation may take" in ended(worker, ("maps", "m")).error


def test_a_reload_in_time_keeps_the_job(worker, clock):
    job = Job()
    worker.submit(("a",), ANN, job)
    assert job.began.wait(60)
    worker.part(ANN)
    worker.progress(("a",))  # the page that was reloaded looks at it
    clock.now += Worker.GRACE - 1
    job.tell("working", 0.3)
    assert job.error is None
    job.finish()


def test_a_job_that_waited_while_its_browser_went_is_not_begun(worker, clock):
    first, second, third = Job(), Job(), Job()
    worker.submit(("a",), ANN, first)
    worker.submit(("b",), BOB, second)
    worker.submit(("c",), CEM, third)
    assert first.began.wait(60)
    worker.part(BOB)
    clock.now += 10
    first.finish()
    assert third.began.wait(60) and not second.began.is_set()
    assert worker.progress(("b",)) is None
    third.finish()


def test_errors_are_sentences_and_bugs_stay_in_the_log(worker, caplog):
    def refuse(report):
        raise UserError("Choose fewer.")

    def crash(report):
        raise ZeroDivisionError("secret")

    worker.submit(("a",), ANN, refuse)
    assert ended(worker, ("a",)).error == "Choose fewer."
    worker.submit(("b",), ANN, crash)
    assert "log says why" in ended(worker, ("b",)).error and "secret" not in ended(worker, ("b",)).error
    assert "ZeroDivisionError" in caplog.text


def test_little_is_kept(worker):
    for number in range(2 * Worker.KEPT):
        worker.submit(("a", number), Guest(f"{number}"), lambda report: None)
        ended(worker, ("a", number))
    assert len(worker._progress) <= Worker.KEPT + 1 and not worker._jobs
