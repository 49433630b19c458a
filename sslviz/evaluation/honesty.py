"""Whether an evaluation was what it says: each rule of a frozen probe as a function that looks, and says what it saw.

Nothing here trusts a promise: weights are compared by a digest of their bytes, splits by the bytes of their images, and
the count of looks at the test set is kept by what holds it. The functions are pure but for `Sealed`, whose count is the
point of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from scipy.stats import t as student
from torch import nn

from sslviz.data import copies
from sslviz.data.sampling import largest_class_share
from sslviz.errors import InputError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.probes import LinearProbe

CHANCE_Z = 3.29  # quantile of the band around chance: one honest control in a thousand lies outside
SHUFFLES = 6


@dataclass(frozen=True)
class Check:
    """One rule, and what was seen of it.

    Attributes:
        rule: in a few words.
        held: whether it was.
        seen: the figures that say so, in a sentence.
    """

    rule: str
    held: bool
    seen: str


def digest(model: nn.Module) -> str:
    """Sixteen hexadecimal digits of all weights and buffers, names and dtypes among them: equal where all bytes are."""
    found = hashlib.blake2b(digest_size=8)
    for name, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous()
        found.update(f"{name} {array.dtype} {tuple(array.shape)};".encode())
        found.update(array.view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def frozen(before: str, after: str) -> Check:
    """The encoder is the same before and after the probe: `digest` of both moments."""
    same = before == after
    words = f"digest {before} before and after" if same else f"digest {before} before, {after} after"
    return Check("encoder frozen", same, f"{words} the probe, over all weights and buffers.")


def evaluating(model: nn.Module) -> Check:
    """Every part of the encoder is in eval mode, so that batch statistics and dropout say nothing."""
    training = [name or "the whole" for name, part in model.named_modules() if part.training]
    if not training:
        return Check("eval mode", True, f"All {sum(1 for _ in model.modules()):,} parts are in eval mode.")
    return Check("eval mode", False, f"{len(training):,} parts are in training mode, {training[0]} first.")


def hashes(x: Any) -> np.ndarray:
    """A hash of the pixels of each image x (N, C, H, W), uint8, (N,) uint64."""
    return copies.digests([np.ascontiguousarray(x)])


def disjoint(train: np.ndarray, test: np.ndarray, *, what: str = "training") -> Check:
    """No test image is among the training images (or those of pretraining), by the hashes of both (`hashes`)."""
    n = len(copies.find_copies(train, test))
    seen = f"{n:,} of {len(test):,} test images are among the {len(train):,} {what} images, by a hash of their pixels."
    return Check(f"{what} and test disjoint", n == 0, seen)


def shuffled_control(
    h: np.ndarray, y: np.ndarray, h_test: np.ndarray, y_test: np.ndarray, *, seed: int = 0, probe: Any = None,
    shuffles: int = SHUFFLES,
) -> Check:  # fmt: skip
    """With labels that were shuffled the same probe finds no more than chance on average: else something else leaks.

    Chance is the share of right answers of whoever names classes as often as the probe does, whatever the image:
    sum over classes of the share of predictions times the share of labels. A probe of shuffled labels treats images of
    one class alike, so that a single shuffle strays further from chance than as many independent images would: the
    band is that of the mean over several (Student's t), and at least that of the test set's size.

    Args:
        h, y: what the probe is fitted on (N, D), (N,).
        h_test, y_test: what it is counted on (M, D), (M,).
        seed: of the shuffling.
        probe: an estimator of one's own, `LinearProbe` by default.
        shuffles: how many, 2 or more.
    """
    above, accuracies, chances = [], [], []
    for turn in range(shuffles):
        shuffled = np.random.default_rng((seed, turn)).permutation(y)
        y_pred = np.asarray((probe or LinearProbe(seed=seed)).fit(h, shuffled).predict(h_test))
        classes = np.union1d(y_test, y_pred)
        accuracies.append(float(np.mean(y_pred == y_test)))
        chances.append(float(sum(np.mean(y_pred == c) * np.mean(y_test == c) for c in classes)))
        above.append(accuracies[-1] - chances[-1])
    accuracy, chance = float(np.mean(accuracies)), float(np.mean(chances))
    _, high = accuracy_interval(chance, len(y_test), z=CHANCE_Z)
    error = float(np.std(above, ddof=1)) / np.sqrt(shuffles)
    high = max(high, chance + float(student.ppf(norm.cdf(CHANCE_Z), shuffles - 1)) * error)
    seen = (
        f"With shuffled labels {accuracy:.1%} are right, the mean of {shuffles} shuffles; chance is {chance:.1%}, and "
    )
    return Check("shuffled labels at chance", bool(accuracy <= high), f"{seen}at most {high:.1%} by luck.")


def above_largest_class(accuracy: float, y: np.ndarray) -> Check:
    """The accuracy is above what naming the most frequent class of the test labels y (M,) would get."""
    share = largest_class_share(np.asarray(y))
    low, _ = accuracy_interval(accuracy, len(y))
    seen = f"{accuracy:.1%} right (at least {low:.1%}, 95 %); always naming the largest class: {share:.1%}."
    return Check("above the largest class", bool(low > share), seen)


class Sealed:
    """A test set that counts how often it was looked at; its labels are out of reach.

    Args:
        h: representations (M, D).
        y: labels (M,).

    Attributes:
        looks: how many times something was scored on it.
    """

    def __init__(self, h: np.ndarray, y: np.ndarray) -> None:
        if len(h) != len(y) or not len(y):
            raise InputError(f"{len(h):,} rows and {len(y):,} labels are no test set: give one label a row.")
        self.__h, self.__y = h, np.asarray(y)
        self.looks = 0

    def __len__(self) -> int:
        return len(self.__y)

    def score(self, probe: Any) -> float:
        """Accuracy of a fitted probe in [0, 1]; counted."""
        return float(np.mean(self.predictions(probe) == self.__y))

    def predictions(self, probe: Any) -> np.ndarray:
        """What a fitted probe predicts (M,); counted."""
        self.looks += 1
        return np.asarray(probe.predict(self.__h))


def touched_once(test: Sealed) -> Check:
    """The test set was looked at exactly once."""
    times = "once" if test.looks == 1 else f"{test.looks:,} times"
    return Check("test touched once", test.looks == 1, f"The {len(test):,} test images were looked at {times}.")


def penalty_from_validation(probe: LinearProbe, looks: int) -> Check:
    """The penalty of a fitted probe is the one that its validation rows chose, with no look at the test set before.

    Args:
        probe: fitted.
        looks: `Sealed.looks` when the fit had ended.
    """
    scores = probe.val_scores_
    if not scores:
        seen = f"The penalty {probe.l2_:g} was given, and nothing chosen; {looks} looks at the test set before."
        return Check("penalty chosen on validation", looks == 0, seen)
    seen = f"The penalty {probe.l2_:g} is one of {len(scores)} tried on validation rows, which it got "
    seen += f"{scores.get(probe.l2_, float('nan')):.1%} of right; {looks} looks at the test set before."
    return Check("penalty chosen on validation", probe.l2_ in scores and looks == 0, seen)


def audit(
    model: nn.Module,
    encode: Any,
    sets: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    pretrained_on: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, list[Check]]:
    """Probe an encoder once, and hold what was done against every rule.

    Args:
        model: the encoder.
        encode: images (N, C, H, W) -> h (N, D), by the model; what is looked at is what it does to the model.
        sets: training images and labels, test images and labels; images (N, C, H, W) uint8.
        pretrained_on: hashes of the images that the encoder learnt from; None where they are not at hand.
        seed: of the probe's validation rows and of the shuffled control.

    Returns:
        the accuracy, and the checks.
    """
    (x, y), (x_test, y_test) = sets
    before = digest(model)
    h, h_test = encode(x), encode(x_test)
    test = Sealed(h_test, y_test)
    probe = LinearProbe(seed=seed).fit(h, y)
    looks = test.looks
    accuracy = test.score(probe)
    own, theirs = hashes(x), hashes(x_test)
    checks = [
        frozen(before, digest(model)),
        evaluating(model),
        disjoint(own, theirs),
        penalty_from_validation(probe, looks),
        touched_once(test),
        shuffled_control(h, y, h_test, y_test, seed=seed),
        above_largest_class(accuracy, y_test),
    ]
    if pretrained_on is not None:
        checks.append(disjoint(pretrained_on, theirs, what="pretraining"))
    return accuracy, checks


def broken(checks: Sequence[Check]) -> list[str]:
    """The rules that were not held."""
    return [check.rule for check in checks if not check.held]
