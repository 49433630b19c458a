"""Baselines against slow references, and against what others measured."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import BASELINES, baseline_title, make_baselines
from sslviz.evaluation.baselines.patches import WhitenedPatches, zca
from sslviz.evaluation.baselines.pca import PCA
from sslviz.evaluation.baselines.pixels import Pixels
from sslviz.evaluation.baselines.untrained import untrained
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import LinearProbe
from sslviz.methods.vae import VAEConfig
from sslviz.store import checkpoint


@pytest.fixture(scope="module")
def cifar():
    return load_images("cifar10", "train")


@pytest.fixture(scope="module")
def fitted(cifar):
    return WhitenedPatches(n_patches=16, seed=1).fit(cifar.x[:500])


def test_pixels_are_the_image(cifar):
    h = encode(Pixels(), cifar.x[:5])
    np.testing.assert_allclose(h, cifar.x[:5].numpy().reshape(5, -1) / 255, rtol=1e-6)


@pytest.mark.parametrize("n", [600, 1000])  # fewer and more images than pixels
def test_pca_equals_the_singular_vectors(n):
    x = load_images("mnist", "train").x[:n]
    flat = x.numpy().reshape(n, -1) / 255
    centred = flat - flat.mean(axis=0)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:20].T
    h = encode(PCA(20).fit(x), x)
    np.testing.assert_allclose(h, expected * np.sign((expected * h).sum(axis=0)), atol=2e-3)


def test_pca_of_fewer_images_than_components(cifar):
    assert encode(PCA(128).fit(cifar.x[:30, :, :8, :8]), cifar.x[:4, :, :8, :8]).shape == (4, 30)


def test_zca_gives_identity_covariance_and_is_symmetric():
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(5000, 12, generator=generator, dtype=torch.float64) @ torch.randn(
        12, 12, generator=generator, dtype=torch.float64
    )
    mean, whiten = zca(patches)
    white = (patches - mean) @ whiten
    torch.testing.assert_close(white.T @ white / 5000, torch.eye(12, dtype=torch.float64), atol=1e-8, rtol=0)
    torch.testing.assert_close(whiten, whiten.T)


def test_whitened_patches_equal_loops_over_patches(cifar, fitted):
    """Coates 2011, patch by patch; the dictionary is taken from the filters, which `fit` alone decides."""
    x = cifar.x[500:502].numpy() / 255
    size, side = fitted.size, 32 - fitted.size + 1
    filters, offset = fitted.filters.numpy().reshape(16, -1), fitted.offset.numpy()
    responses = np.zeros((2, 2, 16, side, side))
    for i in range(2):
        for row in range(side):
            for column in range(side):
                patch = x[i, :, row : row + size, column : column + size].ravel()
                patch = (patch - patch.mean()) / np.sqrt(patch.var() + fitted.contrast_eps)
                product = filters @ patch - offset
                responses[i, 0, :, row, column] = np.maximum(0, product - fitted.alpha)
                responses[i, 1, :, row, column] = np.maximum(0, -product - fitted.alpha)
    half = -(-side // 2)  # quadrants of an odd side share their middle row and column
    cells = [slice(0, half), slice(side - half, side)]
    expected = np.stack([responses[..., r, c].mean(axis=(-2, -1)) for r in cells for c in cells], axis=-1)
    np.testing.assert_allclose(encode(fitted, cifar.x[500:502]), expected.reshape(2, -1), atol=1e-4)


def test_dictionary_patches_answer_themselves(cifar):
    """A dictionary patch, normalised and whitened, has the largest product with its own filter."""
    x = torch.rand(200, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    model = WhitenedPatches(n_patches=20, n_samples=200, seed=0).fit(x)
    image = torch.randint(200, (200,), generator=torch.Generator().manual_seed(0))[:20]
    flat = x[image].flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, correction=0, keepdim=True) + model.contrast_eps).sqrt()
    product = flat @ model.filters.flatten(1).T - model.offset
    assert torch.equal(product.argmax(1), torch.arange(20))


def test_the_seed_alone_decides(cifar):
    x = cifar.x[:300]
    first, again, other = (WhitenedPatches(8, n_samples=5000, seed=seed).fit(x) for seed in (0, 0, 1))
    assert torch.equal(first.filters, again.filters) and torch.equal(first.offset, again.offset)
    assert not torch.equal(first.filters, other.filters)


def test_every_baseline_is_made_fitted_and_encodes(cifar):
    x, model = (
        cifar.x[:300, :, ::2, ::2],
        checkpoint.build("vae", VAEConfig((3, 16, 16), hidden=8, latent_dim=4), seed=1),
    )
    widths = {}
    for name, encoder in make_baselines(model, seed=0).items():
        if hasattr(encoder, "fit"):
            encoder.fit(x)
        widths[name] = encode(encoder, x[:2]).shape[1]
    assert widths == {"pixels": 768, "pca": 128, "random": 4, "whitened patches": 1024}
    assert all(BASELINES[name].title == baseline_title(name) for name in widths) and baseline_title("x") == "x"


def test_the_registry_imports_no_torch():
    code = "import sys, sslviz.evaluation.baselines, sslviz.evaluation.results; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_the_untrained_model_is_the_one_that_the_command_line_names():
    found, expected = untrained(checkpoint.load("vae-mnist-2d"), seed=3), checkpoint.load("random-vae-mnist-2d", seed=3)
    assert all(torch.equal(found.state_dict()[key], value) for key, value in expected.state_dict().items())
    assert not found.training


@pytest.mark.slow
def test_whitened_patches_beat_pixels_by_far_on_a_thousand_images(cifar):
    """50.7 % is on record for 128 patches and 1,000 labels; pixels are near 30 %."""
    test = load_images("cifar10", "test")
    x, y = cifar.x[:1000], cifar.y[:1000].numpy()
    accuracy = {}
    for name, encoder in (("pixels", Pixels()), ("whitened patches", WhitenedPatches(64).fit(x))):
        probe = LinearProbe().fit(encode(encoder, x), y)
        accuracy[name] = probe.score(encode(encoder, test.x[:1000]), test.y[:1000].numpy())
    assert accuracy["whitened patches"] > 0.42 > 0.36 > accuracy["pixels"]


def test_bad_images_are_refused():
    with pytest.raises(UserError, match="smaller size"):
        WhitenedPatches().fit(torch.zeros(5, 1, 4, 4))
    with pytest.raises(UserError, match="too flat"):
        WhitenedPatches().fit(torch.zeros(5, 1, 8, 8))
    with pytest.raises(UserError, match="at least one"):
        PCA().fit(torch.zeros(0, 1, 8, 8))
