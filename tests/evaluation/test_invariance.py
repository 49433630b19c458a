"""The invariance meter against slow references: cosines in loops, the probe as scikit-learn's estimator."""

import math

import numpy as np
import pytest

from sslviz.evaluation.invariance import Meter, cosines, first_changes, fit_meter, respond, split_rows
from sslviz.evaluation.probes import LinearProbe


@pytest.fixture(scope="module")
def clouds():
    """h (300, 6) of three classes, and y."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    return (rng.normal(size=(300, 6)) + 2.5 * np.eye(6)[y]).astype(np.float32), y


def slow_cosine(a, b):
    dot = sum(float(u) * float(v) for u, v in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(u) ** 2 for u in a)) / math.sqrt(sum(float(v) ** 2 for v in b))


def test_cosines_are_those_of_a_loop(clouds):
    h, _ = clouds
    found = cosines(h[:5], h[5:12])
    for i in range(5):
        for j in range(7):
            assert found[i, j] == pytest.approx(slow_cosine(h[i], h[5 + j]), abs=1e-9)
    assert np.isnan(cosines(np.zeros((1, 6)), h[:2])).all()


def test_a_meter_answers_as_the_probe_does_and_survives_its_arrays(clouds):
    h, y = clouds
    meter = fit_meter(h[:150], y[:150], h[150:], y[150:])
    probe = LinearProbe(seed=0).fit(h[:150], y[:150])
    again = Meter.of(meter.arrays())
    for one in (meter, again):
        np.testing.assert_allclose(one.probabilities(h[150:]), probe.predict_proba(h[150:]), atol=1e-12)
        assert one.accuracy == np.mean(probe.predict(h[150:]) == y[150:]) > 0.8
    pairs = [slow_cosine(h[i], h[j]) for i in range(150, 300) for j in range(i + 1, 300)]
    assert meter.floor == again.floor == pytest.approx(np.median(pairs), abs=1e-9)


def test_a_response_follows_h_from_one_class_to_another(clouds):
    h, y = clouds
    meter = fit_meter(h[:150], y[:150], h[150:], y[150:])
    ends = 4 * np.eye(6, dtype=np.float32)[:2]
    way = np.stack([(1 - t) * ends[0] + t * ends[1] for t in np.linspace(0, 1, 9)])
    found = respond(meter, way[0], way)
    np.testing.assert_allclose(found.cosine, [slow_cosine(way[0], step) for step in way], atol=1e-9)
    y_pred = found.p.argmax(axis=1)
    assert (y_pred[0], y_pred[-1]) == (0, 1) and 2 <= first_changes(y_pred, 0)[0] <= 6
    np.testing.assert_allclose(found.p.sum(axis=1), 1)


def test_without_labels_or_with_one_h_for_all_there_is_no_probe(clouds):
    h, y = clouds
    for meter in (fit_meter(h, None, h, None), fit_meter(np.ones_like(h), y, np.ones_like(h), y)):
        assert meter.probabilities(h).shape == (300, 0) and math.isnan(meter.accuracy)
    assert meter.floor == pytest.approx(1)
    assert math.isnan(fit_meter(0 * h, y, 0 * h, y).floor)


def test_changes_are_the_nearest_ones_on_either_side():
    def slow(y_pred, start):
        down = next(([i] for i in range(start, -1, -1) if y_pred[i] != y_pred[start]), [])
        return down + next(([i] for i in range(start, len(y_pred)) if y_pred[i] != y_pred[start]), [])

    rng = np.random.default_rng(1)
    for _ in range(200):
        y_pred, start = rng.integers(0, 3, 7), int(rng.integers(0, 7))
        assert first_changes(y_pred, start) == slow(y_pred, start)
    assert first_changes(np.zeros(4), 1) == []


def test_rows_of_images_on_show_are_in_neither_part():
    y, shelf = np.zeros(60, np.int64), np.array([3, 7, 11])
    fitted, judged = split_rows(y, shelf, most=20)
    assert len(fitted) == len(judged) == 20 and not set(fitted) & set(judged)
    assert not (set(fitted) | set(judged)) & set(shelf)
    assert [len(part) for part in split_rows(y, shelf, most=1000)] == [29, 28]
    assert all((a == b).all() for a, b in zip(split_rows(y, shelf, most=20), (fitted, judged), strict=True))
