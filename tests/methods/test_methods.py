"""Shapes, initialisation and the moving parts of the models."""

import pytest
import torch
import torch.nn.functional as F
from tinyruns import RESNET18

from sslviz.errors import UserError
from sslviz.methods.encoders import Encoder, EncoderConfig
from sslviz.methods.moco import MoCo, MoCoConfig
from sslviz.methods.simclr import SimCLR, SimCLRConfig
from sslviz.methods.vae import VAE, VAEConfig
from sslviz.store.checkpoint import build

SMALL = EncoderConfig(channels=1, widths=(8, 16), strides=(2, 2), pool=2)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        EncoderConfig(),
        EncoderConfig(depth=1),
        EncoderConfig(widths=(8,), strides=(1,), pool=1),
    ],
)
@pytest.mark.parametrize("side", [24, 28, 32])
def test_an_encoder_has_the_width_it_says(config, side):
    h = Encoder(config).eval()(torch.rand(2, config.channels, side, side))
    assert h.shape == (2, config.dim)


def test_resnet18_is_resnet18():
    """11.17 million parameters: torchvision's ResNet-18 without its last layer, with a 3x3 stem for its 7x7 one."""
    from torchvision.models import resnet18

    theirs = resnet18()
    expected = sum(p.numel() for name, p in theirs.named_parameters() if not name.startswith("fc."))
    expected += 64 * 3 * (3 * 3 - 7 * 7)
    encoder = Encoder(RESNET18)
    assert sum(p.numel() for p in encoder.parameters()) == expected
    assert encoder.eval()(torch.rand(1, 3, 32, 32)).shape == (1, 512)


def test_resnet18_computes_what_torchvision_computes():
    """The same weights in torchvision's blocks give the same h."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    ours = Encoder(RESNET18).eval()
    theirs = resnet18()
    theirs.conv1, theirs.maxpool, theirs.fc = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False), *[torch.nn.Identity()] * 2
    source = list(ours.state_dict().values())
    target = theirs.eval().state_dict()
    # both list a block as conv, bn, conv, bn, shortcut conv, shortcut bn
    assert [v.shape for v in source] == [v.shape for v in target.values()]
    theirs.load_state_dict(dict(zip(target, source, strict=True)))
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), theirs(4 * x - 2), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bad", [{"widths": (8, 8)}, {"widths": (), "strides": ()}, {"depth": -1}, {"channels": 0}])
def test_impossible_encoders_are_refused(bad):
    with pytest.raises(UserError, match="encoder"):
        EncoderConfig(**bad)


@pytest.mark.parametrize(
    "config",
    [
        VAEConfig(),
        VAEConfig(latent_dim=2),
        VAEConfig(architecture="conv", hidden=4),
        VAEConfig(shape=(3, 32, 32), architecture="conv", hidden=4, likelihood="gaussian"),
        VAEConfig(shape=(3, 32, 32), hidden=8),
    ],
)
def test_vae_shapes(config):
    vae = VAE(config)
    x = torch.rand(3, *config.shape)
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (3, config.latent_dim)
    assert not torch.equal(mu, logvar)
    x_hat = vae.decode(vae.reparameterize(mu, logvar))
    assert x_hat.shape == x.shape
    assert x_hat.min() >= 0 and x_hat.max() <= 1
    assert vae.sample(5).shape == (5, *config.shape)
    logits, _, _ = vae(x)
    assert logits.shape == x.shape


def test_the_mlp_is_784_400_20():
    shapes = [tuple(p.shape) for p in VAE(VAEConfig()).parameters() if p.ndim == 2]
    assert shapes == [(400, 784), (400, 20), (784, 400), (20, 400), (20, 400)]


def test_reparameterize_has_the_moments_and_gradients_of_the_posterior():
    mu = torch.tensor([[1.0, -2.0]], requires_grad=True)
    logvar = torch.tensor([[0.0, 2 * torch.log(torch.tensor(0.5))]], requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    z = VAE(VAEConfig(latent_dim=2)).reparameterize(mu.expand(40_000, 2), logvar.expand(40_000, 2), generator=generator)
    assert z.mean(0).tolist() == pytest.approx([1.0, -2.0], abs=0.02)
    assert z.std(0).tolist() == pytest.approx([1.0, 0.5], abs=0.02)
    z.mean().backward()
    assert mu.grad.tolist()[0] == pytest.approx([0.5, 0.5], abs=1e-4)


def test_the_shared_head_is_the_mistake_that_it_says_it_is():
    vae = VAE(VAEConfig(shared_head=True))
    mu, logvar = vae.encode(torch.rand(2, 1, 28, 28))
    assert torch.equal(mu, logvar)


@pytest.mark.parametrize("model", [SimCLR(SimCLRConfig(SMALL, 16, 8)), MoCo(MoCoConfig(SMALL, 16, 8, queue_size=32))])
def test_contrastive_shapes(model):
    x = torch.rand(4, 1, 28, 28)
    h = model.encode(x)
    assert h.shape == (4, SMALL.dim)
    assert model.project(h).shape == model(x).shape == (4, 8)


@pytest.fixture
def moco():
    return MoCo(MoCoConfig(SMALL, 16, 8, queue_size=10, momentum=0.75))


def test_moco_starts_with_equal_sides_and_moves_the_key_side_slowly(moco):
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(moco.keys(x), F.normalize(moco(x), dim=1))
    before = [p.clone() for p in moco.encoder_k.parameters()]
    with torch.no_grad():
        for p in moco.encoder.parameters():
            p.add_(1.0)
    moco.update_momentum()
    for old, q, k in zip(before, moco.encoder.parameters(), moco.encoder_k.parameters(), strict=True):
        torch.testing.assert_close(k, 0.75 * old + 0.25 * q)
        assert not k.requires_grad


def test_the_queue_is_a_ring_of_the_newest_keys(moco):
    batches = [torch.full((4, 8), float(i)) for i in range(4)]
    for batch in batches:
        moco.enqueue(batch)
    # 16 keys into 10 places: the last ten, the oldest of them overwritten first
    assert moco.queue[0].tolist() == [2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 1.0, 1.0, 2.0, 2.0]
    assert int(moco.cursor) == 6
    with pytest.raises(ValueError, match="does not fit"):
        moco.enqueue(torch.zeros(11, 8))


def test_forward_changes_neither_queue_nor_keys(moco):
    queue, keys = moco.queue.clone(), [p.clone() for p in moco.encoder_k.parameters()]
    moco(torch.rand(4, 1, 28, 28)).sum().backward()
    assert torch.equal(queue, moco.queue)
    assert all(torch.equal(a, b) for a, b in zip(keys, moco.encoder_k.parameters(), strict=True))


@pytest.mark.parametrize(
    ("method", "config"), [("vae", VAEConfig()), ("simclr", SimCLRConfig(SMALL)), ("moco", MoCoConfig(SMALL))]
)
def test_a_seed_gives_the_same_weights(method, config):
    state = torch.get_rng_state()
    first, again, other = (build(method, config, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(state, torch.get_rng_state())
