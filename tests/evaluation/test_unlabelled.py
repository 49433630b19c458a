"""Measures without labels: against slow references written from the papers, and where the answer is known."""

import itertools
import math

import numpy as np
import pytest
import torch

from sslviz.errors import InputError
from sslviz.evaluation.unlabelled import ROWS, alignment, lidar, rankme, singular_values, uniformity, z_std
from sslviz.methods.registry import method_class


def unit(v):
    return [x / math.sqrt(sum(y * y for y in v)) for x in v]


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def slow_rank(values, eps):
    """exp of the entropy, term by term (Garrido et al. 2023, equation 2)."""
    shares = [v / sum(values) + eps for v in values]
    return math.exp(-sum(p * math.log(p) for p in shares))


@pytest.fixture
def z():
    return np.random.default_rng(0).normal(size=(7, 4)) + 0.3


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_alignment_equals_the_reference(z, alpha):
    other = z + np.random.default_rng(1).normal(size=z.shape)
    pairs = [distance(unit(a), unit(b)) ** alpha for a, b in zip(z, other, strict=True)]
    assert alignment(z, other, alpha=alpha) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_uniformity_equals_the_reference(z, t):
    terms = [math.exp(-t * distance(unit(a), unit(b)) ** 2) for a, b in itertools.combinations(z, 2)]
    assert uniformity(z, t=t) == pytest.approx(math.log(sum(terms) / len(terms)))


@pytest.mark.slow
def test_uniformity_of_more_rows_than_are_compared_at_once():
    z = np.random.default_rng(0).normal(size=(ROWS + 5, 3))  # a second block of five rows
    assert uniformity(z) == pytest.approx(uniformity(z[::-1]))
    # on the sphere in three dimensions the mean of exp(4 (cos - 1)) is (1 - exp(-8)) / 8
    assert uniformity(z) == pytest.approx(math.log((1 - math.exp(-8)) / 8), abs=0.02)


def test_singular_values_are_the_eigenvalues_of_the_covariance(z):
    found = singular_values(z)
    slow = [[np.mean((z[:, i] - z[:, i].mean()) * (z[:, j] - z[:, j].mean())) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(found, sorted(np.linalg.eigvalsh(np.array(slow)))[::-1], atol=1e-12)
    assert found.sum() == pytest.approx(z.var(0).sum())


def test_rankme_equals_the_reference(z):
    values = np.sqrt(np.linalg.eigvalsh(z.T @ z))
    assert rankme(z) == pytest.approx(slow_rank(values.tolist(), 1e-7))


def test_lidar_equals_the_reference():
    rng = np.random.default_rng(0)
    views = rng.normal(size=(6, 1, 3)) * [3, 1, 0.2] + 0.5 * rng.normal(size=(6, 5, 3))
    between, within, mean = np.zeros((3, 3)), 1e-4 * np.eye(3), views.mean((0, 1))
    for image in views:
        between += np.outer(image.mean(0) - mean, image.mean(0) - mean) / 6
        for view in image:
            within += np.outer(view - image.mean(0), view - image.mean(0)) / 30
    values = np.linalg.eigvals(np.linalg.inv(within) @ between).real  # similar to the symmetric matrix of the paper
    assert lidar(views) == pytest.approx(slow_rank(values.tolist(), 1e-8))


def test_an_isotropic_gaussian_fills_the_space():
    z = np.random.default_rng(0).normal(size=(4000, 32))
    assert rankme(z) == pytest.approx(32, rel=0.01)
    assert lidar(z[:, None] + 0.1 * np.random.default_rng(1).normal(size=(4000, 3, 32))) == pytest.approx(32, rel=0.01)
    assert z_std(z) == pytest.approx(1, abs=0.01)
    assert singular_values(z) == pytest.approx(np.ones(32), abs=0.25)
    assert alignment(z, z[::-1]) == pytest.approx(2, abs=0.05)
    # cosines have variance 1 / D, so the mean of exp(4 cos - 4) is about exp(-4 + 8 / D)
    assert uniformity(z) == pytest.approx(-4 + 8 / 32, abs=0.02)


def test_collapse_is_told_by_all():
    z = np.tile(np.arange(1.0, 6.0), (9, 1))
    assert alignment(z, z) == 0 and uniformity(z) == pytest.approx(0, abs=1e-12)
    assert rankme(z) == pytest.approx(1, abs=1e-4) and z_std(z) == pytest.approx(0, abs=1e-12)
    assert singular_values(z) == pytest.approx(np.zeros(5), abs=1e-12)
    assert lidar(np.tile(z[:, None], (1, 3, 1))) == pytest.approx(1, abs=1e-4)
    assert rankme(np.zeros((4, 3))) == 1


@pytest.mark.parametrize("k", [1, 3, 8])
def test_rank_k_is_found(k):
    """k equal directions among 8 count as k (dimensional collapse)."""
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    z = np.tile(np.eye(k, 8), (5, 1)) * np.repeat([1, -1, 1, -1, 2], k)[:, None] @ rotation
    assert rankme(z) == pytest.approx(k, abs=1e-4)
    assert (singular_values(z) > 1e-12).sum() == k
    rng = np.random.default_rng(1)
    many = rng.normal(size=(3000, k)) @ np.eye(k, 8) @ rotation
    views = many[:, None] + 0.01 * rng.normal(size=(3000, 4, 8))
    assert lidar(views) == pytest.approx(k, rel=0.02)


def test_fewer_rows_than_dimensions():
    z = np.random.default_rng(0).normal(size=(3, 10))
    assert singular_values(z).shape == (10,) and (singular_values(z)[2:] < 1e-12).all()
    assert rankme(z) <= 3.001


def test_z_std_is_what_is_watched_while_training():
    """The same number as the torch code of the methods that compare views."""
    from sslviz.methods.base import TwoViewMethod

    class Straight(TwoViewMethod):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.projector = torch.nn.Identity()

    z = torch.randn(50, 6) + 0.5
    assert issubclass(method_class("simclr"), TwoViewMethod)
    assert z_std(z.numpy()) == pytest.approx(Straight().metrics(z, z, seed=0)["z_std"], rel=1e-5)


@pytest.mark.parametrize("measure", [uniformity, singular_values, rankme, z_std, lambda z: alignment(z, z)])
@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.ones(3), np.full((3, 2), np.nan), np.ones((4, 0))])
def test_what_cannot_be_measured_is_refused(measure, bad):
    with pytest.raises(InputError):
        measure(bad)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="paired"):
        alignment(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(InputError, match="two views"):
        lidar(np.ones((3, 1, 2)))
    with pytest.raises(InputError, match="2 rows"):
        rankme(np.ones((1, 2)))
