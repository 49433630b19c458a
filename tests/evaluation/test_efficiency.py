"""Label efficiency: balanced nested draws, the same for all rows, fits in order, intervals, and what is refused."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from tinyruns import TINY

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.baselines.pca import PCA
from sslviz.evaluation.baselines.pixels import Pixels
from sslviz.evaluation.efficiency import Efficiency, Fit, crossover, draw_difference, label_draws
from sslviz.evaluation.intervals import accuracy_interval, paired_difference
from sslviz.evaluation.probes import LinearProbe
from sslviz.evaluation.protocol import labelled_images
from sslviz.evaluation.sweep import sweep
from sslviz.methods.supervised import Supervised, SupervisedConfig
from sslviz.training.scratch import FromScratch

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def sets():
    return [
        labelled_images(load_images("mnist", split)).take(np.arange(n)) for split, n in (("train", 600), ("test", 400))
    ]


def test_draws_are_balanced_nested_and_drawn_by_the_seed(sets):
    y = sets[0].y
    drawn = label_draws(y, (1, 5, 20, None), (0, 7), class_names=NAMES)
    assert set(drawn) == {(count, seed) for count in (1, 5, 20) for seed in (0, 7)} | {(None, 0)}
    for (count, seed), rows in drawn.items():
        assert len(set(rows)) == len(rows)
        if count:
            assert np.bincount(y[rows]).tolist() == [count] * 10
            assert set(drawn[1, seed]) <= set(rows)
    assert not np.array_equal(drawn[5, 0], drawn[5, 7])
    np.testing.assert_array_equal(drawn[None, 0], np.arange(600))
    again = label_draws(y, (5,), (7,), class_names=NAMES)
    np.testing.assert_array_equal(again[5, 7], drawn[5, 7])


@pytest.mark.parametrize(
    ("y", "counts", "names", "words"),
    [
        ([0, 0, 1, 1, 1], (3,), ("a", "b"), "“a” has 2; choose up to 2, or all"),
        ([0, 0, 1], (1,), ("a", "b", "c"), "none of “c”"),
        ([0, 1], (None,), ("a", "b", "c"), "There are 2 labels for 3 classes"),
        ([0, 0, 0], (1,), ("a",), "of one class"),
        ([0, 1], (0,), ("a", "b"), "1 or more, or all"),
        ([0, 1], (), ("a", "b"), "choose some"),
    ],
)
def test_labels_that_cannot_be_drawn_are_refused_in_a_sentence(y, counts, names, words):
    with pytest.raises(UserError, match=words):
        label_draws(np.array(y), counts, (0,), class_names=names)


def test_every_row_gets_the_same_draws_and_the_encoders_own_fits_come_first(sets):
    train, test = sets
    moments = list(sweep({"pca": PCA(20), "pixels": Pixels()}, train, test, counts=(None, 2, 10), seeds=(0, 1)))
    found = moments[-1]
    assert [len(each.fits) for each in moments] == list(range(1, 11)) and found.n_fits == 10
    assert [(fit.name, fit.per_class, fit.seed) for fit in found.fits] == [
        (name, *draw) for name in ("pca", "pixels") for draw in ((2, 0), (2, 1), (10, 0), (10, 1), (None, 0))
    ]
    rows = label_draws(train.y, (10,), (1,), class_names=NAMES)[10, 1]
    x, x_test = (each.x.numpy().reshape(len(each.x), -1).astype(np.float32) / 255 for each in sets)
    y_pred = LinearProbe(seed=1).fit(x[rows], train.y[rows]).predict(x_test)
    assert np.mean(found.fits[8].y_pred == y_pred) > 0.995
    point = found.points("pixels")[0]
    accuracies = [fit.accuracy for fit in found.fits[5:7]]
    assert (point.low, point.high, point.mean) == (min(accuracies), max(accuracies), pytest.approx(np.mean(accuracies)))
    assert point.interval == accuracy_interval(point.mean, 400) and (point.draws, point.n_labels) == (2, 20)
    assert [p.draws for p in found.points("pca")] == [2, 2, 1]
    told = json.loads(json.dumps(found.as_dict()))
    assert told["labels_per_class"] == [2, 10, "all"] and set(told["differences"]["pixels"]) == {"2", "10", "all"}
    assert "2 class-balanced draws" in told["protocol"] and "400 test images" in told["protocol"]


def test_a_helper_process_tells_each_fit_and_it_comes_out_whole(monkeypatch):
    from sslviz.jobs import computations

    small = {split: load_images("mnist", split) for split in ("train", "test")}
    small = {split: dataclasses.replace(each, x=each.x[:300], y=each.y[:300]) for split, each in small.items()}
    monkeypatch.setattr("sslviz.data.images.load_images", lambda name, split, bundled=False: small[split])

    class Report:
        told, parts = [], []

        def __call__(self, stage, fraction):
            self.told.append(fraction)

        def found(self, result):
            self.parts.append(result)

    packed = computations.label_efficiency("mnist", ["vae-mnist-2d"], ["pixels"], [1, None], 2, report=Report())
    assert len(Report.parts) == 6 and Report.told == sorted(Report.told)
    arrays = {key: value for key, value in packed.items() if isinstance(value, np.ndarray)}
    plain = json.loads(json.dumps({key: value for key, value in packed.items() if key not in arrays}))
    back = Efficiency.unpacked(plain | arrays)
    assert back.names == ("vae-mnist-2d", "pixels") and [p.draws for p in back.points("pixels")] == [2, 1]
    assert back.difference("vae-mnist-2d", 1, "pixels").draws == 2


def test_copies_across_the_split_are_counted(sets):
    train, test = sets
    copied = dataclasses.replace(test, x=torch.cat([train.x[:7], test.x[7:]]))
    found = next(sweep({"pixels": Pixels()}, train, copied, counts=(1,), seeds=(0,)))
    assert found.copies == 7 and found.as_dict()["copies_across_the_split"] == 7


class Broken:
    """An encoder whose weights are no numbers any more."""

    def encode(self, x):
        return torch.full((len(x), 3), float("nan"))


def test_nan_in_h_is_refused_and_another_row_with_it_is_left_out(sets):
    with pytest.raises(UserError, match="NaN"):
        list(sweep({"broken": Broken()}, *sets, counts=(2,), seeds=(0,)))
    *_, found = sweep({"pixels": Pixels(), "broken": Broken()}, *sets, counts=(2,), seeds=(0,))
    assert "NaN" in found.left_out["broken"] and found.names == ("pixels",) and found.n_fits == len(found.fits) == 1


def test_no_labels_and_no_test_images_are_refused(sets):
    train, test = sets
    with pytest.raises(UserError, match="no label"):
        next(sweep({"pixels": Pixels()}, dataclasses.replace(train, y=np.full(600, -1)), test))
    with pytest.raises(UserError, match="no test images"):
        next(sweep({"pixels": Pixels()}, train, test.take(np.arange(0))))


def test_a_difference_adds_what_draws_and_test_images_leave_open():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    a, b = (np.where(rng.random((5, 200)) < share, y, (y + 1) % 3) for share in (0.9, 0.7))
    found = draw_difference(y, a, b)
    draws = [np.mean(a[s] == y) - np.mean(b[s] == y) for s in range(5)]
    rows = [np.mean([float(a[s, i] == y[i]) - float(b[s, i] == y[i]) for s in range(5)]) for i in range(200)]
    half = math.hypot(2.776 * np.std(draws, ddof=1) / 5**0.5, 1.96 * np.std(rows, ddof=1) / 200**0.5)
    assert found.value == pytest.approx(np.mean(draws))
    assert (found.low, found.high) == (
        pytest.approx(found.value - half, abs=1e-4),
        pytest.approx(found.value + half, abs=1e-4),
    )
    assert found.told and not draw_difference(y, a, a.copy()[::-1]).told
    alone, tango = draw_difference(y, a[:1], b[:1]), paired_difference(y, a[0], b[0])
    assert (alone.value, alone.low, alone.high) == (tango.value, tango.low, tango.high)
    with pytest.raises(UserError, match="as many of both"):
        draw_difference(y, a, b[:3])


def test_the_interval_of_a_difference_holds_the_true_one_as_often_as_it_says():
    """Draws and test images that differ at random: 300 experiments, at least 93 % of them inside."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(300):
        hard, luck = rng.normal(size=300), rng.normal(0, 0.3, size=(2, 5, 1))
        right = rng.random((2, 5, 300)) < 1 / (1 + np.exp(-(1 + hard + luck)))
        y = np.zeros(300, int)
        found = draw_difference(y, 1 - right[0], 1 - right[1])
        inside += found.low <= 0 <= found.high
    assert inside / 300 >= 0.93


def test_a_crossover_is_where_the_other_row_stays_ahead():
    def row(name, accuracies):
        y = np.zeros(100, int)
        for count, accuracy in zip((1, 5, 10, None), accuracies, strict=True):
            right = np.arange(100) < 100 * accuracy
            yield Fit(name, count, 0, 10 * (count or 60), accuracy, np.where(right, y, 1))

    def found(a, b):
        fits = (*row("a", a), *row("b", b))
        return Efficiency("a", (1, 5, 10, None), (0,), np.zeros(100, int), NAMES, "images", "", "", 600, fits=fits)

    assert crossover(found([0.5, 0.6, 0.7, 0.8], [0.2, 0.65, 0.6, 0.9]), "a", "b") == 600
    assert crossover(found([0.5, 0.6, 0.7, 0.8], [0.2, 0.65, 0.7, 0.9]), "a", "b") == 50
    assert crossover(found([0.5, 0.6, 0.7, 0.8], [0.9, 0.9, 0.9, 0.7]), "a", "b") is None


@pytest.mark.slow
def test_from_scratch_is_a_real_training_on_the_rows_alone(sets):
    images = [dataclasses.replace(load_images("mnist", split)) for split in ("train", "test")]
    images = [dataclasses.replace(each, x=each.x[:400], y=each.y[:400]) for each in images]
    like = Supervised(SupervisedConfig(dataclasses.replace(TINY, widths=(32, 32), pool=4)))
    scratch = FromScratch(*images, like=like, steps=80)
    rows = np.arange(300)
    y_pred = scratch(rows, 0)
    accuracy = float(np.mean(y_pred == images[1].y.numpy()))
    assert 0.18 < accuracy < 0.95  # chance is 0.1
    np.testing.assert_array_equal(y_pred, scratch(rows, 0))
    assert "80 steps" in scratch.words and "the same encoder" in scratch.words
    few = np.array([np.flatnonzero(images[0].y.numpy() == k)[0] for k in range(10)])
    assert scratch(few, 0).shape == (400,)
