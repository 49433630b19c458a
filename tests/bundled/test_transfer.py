"""Images are made to fit other encoders, all levels of an encoder are read in one pass, and a copy is fine-tuned."""

import numpy as np
import pytest
import torch

from sslviz import cli
from sslviz.bundled.transfer import Adapted, _Levels
from sslviz.data.images import load_images, to_float
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.finetune import fine_tune
from sslviz.evaluation.honesty import digest
from sslviz.evaluation.transfer import load
from sslviz.store import checkpoint


@pytest.mark.parametrize("name", ["simclr-mnist", "vae-mnist", "simclr-cifar10-laptop", "vae-cifar10"])
def test_every_encoder_takes_images_of_every_dataset(name):
    model = checkpoint.load(name)
    grey, colour = torch.rand(2, 1, 28, 28), torch.rand(2, 3, 32, 32)
    widths = {tuple(Adapted(model).encode(x).shape) for x in (grey, colour)}
    assert len(widths) == 1
    own = colour if "cifar10" in name else grey
    np.testing.assert_allclose(Adapted(model).encode(own).numpy(), encode(model, own.numpy()), atol=1e-5)


@pytest.mark.parametrize("name", ["simclr-mnist", "vae-mnist"])
def test_levels_end_in_h(name):
    model, x = checkpoint.load(name), torch.rand(3, 1, 28, 28)
    levels = _Levels(model)
    joined = levels.encode(x).numpy()
    parts = np.split(joined, levels.ends[:-1], axis=1)
    assert len(parts) == len(levels.names) and levels.names[-1] == "h"
    np.testing.assert_allclose(parts[-1], encode(model, x.numpy()), atol=1e-5)


def test_what_is_stored_can_be_read_and_a_wrong_name_is_said(tmp_path, capsys):
    assert load(tmp_path) == {}
    assert cli.main(["ladder", "nobody"]) == 1
    assert "There is no bundled model 'nobody'" in capsys.readouterr().err
    assert cli.main(["honesty", "simclr-mnist", "mnist", "--rules", "sloth"]) == 1
    assert "There is no rule 'sloth'" in capsys.readouterr().err
    assert cli.main(["moments", "simclr-mnist"]) == 1
    assert "not NAME=FILE" in capsys.readouterr().err


@pytest.mark.slow
def test_fine_tuning_changes_a_copy_alone_and_learns():
    model, test = checkpoint.load("vae-mnist"), load_images("mnist", "test")
    before = digest(model)
    x, y = test.x[:1000], test.y[:1000].numpy()
    y_pred = fine_tune(model, x, y, test.x[1000:2000], steps=100)
    assert digest(model) == before and y_pred.dtype == np.int64
    assert np.mean(y_pred == test.y[1000:2000].numpy()) > 0.5
    assert to_float(x).max() == 1
