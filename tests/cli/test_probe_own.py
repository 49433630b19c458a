"""`sslviz probe` on own images that a plain accuracy would mislead about."""

import json

import numpy as np
import pytest

from sslviz import cli


@pytest.fixture
def probe(tiny_models, monkeypatch, tmp_path, capsys):
    """A function that writes images and labels of two splits, probes "tiny-simclr" on them, and gives what is told."""
    monkeypatch.setenv("SSLVIZ_MODELS", str(tiny_models))

    def run(x, y, x_test, y_test, *options):
        arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
        np.savez(tmp_path / "own.npz", **arrays)
        status = cli.main(["probe", "tiny-simclr", str(tmp_path / "own.npz"), *options])
        return status, *capsys.readouterr()

    return run


def noise(n, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), np.uint8)


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_labels_of_one_class_are_refused(probe, kind):
    status, _, error = probe(noise(40, 0), np.zeros(40, int), noise(10, 1), np.zeros(10, int), "--probe", kind)
    assert status == 1 and "All labels are of one class" in error and "Traceback" not in error


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_images_that_are_all_the_same_are_refused(probe, kind):
    x, y = np.full((40, 28, 28), 7, np.uint8), np.arange(40) % 2
    status, _, error = probe(x, y, x[:10], y[:10], "--probe", kind)
    assert status == 1 and "All rows of h are alike" in error and "images are all the same" in error


def test_the_largest_class_stands_beside_an_accuracy_on_unequal_classes(probe):
    """Noise, 95 of 100 of one class: 95 % right, told as no better than naming that class."""
    y = np.r_[np.zeros(95, int), np.ones(5, int)]
    status, out, _ = probe(noise(100, 0), y, noise(100, 1), y, "--json")
    told = json.loads(out)
    assert status == 0 and told["largest_class_share"] == 0.95
    assert told["accuracy"] <= 0.97 and not told["differences"]["pixels"]["told"]
    _, out, _ = probe(noise(100, 0), y, noise(100, 1), y)
    assert "largest class" in out and "95.0%" in out and "no difference from" in out


def test_copies_of_training_images_among_the_test_images_are_said(probe):
    x, y = noise(40, 0), np.arange(40) % 2
    status, out, _ = probe(x, y, x[:20], y[:20], "--probe", "knn")
    assert status == 0 and "20 of its 20 test images are copies of training images" in out


def test_the_json_names_protocol_n_interval_and_differences(probe):
    y = np.arange(100) % 2
    status, out, _ = probe(noise(100, 0), y, noise(60, 1), y[:60], "--json", "--seed", "2")
    told = json.loads(out)
    assert status == 0
    assert told["protocol"] == "Linear probe on 100 labelled images, 60 test images, seed 2"
    assert told["interval"] == "95 %, Wilson, over test images; one training seed"
    assert set(told["differences"]) == set(told["baselines"]) == {"pixels", "pca", "random", "whitened patches"}
    for name, difference in told["differences"].items():
        assert difference["value"] == pytest.approx(told["accuracy"] - told["baselines"][name])
        assert difference["n"] == 60 and "paired" in told["difference_interval"]
