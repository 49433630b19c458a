"""Encoders side by side, on a little real data."""

import dataclasses

import pytest
import torch

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import PCA, Pixels
from sslviz.evaluation.protocol import evaluate


@pytest.fixture(scope="module")
def sets():
    sets = load_images("mnist", "train"), load_images("mnist", "test")
    return [dataclasses.replace(images, x=images.x[:1000], y=images.y[:1000]) for images in sets]


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_accuracies_by_name_in_order_and_reproducible(sets, probe):
    events = []
    encoders = {"pixels": Pixels(), "pca": PCA(30).fit(sets[0].x)}
    accuracy = evaluate(encoders, *sets, probe=probe, seed=0, callback=events.append)
    assert list(accuracy) == ["pixels", "pca"] and all(0.75 < value < 0.95 for value in accuracy.values())
    assert evaluate(encoders, *sets, probe=probe, seed=0) == accuracy
    fractions = [event["fraction"] for event in events]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert {event["encoder"] for event in events} == {"pixels", "pca"}
    assert {event["stage"] for event in events} == {"encode", "fit"}


def test_shuffled_labels_are_at_chance(sets):
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    shuffled = dataclasses.replace(sets[0], y=sets[0].y[order])
    assert evaluate({"pca": PCA(20).fit(sets[0].x)}, shuffled, sets[1])["pca"] < 0.2


def test_bad_input_is_refused(sets):
    train, test = sets
    with pytest.raises(UserError, match="linear or knn"):
        evaluate({}, train, test, probe="tree")
    with pytest.raises(UserError, match="classes"):
        evaluate({"pixels": Pixels()}, dataclasses.replace(train, x=train.x[:5], y=train.y[:5]), test)
    unlabelled = dataclasses.replace(train, y=torch.full((1000,), -1))
    with pytest.raises(UserError, match="no label"):
        evaluate({"pixels": Pixels()}, unlabelled, test)
