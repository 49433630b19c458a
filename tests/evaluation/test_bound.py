"""The bound of images and of ways between them, against the ELBO written out and the cards."""

import numpy as np
import pytest
import torch

from sslviz.data.images import load_images
from sslviz.evaluation.bound import ways_between
from sslviz.methods.losses import elbo
from sslviz.methods.vae import VAEConfig
from sslviz.store import checkpoint

LIKELIHOODS = ("bernoulli", "gaussian")


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_bound_of_each_image_is_the_elbo_of_its_samples(likelihood):
    config = VAEConfig((1, 6, 6), hidden=8, latent_dim=3, likelihood=likelihood)
    model, x = checkpoint.build("vae", config, seed=0).eval(), torch.rand(5, 1, 6, 6)
    found = model.bound(x, seed=4, n_samples=3, batch_size=5)
    generator = torch.Generator().manual_seed(4)
    mu, logvar = model.encode(x)
    logits = [model.decode_logits(model.reparameterize(mu, logvar, generator=generator)) for _ in range(3)]
    for row in range(5):
        one = slice(row, row + 1)
        slow = [
            elbo(x[one], each[one], mu[one], logvar[one], likelihood=likelihood, sigma=config.sigma) for each in logits
        ]
        assert float(found.recon[row]) == pytest.approx(np.mean([float(part.recon) for part in slow]), rel=1e-5)
        assert float(found.kl[row].sum()) == pytest.approx(float(slow[0].kl), rel=1e-5)
    means = model.evaluate(x, seed=4, batch_size=5)
    assert means["negative_elbo"] == pytest.approx(means["recon"] + means["kl"])


@pytest.mark.parametrize("name", ["vae-mnist", "vae-mnist-2d"])
def test_the_bound_on_the_page_is_the_one_on_the_card(name):
    """All 10,000 test images are bundled: same samples, same number, and not the lower one at posterior means."""
    card, model = checkpoint.load_card(name), checkpoint.load(name)
    x = load_images(card["dataset"], "test", bundled=True).x
    found = model.bound(x, seed=card["seed"])
    assert float((found.recon + found.kl.sum(1)).mean()) == pytest.approx(card["results"]["negative_elbo"], abs=0.01)


def test_progress_of_the_bound_rises_to_one_and_can_cancel():
    model, seen = checkpoint.build("vae", VAEConfig((1, 6, 6), hidden=8, latent_dim=3), seed=0).eval(), []
    model.bound(torch.rand(50, 1, 6, 6), seed=0, batch_size=20, progress=seen.append)
    assert seen == [0.4, 0.8, 1.0]

    def cancel(fraction):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model.bound(torch.rand(50, 1, 6, 6), seed=0, progress=cancel)


def test_three_ways_have_the_same_ends_and_the_same_costs_there():
    model, x = checkpoint.load("vae-mnist"), load_images("mnist", "test").x[:2]
    mu = model.encode(x.float() / 255)[0].detach().numpy()
    found = ways_between(model, *mu, n_samples=200)
    for way in found.x[1:]:
        np.testing.assert_allclose(way[[0, -1]], found.x[0][[0, -1]], atol=1e-5)
    np.testing.assert_allclose(found.costs[1:, [0, -1]], np.tile(found.costs[0, [0, -1]], (2, 1)), rtol=0.02)
    np.testing.assert_allclose(found.x[2][3], (found.x[0][0] + found.x[0][-1]) / 2, atol=1e-5)


@pytest.mark.parametrize(("name", "fair"), [("vae-mnist", True), ("vae-fashion", True), ("vae-cifar10", False)])
def test_the_bound_judges_no_way_where_grey_is_cheaper_than_real_images(name, fair):
    """With a Gaussian on CIFAR-10 a uniform grey picture costs about -4,100 nats, test images about -2,120."""
    card, model = checkpoint.load_card(name), checkpoint.load(name)
    x = load_images(card["dataset"], "test", bundled=True).x[:200]
    mu = model.encode(x[:2].float() / 255)[0].detach().numpy()
    found = ways_between(model, *mu)
    typical = model.evaluate(x, seed=0)["negative_elbo"]
    assert found.fair(typical) == fair
    if not fair:
        assert found.grey < -4000 < -2500 < typical < -1800
