"""`sslviz probe … --labels-per-class`: what it prints, and what it says of labels that can't be drawn."""

import json

import numpy as np
import pytest
from ownimages import arrays, save

from sslviz import cli


@pytest.mark.slow
def test_it_prints_means_bands_and_differences(own_digits, capsys):
    words = ["probe", "simclr-mnist", own_digits(300, 200), "--labels-per-class", "1", "10", "all", "--seeds", "2"]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels_per_class"] == [1, 10, "all"] and told["seeds"] == [0, 1] and told["n_test"] == 200
    assert list(told["rows"]) == ["simclr-mnist", "pixels", "pca", "random", "whitened patches"]
    own = told["rows"]["simclr-mnist"]
    assert [point["draws"] for point in own] == [2, 2, 1]
    assert own[0]["low"] <= own[0]["mean"] <= own[0]["high"] < own[2]["mean"]
    assert own[1]["mean"] > told["rows"]["pixels"][1]["mean"]
    assert told["differences"]["pixels"]["10"]["value"] > 0 and told["differences"]["pixels"]["10"]["draws"] == 2
    assert cli.main([*words[:-2], "--seeds", "1", "--no-baselines", "--scratch-steps", "3"]) == 0
    text = capsys.readouterr().out
    assert "labels a class" in text and "from scratch: the same encoder" in text and "lowest and the highest" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--labels-per-class", "0"], "numbers of 1 or more, and all"),
        (["--labels-per-class", "ten"], "not 'ten'"),
        (["--labels-per-class", "50"], "choose up to 2, or all"),
        (["--labels-per-class", "1", "--seeds", "0"], "--seeds must be from 1 to 100"),
        (["--labels-per-class", "1", "--probe", "knn"], "leave it out here"),
    ],
)
def test_what_cannot_be_is_said(words, said, tmp_path, capsys):
    path = save(tmp_path / "own.npz", **arrays(20, 10))
    assert cli.main(["probe", "simclr-mnist", str(path), "--no-baselines", *words]) == 1
    assert said in capsys.readouterr().err


def test_unlabelled_images_and_one_class_are_refused(tmp_path, capsys):
    for change, said in (({"y_train": None, "y_test": None}, "no label"), ({"y_train": np.zeros(20, int)}, "class")):
        zeros = {} if "y_test" in change else {"y_test": np.zeros(10, int)}
        path = save(tmp_path / "own.npz", **change, **zeros)
        assert cli.main(["probe", "simclr-mnist", str(path), "--labels-per-class", "1", "--json"]) == 1
        assert said in json.loads(capsys.readouterr().out)["message"]
