"""Each check sees its rule held and broken, and each broken rule is a real fit that its check turns on."""

import copy

import numpy as np
import pytest
import torch

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation import honesty, sins
from sslviz.evaluation.baselines.pca import PCA
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.honesty import Sealed
from sslviz.evaluation.probes import LinearProbe
from sslviz.store import checkpoint


@pytest.fixture(scope="module")
def model():
    return checkpoint.load("simclr-mnist")


@pytest.fixture(scope="module")
def sets():
    """Few images of Fashion-MNIST, which an encoder of digits knows little of: ((x, y), (x_test, y_test))."""
    found = []
    for split, n in (("train", 600), ("test", 500)):
        images = load_images("fashion_mnist", split, bundled=True)
        found.append((images.x[:n].numpy(), images.y[:n].numpy()))
    return found


@pytest.fixture(scope="module")
def encoded(model, sets):
    return [(encode(model, x), y) for x, y in sets]


def test_a_digest_sees_one_bit_of_a_weight_and_of_a_buffer(model):
    twin = copy.deepcopy(model)
    assert honesty.digest(twin) == honesty.digest(model) and len(honesty.digest(model)) == 16
    buffer = next(b for name, b in twin.named_buffers() if name.endswith("num_batches_tracked"))
    buffer += 1
    assert not honesty.frozen(honesty.digest(model), honesty.digest(twin)).held
    buffer -= 1
    weight = next(twin.parameters()).data.view(-1)
    weight[0] = torch.nextafter(weight[0], torch.tensor(9.0))
    assert honesty.digest(twin) != honesty.digest(model)


def test_a_single_part_in_training_mode_is_seen(model):
    twin = copy.deepcopy(model)
    assert honesty.evaluating(twin).held
    twin.encoder.layers[1].train()
    check = honesty.evaluating(twin)
    assert not check.held and "encoder.layers.1 first" in check.seen


def test_images_on_both_sides_are_found_by_their_content(sets):
    (x, _), (x_test, _) = sets
    own, theirs = honesty.hashes(x), honesty.hashes(x_test)
    assert honesty.disjoint(own, theirs).held
    mixed = honesty.hashes(np.concatenate([x, x_test[[3, 9]]]))
    check = honesty.disjoint(mixed, theirs, what="pretraining")
    assert not check.held and check.seen.startswith("2 of 500 test images") and "pretraining" in check.rule


def test_shuffled_labels_are_at_chance_and_a_leak_is_not(encoded):
    (h, y), (h_test, y_test) = encoded
    assert honesty.shuffled_control(h, y, h_test, y_test).held

    class Oracle:
        """Knows the test labels, whatever it is fitted on."""

        def fit(self, h, y):
            return self

        def predict(self, h):
            return y_test

    assert not honesty.shuffled_control(h, y, h_test, y_test, probe=Oracle()).held


def test_chance_holds_for_unequal_classes():
    """Noise and 90 of 100 labels alike: 82 to 90 % by chance, and no alarm."""
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 10 == 0).astype(int)
    h = rng.normal(size=(400, 5)).astype(np.float32)
    assert honesty.shuffled_control(h[:200], y[:200], h[200:], y[200:]).held
    assert not honesty.above_largest_class(0.9, y).held and honesty.above_largest_class(0.99, y).held


def test_looks_at_the_test_set_are_counted(encoded):
    (h, y), (h_test, y_test) = encoded
    test = Sealed(h_test, y_test)
    probe = LinearProbe().fit(h, y)
    assert honesty.penalty_from_validation(probe, test.looks).held and not honesty.touched_once(test).held
    assert test.score(probe) == probe.score(h_test, y_test)
    assert honesty.touched_once(test).held
    test.score(probe)
    check = honesty.touched_once(test)
    assert not check.held and "2 times" in check.seen
    assert not honesty.penalty_from_validation(probe, test.looks).held
    with pytest.raises(UserError, match="one label a row"):
        Sealed(h_test, y_test[:3])


@pytest.mark.slow
def test_an_honest_probe_passes_every_check(model, sets):
    accuracy, checks = honesty.audit(model, lambda x: encode(model, x), sets, pretrained_on=honesty.hashes(sets[0][0]))
    assert honesty.broken(checks) == [] and len(checks) == 8
    assert 0.6 < accuracy < 0.9
    digits = honesty.hashes(load_images("mnist", "train").x[:100].numpy())
    both = np.concatenate([digits, honesty.hashes(sets[1][0][:5])])
    _, checks = honesty.audit(model, lambda x: encode(model, x), sets, pretrained_on=both)
    assert honesty.broken(checks) == ["pretraining and test disjoint"]


BROKEN = {
    "encoder frozen": lambda model, sets, encoded: sins.encoder_trained_along(model, *sets, epochs=1),
    "eval mode": lambda model, sets, encoded: sins.batch_norm_in_training(model, *sets),
    "test touched once": lambda model, sets, encoded: sins.best_epoch_on_test(*encoded),
    "penalty chosen on validation": lambda model, sets, encoded: sins.penalty_chosen_on_test(
        *encoded, grid=(0.1, 0.01, 1e-3)
    ),
    "pretraining and test disjoint": lambda model, sets, encoded: sins.pretrained_on_both(
        lambda x: PCA(30).fit(x), *sets, pool=sets[0][0][:60]
    ),
    "training and test disjoint": lambda model, sets, encoded: sins.copies_across_the_split(model, *sets),
    "the metric that suits h": lambda model, sets, encoded: sins.other_metric(*encoded, metric="cosine"),
}
GAINS = ("eval mode", "training and test disjoint")


@pytest.mark.slow
@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_a_real_fit_that_its_check_turns_on(rule, model, sets, encoded):
    before = honesty.digest(model)
    found = BROKEN[rule](model, sets, encoded)
    assert found.rule == rule and rule in honesty.broken(found.checks)
    assert honesty.digest(model) == before and not model.training  # the encoder that was handed in is left alone
    assert found.difference.value == pytest.approx(found.inflated - found.honest)
    if rule in GAINS:
        assert found.inflated > found.honest + 0.01
    elif rule in ("test touched once", "penalty chosen on validation"):  # the others may go either way on few images
        assert found.inflated >= found.honest
