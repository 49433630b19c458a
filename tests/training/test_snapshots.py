"""What is shown of a run while it trains: true of the run, and without a trace in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sslviz.data.images import load_images
from sslviz.methods.base import Moment
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.methods.views import ViewPolicy, two_views
from sslviz.store import checkpoint
from sslviz.training import snapshots
from sslviz.training.batches import ImageBatches, generator_for
from sslviz.training.config import config_for
from sslviz.training.loop import fit
from sslviz.training.state import STATE
from sslviz.training.stepper import Stepper

TINY = EncoderConfig(channels=1, widths=(8, 8), strides=(2, 2), pool=1)
MODELS = {
    "vae": VAEConfig(hidden=16, latent_dim=4),
    "simclr": SimCLRConfig(TINY, 16, 8),
    "moco": MoCoConfig(TINY, 16, 8, queue_size=96, momentum=0.9),
}


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(320, 60)


def config(method, data, out, **changes):
    changes = {
        "model": MODELS[method],
        "batch_size": 32,
        "out": out,
        "device": "cpu",
        "log_every": 1,
        "precision": "32-true",
    } | changes
    return config_for(method, data, **changes)


def stepper(data):
    given = config("moco", data, None, steps=9)
    return Stepper(given, ImageBatches(given), precision="32-true")


def arrays(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("method", MODELS)
def test_a_watched_run_is_the_run_to_the_last_bit(method, data, tmp_path):
    plain = list(fit(config(method, data, tmp_path / "plain", steps=6)))
    run = fit(config(method, data, tmp_path / "watched", steps=6, live=True, log_every=100))
    watched, wish = [next(run)], None
    while True:  # every step is asked for alone
        try:
            watched.append(run.send(wish))
        except StopIteration:
            break
        wish = "step"
    losses = [{e.step: e.losses for e in events if e.event == "step"} for events in (plain, watched)]
    assert losses[0] == losses[1] and len(losses[0]) == 6
    a, b = (checkpoint.load(tmp_path / name).state_dict() for name in ("plain", "watched"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    pictures = [e for e in watched if e.event == "monitor"]
    assert [e.step for e in pictures] == [0, 6] and all(Path(e.path).is_file() for e in pictures)
    assert all(e.path is None for e in plain if e.event in ("step", "monitor"))


def test_the_pictures_of_a_vae(data, tmp_path):
    *_, event, _ = fit(config("vae", data, tmp_path / "m", steps=2, live=True))
    found, test = arrays(event.path), load_images(data, "test")
    assert found["xy"].shape == (60, 2) and found["x"].shape == found["x_hat"].shape == (10, 1, 28, 28)
    assert found["samples"].shape == (40, 1, 28, 28) and found["samples"].dtype == np.uint8
    model = checkpoint.load(tmp_path / "m")
    with torch.no_grad():
        x_hat = model.decode(model.encode(torch.from_numpy(found["x"]).float() / 255)[0])
    np.testing.assert_allclose(found["x_hat"] / 255, x_hat, atol=0.003)
    for image, label in zip(found["x"], found["y"], strict=False):
        assert any(np.array_equal(image, other) and label == y for other, y in zip(test.x.numpy(), test.y, strict=True))


def test_positive_pairs_lie_on_the_diagonal(data, tmp_path):
    *_, event, _ = fit(config("simclr", data, tmp_path / "m", steps=2, live=True))
    found, model = arrays(event.path), checkpoint.load(tmp_path / "m")
    with torch.no_grad():
        z1, z2 = (F.normalize(model(torch.from_numpy(found[key]).float() / 255), dim=1) for key in ("x1", "x2"))
    for i, j in ((0, 0), (3, 3), (2, 9)):
        assert found["similarity"][i, j] == pytest.approx(float((z1[i] * z2[j]).sum()), abs=0.02)


def test_the_queue_knows_its_age_and_its_drift(data):
    """Against a queue that is written by hand, with the views and the weights of each step kept."""
    run = stepper(data)
    policy = ViewPolicy(rotate=20.0)
    model, kept, x = run.model.train(), {}, torch.rand(40, 16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for step in range(8):  # 8 x 16 keys: more than the queue's 96
        kept[step] = two_views(x[step], policy, generator=generator_for(0, step, stream=1))
        x1, x2 = kept[step]
        keys = model.keys(torch.cat([x2, x1]))
        with torch.no_grad():
            for p in (*model.encoder.parameters(), *model.projector.parameters()):
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(step)))
        model.update_momentum()
        model.enqueue(keys[:16])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    given = Moment(policy, step=8, batch_size=16, batch_of=lambda s: (x[s], generator_for(0, s, stream=1)))
    found = model.queue_state(given)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert sorted(found["age"]) == sorted(list(range(6)) * 16)
    newest = (int(model.cursor) - 1) % 96
    assert found["age"][newest] == 0 and found["age"][int(model.cursor)] == 5
    assert found["drift_age"].tolist() == [0, 2, 3, 5]
    assert found["drift"][0] > found["drift"][-1] and found["drift"][0] < 1.0001
    with torch.no_grad():
        x1, x2 = kept[8 - 1 - 5]
        now = model.keys(torch.cat([x2, x1]))[:16]
        old = model.queue[:, [(int(model.cursor) + i) % 96 for i in range(16)]].T
    assert found["drift"][-1] == pytest.approx(float((now * old).sum(1).mean()), abs=1e-4)
    assert found["drift_kept"][-1] == pytest.approx((now * old).sum(1)[:10].numpy(), abs=1e-4)
    assert np.array_equal(found["drift_view"][-1], (x2[:10] * 255).round().byte().numpy())
    flat = [torch.cat([p.detach().flatten() for p in side.parameters()]) for side in (model.encoder, model.encoder_k)]
    assert found["apart"] == pytest.approx(float((flat[0] - flat[1]).norm() / flat[0].norm()), rel=1e-4)


def test_a_young_queue_still_holds_random_numbers(data):
    run = stepper(data)
    assert (run.model.queue_state(Moment(ViewPolicy(), batch_size=16))["age"] == -1).all()
    run.model.enqueue(F.normalize(torch.randn(16, 8), dim=1))
    batch = torch.rand(16, 1, 28, 28), torch.Generator()
    age = run.model.queue_state(Moment(ViewPolicy(), step=1, batch_size=16, batch_of=lambda step: batch))["age"]
    assert (age == 0).sum() == 16 and (age == -1).sum() == 80


def test_a_step_alone_shows_its_own_views_and_gradients(data, tmp_path):
    given = config("simclr", data, tmp_path / "m", steps=4, live=True)
    run = fit(given)
    while (event := run.send(None)).event != "step":
        pass
    event = run.send("step")
    found = arrays(event.path)
    batches = ImageBatches(given).to(torch.device("cpu"))
    x = batches.batch(0, 1, rank=0, share=32)
    x1, x2 = two_views(x, given.views, generator=generator_for(given.seed, 1, stream=1))
    for key, expected in (("x", x), ("x1", x1), ("x2", x2)):
        np.testing.assert_allclose(found[key] / 255, expected[:10], atol=0.003)
    assert event.step == 2 and event.gradients.keys() == {"encoder", "projector"}
    run.close()


def test_gradient_norms_are_euclidean():
    model = checkpoint.build("vae", MODELS["vae"], seed=0)
    for i, p in enumerate(model.parameters()):
        p.grad = torch.full_like(p, 0.1 * (i + 1))
    norms = snapshots.gradient_norms(model)
    expected = sum(float((p.grad.double() ** 2).sum()) for p in model.decoder.parameters()) ** 0.5
    assert norms["decoder"] == pytest.approx(expected, rel=1e-5)
    assert norms.keys() == {"encoder", "mu_head", "logvar_head", "decoder"}


def test_a_stop_before_the_first_step_has_a_state(data, tmp_path):
    run = fit(config("vae", data, tmp_path / "m", steps=4, live=True))
    assert [next(run).event for _ in range(2)] == ["start", "saved"]
    assert (tmp_path / "m" / STATE).exists()
    run.close()
    *_, last = fit(config("vae", data, tmp_path / "m", steps=4, live=True, resume=True))
    assert last.event == "done" and last.step == 4
