"""A batch of pairs through real models: with a key side and without, and the same probe before and after the head."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslviz.errors import UserError
from sslviz.evaluation.contrast import loss
from sslviz.evaluation.head import evaluate_head, evaluate_head_halves
from sslviz.evaluation.pairs import draw_batch, embed_pairs, has_keys, project
from sslviz.evaluation.results import Labelled
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.losses import info_nce, nt_xent
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.views import two_views
from sslviz.store import checkpoint

ENCODER = EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2))
POLICY = ViewPolicy(crop=0.5, rotate=15)
RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.integers(0, 256, (6, 1, 12, 12), np.uint8))


def simclr():
    return checkpoint.build("simclr", SimCLRConfig(ENCODER, hidden=8, dim=5), seed=0).eval()


def moco():
    return checkpoint.build("moco", MoCoConfig(ENCODER, hidden=8, dim=5, queue_size=16), seed=0).eval()


def test_a_batch_is_drawn_by_seed_and_sorted_by_class():
    y = RNG.integers(0, 3, 50)
    ids = draw_batch(y, 20, seed=1)
    assert len(set(ids.tolist())) == 20 and (np.diff(y[ids]) >= 0).all()
    assert draw_batch(y, 20, seed=1).tolist() == ids.tolist() != draw_batch(y, 20, seed=2).tolist()
    assert sorted(draw_batch(y, 64, seed=1)) == list(range(50))  # all there are


def test_views_h_and_z_are_those_of_training():
    model = simclr()
    found = embed_pairs(model, X, POLICY, seed=3)
    x1, x2 = two_views(X / 255, POLICY, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        z1, z2 = model(x1), model(x2)
        np.testing.assert_allclose(found.h[:6], model.encode(x1), atol=1e-5)
    np.testing.assert_allclose(found.z, torch.cat([z1, z2]), atol=1e-5)
    assert found.views.shape == (12, 1, 12, 12) and not len(found.queue) and found.keys is found.z
    assert loss(found.cosines(), "nt_xent", 0.2) == pytest.approx(nt_xent(z1, z2, temperature=0.2).item(), abs=1e-5)


def test_a_model_with_a_key_side_has_its_own_keys_and_its_newest_first():
    model = moco()
    with torch.no_grad():
        for weight in model.encoder_k.parameters():
            weight.mul_(1.5)  # as it lags behind
        model.enqueue(
            torch.nn.functional.normalize(torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), dim=1)
        )
    found = embed_pairs(model, X, POLICY, seed=3)
    x1, x2 = two_views(X / 255, POLICY, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        q, k = model(torch.cat([x1, x2])), model.keys(torch.cat([x2, x1]))
        expected = info_nce(q, k, model.queue, temperature=0.2)
    assert loss(found.cosines(), "queue", 0.2) == pytest.approx(expected.item(), abs=1e-5)
    np.testing.assert_array_equal(found.queue[:3], model.queue.T[[2, 1, 0]])
    assert found.queue.shape == (16, 5) and not np.allclose(found.keys, found.z)


def test_a_model_stored_without_its_key_side_answers_with_z():
    model = moco()
    for part in model.training_only:
        setattr(model, part, None)
    assert not has_keys(model)
    found = embed_pairs(model, X, POLICY, seed=0)
    assert found.keys is found.z and found.queue.shape == (0, 5)
    others = RNG.normal(size=(7, 5))
    assert found.cosines(others).queue.shape == (12, 7)


def test_one_image_is_refused_with_a_sentence():
    with pytest.raises(UserError, match="two test images or more"):
        embed_pairs(simclr(), X[:1], POLICY, seed=0)


class Halved:
    """h is the image's first eight pixels, z the first of them alone: what is dropped is known."""

    method = "simclr"

    def encode(self, x):
        return x.flatten(1)[:, :8]

    def project(self, h):
        return h[:, :1]


def labelled(n, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.uniform(0.4, 0.6, (n, 1, 3, 4)).astype(np.float32)
    x[np.arange(n), 0, 0, 1 + y] += 0.15  # the class is not in the first pixel
    return Labelled(x, y, ("a", "b", "c"), "made")


def test_the_probe_on_h_and_on_z_stand_on_the_same_labels():
    train, test = labelled(300, 0), labelled(200, 1)
    stages = []
    found = evaluate_head(Halved(), train, test, n_labels=90, progress=lambda stage, done: stages.append(done))
    assert list(found.scores) == ["h", "z"] and found.n_train == 90 and found.n_test == 200
    assert found.score.accuracy > 0.8 > 0.5 > found.scores["z"].accuracy
    difference = found.difference("z")
    assert difference.told and difference.value == pytest.approx(found.score.accuracy - found.scores["z"].accuracy)
    assert stages == sorted(stages) and stages[-1] == 1
    known = evaluate_head(Halved(), train, test, n_labels=90, h_test=test.x.reshape(200, -1)[:, :8])
    assert known.score.accuracy == found.score.accuracy
    with pytest.raises(UserError, match="choose from 3 to 300"):
        evaluate_head(Halved(), train, test, n_labels=2)


def test_halves_judge_h_and_z_on_the_same_images():
    test = labelled(200, 1)
    h = test.x.reshape(200, -1)[:, :8] - 0.5
    found = evaluate_head_halves(h, h[:, :2], test.y, test.class_names, metric="euclidean")
    assert found.n_train == found.n_test == 100 and found.score.accuracy > found.scores["z"].accuracy
    with pytest.raises(ValueError, match="can't be compared"):
        found.beside(replace(found, n_train=5))


def test_projecting_in_parts_changes_nothing():
    model = simclr()
    h = RNG.normal(size=(5000, model.config.encoder.dim)).astype(np.float32)
    with torch.inference_mode():
        np.testing.assert_allclose(project(model, h), model.project(torch.from_numpy(h)), atol=1e-5)
