"""Where encoders put images: the parts of `geometry` against what they are made of, and what can't be measured."""

import numpy as np
import pytest
import torch

from sslviz.data.images import load_images, to_float
from sslviz.errors import UserError
from sslviz.evaluation import unlabelled
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.geometry import geometry, measured, project
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.store import checkpoint

TINY = SimCLRConfig(EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2)), hidden=8, dim=6)


@pytest.fixture(scope="module")
def x():
    return load_images("mnist", "test", bundled=True).x[:40]


def test_places_lie_within_the_sphere_and_keep_its_angles():
    z = np.random.default_rng(0).normal(size=(30, 2)) + np.array([2, 0])
    found = measured(z, z, z)
    xy, unit = np.array(found["xy"]), z / np.linalg.norm(z, axis=1, keepdims=True)
    assert np.linalg.norm(xy, axis=1) == pytest.approx(1, abs=1e-3)  # two dimensions are seen whole
    assert xy @ xy.T == pytest.approx(unit @ unit.T, abs=1e-3)
    assert (xy.mean(0) >= 0).all()


def test_collapsed_rows_are_one_point_on_the_rim():
    z = np.tile([3.0, 4.0, 0.0, 0.0], (12, 1))
    found = measured(z, z, z)
    assert np.array(found["xy"])[:, 0] == pytest.approx(1, abs=1e-3)
    assert found["others"][-1] == 12 * 11 / 2 and sum(found["pairs"]) == found["pairs"][-1] == 12
    assert found["rankme"] == pytest.approx(1, abs=1e-3) and found["uniformity"] == pytest.approx(0, abs=1e-6)


def test_geometry_is_of_the_models_own_z_and_h(x):
    model = checkpoint.build("simclr", TINY, seed=0).eval()
    still = ViewPolicy()  # views are the image
    found = geometry(model, x, still, seed=1)
    h = encode(model, x)
    z = model.project(torch.from_numpy(h)).detach().numpy()
    assert project(model, h) == pytest.approx(z, abs=1e-6)
    for name, rows in (("h", h), ("z", z)):
        assert found[name]["rankme"] == pytest.approx(
            unlabelled.rankme(rows / np.linalg.norm(rows, axis=1, keepdims=True)), rel=1e-3
        )
        assert found[name]["z_std"] == pytest.approx(unlabelled.z_std(rows), rel=1e-3)
        assert found[name]["alignment"] == pytest.approx(0, abs=1e-9)
    assert found["n"] == 40 and sorted(found["rows"]) == list(range(40))
    assert found == geometry(model, x, still, seed=1)


def test_a_model_without_projector_has_h_alone(x):
    model = checkpoint.build("vae", VAEConfig(hidden=8, latent_dim=4), seed=0).eval()
    found = geometry(model, x, ViewPolicy(rotate=20))
    assert "z" not in found and len(found["h"]["spectrum"]) == 4 and found["h"]["alignment"] > 0


@pytest.mark.parametrize("n", [1, 5, 9])
def test_a_handful_of_images_says_nothing(x, n):
    with pytest.raises(UserError, match="too few"):
        geometry(checkpoint.build("simclr", TINY, seed=0), x[:n], ViewPolicy())


def test_training_mode_and_weights_stay(x):
    model = checkpoint.build("simclr", TINY, seed=0).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    geometry(model, x, ViewPolicy(rotate=20))
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert to_float(x).max() <= 1
