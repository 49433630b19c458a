"""Learning with labels: its loss, where the number of classes comes from, what is refused, and that a card says it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ownimages import arrays, save
from tinyruns import TINY, tiny

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.jobs.request import make_request
from sslviz.methods.base import StepContext
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.supervised import Supervised, SupervisedConfig
from sslviz.store import checkpoint
from sslviz.training.batches import batches_for
from sslviz.training.config import command_for, config_for
from sslviz.training.loop import fit


def test_the_loss_is_the_mean_surprise_at_the_labels():
    model = Supervised(SupervisedConfig(TINY, classes=3)).train()
    x, y = torch.rand(5, 1, 28, 28), torch.tensor([0, 1, 2, 2, 1])
    context = StepContext(forward=model, policy=ViewPolicy(), labels=y)  # a policy without transforms: x itself
    losses = model.training_step(x, torch.Generator().manual_seed(0), context)
    logits = model(x).tolist()
    surprise = [math.log(sum(map(math.exp, row))) - row[label] for row, label in zip(logits, y.tolist(), strict=True)]
    assert losses["loss"].item() == pytest.approx(sum(surprise) / 5, abs=1e-5)
    right = [row.index(max(row)) == label for row, label in zip(logits, y.tolist(), strict=True)]
    assert float(losses["accuracy"]) == pytest.approx(np.mean(right))
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_step_without_labels_is_a_mistake_of_the_programmer():
    model = Supervised(SupervisedConfig(TINY))
    with pytest.raises(ValueError, match="needs the labels"):
        model.training_step(torch.rand(2, 1, 28, 28), torch.Generator(), StepContext(forward=model))


def test_a_dataset_gives_the_number_of_classes(tmp_path):
    assert config_for("supervised", "mnist").model.classes == 10
    path = save(tmp_path / "three.npz", y_train=np.arange(20) % 3, y_test=np.arange(10) % 3)
    config = config_for("supervised", str(path))
    assert config.model.classes == 3
    assert "classes" not in command_for(config)
    x = torch.rand(2, 1, 28, 28)
    assert Supervised(config.model).output(Supervised(config.model).encode(x)).shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_train": None, "y_test": None}, "these images have none"),
        ({"y_train": np.zeros(20, int), "y_test": np.zeros(10, int)}, "all of one class"),
    ],
)
def test_images_without_labels_are_refused_in_a_sentence(tmp_path, changes, words):
    path = str(save(tmp_path / "own.npz", **changes))
    with pytest.raises(UserError, match=words):
        config_for("supervised", path)
    with pytest.raises(UserError, match=words):
        make_request(method="supervised", dataset=path, encoder="narrow", minutes=1.0)
    with pytest.raises(UserError, match=words):
        batches_for(tiny("simclr", path, model=SupervisedConfig(TINY), batch_size=8))


def test_a_model_of_fewer_classes_than_the_labels_name_is_refused(tmp_path):
    path = str(save(tmp_path / "own.npz", **arrays()))
    with pytest.raises(UserError, match=r"name 10 classes, and the model has 4: leave --model\.classes out"):
        batches_for(config_for("supervised", path, model=SupervisedConfig(TINY, classes=4), batch_size=8))


def test_it_learns_real_digits_and_its_card_says_that_labels_were_used(own_digits, tmp_path):
    path = own_digits(480, 300)
    wider = SupervisedConfig(replace(TINY, widths=(16, 16), pool=4))
    run = tiny("supervised", path, tmp_path / "m", model=wider, steps=80, lr=1e-2, views=ViewPolicy())
    told = [event.losses["accuracy"] for event in fit(run) if event.event == "step"]
    assert np.mean(told[-10:]) > 0.9
    model, test = checkpoint.load(tmp_path / "m"), load_images(path, "test")
    with torch.no_grad():
        y_pred = model.output(torch.from_numpy(encode(model, test.x))).argmax(1)
    assert (y_pred == test.y).float().mean() > 0.6
    assert checkpoint.load_card(tmp_path / "m")["labels"] == "learnt from the labels of all 480 training images"
