"""A queue drawn again: its pictures are those of the run's own batches, and its cosines those of the keys."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslviz.data.packing import unpack
from sslviz.errors import UserError
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.views import two_views
from sslviz.store import checkpoint
from sslviz.training.batches import ImageBatches, generator_for
from sslviz.training.config import config_for
from sslviz.training.loop import fit
from sslviz.training.replay import PER_AGE, queue_of

TINY = MoCoConfig(EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2)), hidden=8, dim=6, queue_size=64)


@pytest.fixture(scope="module")
def run(tmp_path_factory, own_digits):
    """A run of five steps of 16 on own digits, two and a half epochs of them, and its model."""
    folder = tmp_path_factory.mktemp("run") / "m"
    config = replace(config_for("moco", own_digits(40, 20), steps=5, batch_size=16), device="cpu", precision="32-true")
    config = replace(config, model=replace(TINY, momentum=0.5), monitors=0, out=folder)
    for _ in fit(config):
        pass
    return checkpoint.load(folder), config


def test_pictures_are_of_the_batches_that_were_seen(run):
    model, config = run
    found = queue_of(model, config, step=5)
    assert found["age"] == [0, 1, 2, 3]  # 64 keys of 16 a step
    views, data = unpack(found["view"]), ImageBatches(config)
    for age in found["age"]:
        epoch, position = divmod(4 - age, 2)
        batch = data.batch(epoch, position, rank=0, share=16)
        _, x2 = two_views(batch, config.views, generator=generator_for(0, 4 - age, stream=1))
        assert np.array_equal(views[age], (x2[:PER_AGE].clamp(0, 1) * 255).round().byte().numpy())


def test_cosines_fall_with_age_and_are_those_that_training_shows(run):
    model, config = run
    kept = np.array(queue_of(model, config, step=5)["kept"])
    assert kept.shape == (4, PER_AGE) and (np.abs(kept) <= 1.0001).all()
    assert kept[0].mean() > kept[3].mean()


def test_a_key_side_that_stands_still_keeps_every_key(run):
    """Momentum 1: the keys were made by the encoder that is there now, so all cosines are 1."""
    _, config = run
    still = checkpoint.build("moco", replace(config.model, momentum=1.0), seed=0).train()
    data = ImageBatches(config)
    for step in range(3):
        epoch, position = divmod(step, 2)
        batch = data.batch(epoch, position, rank=0, share=16)
        x1, x2 = two_views(batch, config.views, generator=generator_for(0, step, stream=1))
        still.enqueue(still.keys(torch.cat([x2, x1]))[:16])
    found = queue_of(still, config, step=3)
    assert found["age"] == [0, 1, 2] and np.array(found["kept"]) == pytest.approx(1, abs=1e-3)
    assert found["apart"] == 0


def test_a_model_without_its_key_side_is_refused(run, tmp_path):
    model, config = run
    checkpoint.save(model, tmp_path / "m", card={"dataset": config.dataset}, training=False)
    with pytest.raises(UserError, match="without its key side"):
        queue_of(checkpoint.load(tmp_path / "m"), config, step=5)
