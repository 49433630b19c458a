"""The pipeline on a little real data: same labels, same test images, paired differences; what can't be is said."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from sslviz.data.images import load_images
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation.baselines.patches import WhitenedPatches
from sslviz.evaluation.baselines.pca import PCA
from sslviz.evaluation.baselines.pixels import Pixels
from sslviz.evaluation.intervals import accuracy_interval, paired_difference
from sslviz.evaluation.probes import KNNProbe, LinearProbe
from sslviz.evaluation.protocol import evaluate, evaluate_halves, labelled_images, online_accuracy
from sslviz.evaluation.results import Labelled, confusion, difference_words, protocol_title


@pytest.fixture(scope="module")
def sets():
    return [labelled_images(load_images("mnist", split)).take(np.arange(1000)) for split in ("train", "test")]


def flat(x):
    return x.numpy().reshape(len(x), -1).astype(np.float32) / 255


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_every_encoder_gets_the_same_labels_test_images_and_probe(sets, probe):
    train, test = sets
    events, seen = [], []
    found = evaluate(
        {"pca": PCA(30), "pixels": Pixels()}, *sets, probe=probe, n_labels=500, seed=3,
        progress=lambda *event: events.append(event), found=seen.append,
    )  # fmt: skip
    rows = stratified_sample(train.y, 500, seed=3)
    x, x_test = flat(train.x[rows]), flat(test.x)
    fitted = LinearProbe(seed=3) if probe == "linear" else KNNProbe(metric="euclidean")
    y_pred = fitted.fit(x, train.y[rows]).predict(x_test)
    assert np.mean(found.scores["pixels"].y_pred == y_pred) > 0.998  # x / 255 rounds in another order
    accuracy = np.mean(found.scores["pixels"].y_pred == test.y)
    assert found.scores["pixels"].accuracy == accuracy
    assert found.scores["pixels"].interval == accuracy_interval(accuracy, 1000)
    assert (found.model, found.n_train, found.n_test) == ("pca", 500, 1000)
    assert list(found.baselines) == ["pixels"] and found.best_baseline.name == "pixels"
    assert found.difference("pixels") == paired_difference(test.y, found.score.y_pred, found.scores["pixels"].y_pred)
    title = {"linear": "Linear probe", "knn": "k-NN probe"}[probe]
    assert found.protocol == f"{title} on 500 labelled images, 1,000 test images, seed 3"
    assert [list(each.scores) for each in seen] == [["pca"], ["pca", "pixels"]]  # the encoder's own comes first
    assert [each.complete for each in seen] == [False, True]
    fractions = [fraction for *_, fraction in events]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert {(name, stage) for name, stage, _ in events} == {
        (name, stage) for name in ("pca", "pixels") for stage in ("encode training", "encode test", "fit")
    }


@pytest.mark.slow
def test_h_that_is_known_is_not_computed_again(sets):
    x, x_test = (flat(each.x) for each in sets)
    whole = evaluate({"a": Pixels()}, *sets, n_labels=300, seed=1)
    for known in ((x, x_test), (None, x_test)):
        again = evaluate({"a": Pixels()}, *sets, n_labels=300, seed=1, known={"a": known})
        assert again.score.accuracy == pytest.approx(whole.score.accuracy, abs=0.003)
    nobody = evaluate({"a": None}, *sets, n_labels=300, seed=1, known={"a": (x, x_test)})
    assert nobody.score.accuracy == pytest.approx(whole.score.accuracy, abs=0.003)


def test_the_json_says_protocol_counts_intervals_and_differences(sets):
    told = json.loads(json.dumps(evaluate({"pca": PCA(30), "pixels": Pixels()}, *sets, n_labels=200).as_dict()))
    assert told["protocol"] == "Linear probe on 200 labelled images, 1,000 test images, seed 0"
    assert (told["n_train"], told["n_test"], told["seed"]) == (200, 1000, 0)
    assert told["interval"] == "95 %, Wilson, over test images; one training seed"
    assert told["interval_95"] == list(accuracy_interval(told["accuracy"], 1000))
    assert told["largest_class_share"] == np.bincount(sets[1].y).max() / 1000
    difference = told["differences"]["pixels"]
    assert difference["value"] == pytest.approx(told["accuracy"] - told["baselines"]["pixels"])
    low, high = difference["interval_95"]
    assert low <= difference["value"] <= high and difference["told"] == (low > 0 or high < 0)
    assert "paired" in told["difference_interval"] and told["left_out"] == {}


@pytest.mark.slow
def test_evaluations_stand_beside_each_other_only_under_one_protocol(sets):
    one = evaluate({"pca": PCA(20)}, *sets, n_labels=200)
    two = evaluate({"pixels": Pixels()}, *sets, n_labels=200)
    assert list(one.beside(two).baselines) == ["pixels"]
    for other in (
        evaluate({"pixels": Pixels()}, *sets, n_labels=300),
        evaluate({"pixels": Pixels()}, *sets, n_labels=200, seed=1),
        evaluate({"pixels": Pixels()}, *sets, n_labels=200, probe="knn"),
        evaluate({"pixels": Pixels()}, sets[0], sets[1].take(np.arange(999, -1, -1)), n_labels=200),
    ):
        with pytest.raises(ValueError, match="can't be compared"):
            one.beside(other)


def test_shuffled_labels_are_at_chance(sets):
    shuffled = dataclasses.replace(sets[0], y=np.random.default_rng(0).permutation(sets[0].y))
    assert evaluate({"pca": PCA(20)}, shuffled, sets[1]).score.accuracy < 0.2


class Constant:
    """An encoder that has collapsed."""

    def encode(self, x):
        return torch.full((len(x), 4), 0.3)


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_a_collapsed_encoder_is_refused_in_words_and_a_collapsed_baseline_is_left_out(sets, probe):
    with pytest.raises(UserError, match="encoder has collapsed"):
        evaluate({"constant": Constant()}, *sets, probe=probe)
    found = evaluate({"pixels": Pixels(), "constant": Constant()}, *sets, probe=probe, n_labels=100)
    assert list(found.scores) == ["pixels"] and "collapsed" in found.left_out["constant"] and found.complete


def test_images_too_small_for_a_baseline_leave_it_out_and_say_why(sets):
    small = [dataclasses.replace(each, x=each.x[:, :, 10:14, 10:14]) for each in sets]
    found = evaluate({"pixels": Pixels(), "whitened patches": WhitenedPatches()}, *small, n_labels=100)
    assert "no patch of 6" in found.left_out["whitened patches"]


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_labels_of_one_class_are_refused_in_words(sets, probe):
    alone = dataclasses.replace(sets[0], y=np.zeros(1000, np.int64), class_names=("a",))
    with pytest.raises(UserError, match="of one class"):
        evaluate({"pixels": Pixels()}, alone, alone, probe=probe)


def test_the_share_of_the_largest_class_stands_beside_accuracy_where_classes_are_unequal():
    """Noise with 95 of 100 labels alike: 95 % right, and nothing told by it."""
    rng = np.random.default_rng(0)
    y = np.array([0] * 95 + [1] * 5)
    noise = [Labelled(torch.from_numpy(rng.random((100, 1, 4, 4)).astype(np.float32)), y, ("a", "b"), "") for _ in "ab"]
    found = evaluate({"pixels": Pixels()}, *noise)
    assert found.largest_class_share == 0.95 and found.score.accuracy <= 0.96
    assert found.as_dict()["largest_class_share"] == 0.95


def test_bad_input_is_refused(sets):
    train, test = sets
    with pytest.raises(UserError, match="linear or knn"):
        evaluate({}, train, test, probe="tree")
    for n_labels in (9, 1001):
        with pytest.raises(UserError, match="choose from 10 to 1,000"):
            evaluate({"pixels": Pixels()}, train, test, n_labels=n_labels)
    with pytest.raises(UserError, match="no label"):
        evaluate({"pixels": Pixels()}, dataclasses.replace(train, y=np.full(1000, -1)), test)
    with pytest.raises(UserError, match="no test images"):
        evaluate({"pixels": Pixels()}, train, test.take(np.arange(0)))
    with pytest.raises(UserError, match="nothing can be probed"):
        labelled_images(dataclasses.replace(load_images("mnist", "test"), class_names=()))


def test_one_half_of_the_test_images_votes_on_the_other(sets):
    h = flat(sets[1].x)
    found, rows = evaluate_halves("a", h, sets[1].y, sets[1].class_names, metric="euclidean", most=800)
    bank = np.sort(np.random.default_rng(0).permutation(1000)[:800][::2])
    assert len(rows) == len(bank) == 400 and not set(rows) & set(bank)
    y_pred = KNNProbe(metric="euclidean").fit(h[bank], sets[1].y[bank]).predict(h[rows])
    np.testing.assert_array_equal(found.score.y_pred, y_pred)
    assert (found.n_train, found.n_test, found.probe) == (400, 400, "knn")


def test_while_training_a_collapsed_encoder_has_no_accuracy(sets):
    h, y = flat(sets[0].x), sets[0].y
    assert 0.7 < online_accuracy(h[:600], y[:600], h[600:], y[600:], metric="cosine") < 1
    assert online_accuracy(0 * h[:600], y[:600], h[600:], y[600:], metric="cosine") is None
    assert online_accuracy(h[:600], 0 * y[:600], h[600:], y[600:], metric="euclidean") is None


def test_confusion_counts_equal_a_loop():
    rng = np.random.default_rng(0)
    y, y_pred = rng.integers(4, size=200), rng.integers(4, size=200)
    expected = [[sum((y == i) & (y_pred == j)) for j in range(5)] for i in range(5)]
    np.testing.assert_array_equal(confusion(y, y_pred, 5), expected)


def test_words_of_protocols_and_differences():
    assert protocol_title("knn", 60_000, 10_000) == "k-NN probe on 60,000 labelled images, 10,000 test images"
    y, a = np.ones(1000, int), np.r_[np.ones(950, int), np.zeros(50, int)]
    worse = np.r_[np.ones(900, int), np.zeros(100, int)]
    assert difference_words(paired_difference(y, a, worse), "pixels") == "5.0 points above pixels (3.8 to 6.5)"
    assert difference_words(paired_difference(y, worse, a), "pixels") == "5.0 points below pixels (3.8 to 6.5)"
    near = a.copy()
    near[[0, 960]] = 0, 1
    words = difference_words(paired_difference(y, a, near), "pixels")
    assert words.startswith("no difference from pixels can be told (−") and "points)" in words


def test_the_metric_is_the_encoders_own(sets):
    found = evaluate({"pixels": Pixels(), "pca": PCA(20)}, *sets, probe="knn", n_labels=200)
    assert [score.metric for score in found.scores.values()] == ["euclidean", "euclidean"]

    class Angles(Pixels):
        h_metric = "cosine"

    assert evaluate({"a": Angles()}, *sets, probe="knn", n_labels=200).score.metric == "cosine"


def test_an_evaluation_goes_to_another_process_and_back(sets):
    found = evaluate({"pca": PCA(20), "pixels": Pixels()}, *sets, n_labels=100)
    packed = found.packed()
    arrays = {key: value for key, value in packed.items() if isinstance(value, np.ndarray)}
    plain = json.loads(json.dumps({key: value for key, value in packed.items() if key not in arrays}))
    back = type(found).unpacked(plain | arrays)
    assert back.as_dict() == found.as_dict() and back.protocol == found.protocol
    np.testing.assert_array_equal(back.scores["pixels"].y_pred, found.scores["pixels"].y_pred)
