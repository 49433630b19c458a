"""encode: the right numbers, and a model that is afterwards what it was before."""

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode


class Net(nn.Module):
    """Has all that a careless encode would change: running statistics, dropout, modes that differ."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.bn_frozen = nn.BatchNorm2d(8).eval()
        self.dropout = nn.Dropout(0.5)

    def encode(self, x):
        assert x.dtype == torch.float32 and not torch.is_grad_enabled()
        return self.dropout(self.bn_frozen(self.bn(self.conv(x)))).mean((2, 3))


class Scale:
    """Not an nn.Module: encoders need only `encode`."""

    def encode(self, x):
        return 2 * x.flatten(1)


class Gaussian(Scale):
    def encode(self, x):
        return x.flatten(1), torch.full_like(x.flatten(1), torch.nan)  # mu, logvar


@pytest.fixture
def x():
    return torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def digest(model):
    state = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        state.update(name.encode() + tensor.numpy().tobytes())
    return state.hexdigest()


def test_model_is_bit_identical_and_every_mode_restored(net, x):
    before, modes = digest(net), [module.training for module in net.modules()]
    assert True in modes and False in modes
    h = encode(net, x, batch_size=16)
    assert h.dtype == np.float32 and h.shape == (50, 8)
    assert digest(net) == before
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())


def test_restored_after_an_error_and_after_cancelling(net, x):
    modes = [module.training for module in net.modules()]

    def cancel(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(net, x, progress=cancel)
    with pytest.raises(RuntimeError):
        encode(net, x[:, :2])
    assert [module.training for module in net.modules()] == modes


def test_equals_eval_mode_whatever_the_batch_size(net, x):
    h = encode(net, x)
    with torch.no_grad():
        expected = net.eval().encode(x.float() / 255).numpy()
    np.testing.assert_allclose(h, expected, atol=1e-6)
    np.testing.assert_allclose(encode(net, x, batch_size=7), expected, atol=1e-6)


def test_uint8_floats_and_arrays_mean_the_same(x):
    expected = 2 * x.numpy().reshape(50, -1).astype(np.float32) / 255
    frozen = x.numpy().copy()
    frozen.flags.writeable = False
    for images in (x, x.float() / 255, x.double() / 255, x.numpy(), frozen, (x.float() / 255).numpy(), x.numpy() / 255):
        np.testing.assert_allclose(encode(Scale(), images, batch_size=20), expected, rtol=1e-6)
    np.testing.assert_allclose(encode(Scale(), x.numpy()[::-1]), expected[::-1], rtol=1e-6)


def test_h_of_a_vae_is_mu(x):
    np.testing.assert_array_equal(encode(Gaussian(), x), x.numpy().reshape(50, -1).astype(np.float32) / np.float32(255))


def test_progress_rises_to_one(x):
    seen = []
    encode(Scale(), x, batch_size=20, progress=seen.append)
    assert seen == [0.4, 0.8, 1.0]


@pytest.mark.parametrize(
    "images", [torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8), torch.zeros(2, 3, 8, 8).long()]
)
def test_bad_images_are_refused(images):
    with pytest.raises(UserError, match="Images have"):
        encode(Scale(), images)


def test_bad_batch_size_is_refused(x):
    with pytest.raises(UserError, match="batch_size"):
        encode(Scale(), x, batch_size=0)
