"""Work in a helper process: results, errors, progress, and that a call can be stopped at any moment."""

import os

import numpy as np
import pytest

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs import task
from sslviz.jobs.request import TrainingRequest
from sslviz.jobs.task import Helper
from sslviz.jobs.worker import Stopped

HERE = "tests.jobs.test_task"


# what the helper is called for: it imports this file by its name, from the folder of the checkout


def double(x, times, report):
    report("doubling", 0.5)
    return {"x": 2.0 * x, "times": times, "pid": os.getpid()}


def piecewise(report):
    for n in range(3):
        report.found({"x": np.full(2, n), "n": n})
    return {"n": 3}


def refuse(report):
    raise UserError("Too little memory: take less.", code=ErrorCode.MEMORY)


def crash(report):
    print("a word of a library")
    raise ZeroDivisionError("secret")


def leave(report):
    os._exit(3)


def endless(report):
    report("working", 0.1)
    while True:
        sum(range(1000))


@pytest.fixture()
def helper():
    helper = Helper()
    yield helper
    helper.close()


def silent(stage, fraction):
    pass


def test_arrays_and_plain_values_go_both_ways_and_the_process_is_kept(helper):
    told = []
    found = helper.call(f"{HERE}:double", lambda *said: told.append(said), arrays={"x": np.arange(3)}, times={"a": [1]})
    np.testing.assert_array_equal(found["x"], [0.0, 2.0, 4.0])
    assert found["times"] == {"a": [1]} and ("doubling", 0.5) in told
    assert helper.call(f"{HERE}:double", silent, arrays={"x": np.ones(1)}, times=0)["pid"] == found["pid"]


def test_what_is_there_already_is_told_while_the_call_goes_on(helper):
    parts = []
    assert helper.call(f"{HERE}:piecewise", silent, found=parts.append) == {"n": 3}
    assert [(part["n"], part["x"].tolist()) for part in parts] == [(0, [0, 0]), (1, [1, 1]), (2, [2, 2])]


def test_an_error_keeps_its_code_and_a_bug_is_not_shown(helper, caplog):
    with pytest.raises(UserError, match="take less") as caught:
        helper.call(f"{HERE}:refuse", silent)
    assert caught.value.code is ErrorCode.MEMORY
    with pytest.raises(UserError, match="log says why") as caught:
        helper.call(f"{HERE}:crash", silent)
    assert caught.value.code is ErrorCode.BUG and "secret" not in str(caught.value)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.slow
def test_a_process_that_dies_is_said_and_another_is_started(helper):
    with pytest.raises(UserError, match="log says why") as caught:
        helper.call(f"{HERE}:leave", silent)
    assert caught.value.code is ErrorCode.ENDED
    assert helper.call(f"{HERE}:double", silent, arrays={"x": np.ones(1)}, times=0)["x"][0] == 2


@pytest.mark.slow
def test_a_call_can_be_stopped_while_it_computes(helper):
    def stop(stage, fraction):
        if stage == "working":
            raise Stopped

    with pytest.raises(Stopped):
        helper.call(f"{HERE}:endless", stop)
    assert helper._child is None  # it was ended
    assert helper.call(f"{HERE}:double", silent, arrays={"x": np.ones(1)}, times=0)["x"][0] == 2


@pytest.mark.slow
def test_a_run_is_measured_by_a_command(own_digits):
    data = own_digits(200, 60)
    found = task.estimate(TrainingRequest("vae", data, ("--batch-size", "16"), 0.1, ""), silent)
    assert found["steps"] > 0 and found["images_per_second"] > 0
    with pytest.raises(UserError, match="no model 'nowhere'"):
        task.store_maps("nowhere", silent)
