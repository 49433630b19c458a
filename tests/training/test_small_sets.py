"""Own images that are few: every method trains on them, is measured before, and has its maps stored."""

import pytest
from ownimages import arrays, save

from sslviz.bundled.recipes import store_maps
from sslviz.methods.registry import METHODS
from sslviz.training import estimate
from sslviz.training.config import config_for
from sslviz.training.loop import fit

IMAGES = [key for key, about in METHODS.items() if about.kind == "image"]


SLOW = [pytest.param(key, 3, 2, marks=pytest.mark.slow) for key in IMAGES]


@pytest.mark.parametrize(("method", "n_train", "n_test"), [*SLOW, ("simclr", 2, 1)])
def test_a_few_images_are_enough(tmp_path, method, n_train, n_test):
    path = save(tmp_path / "few.npz", **arrays(n_train, n_test))
    config = config_for(method, str(path), steps=2, device="cpu", threads=1, out=tmp_path / "m", live=True)
    assert config.batch_size == n_train
    measured, told = estimate.estimate(config)
    assert measured.steps == told.steps == 2
    events = [event.event for event in fit(config)]
    assert events[-1] == "done" and "monitor" in events
    assert "pca" in list(store_maps(tmp_path / "m"))
