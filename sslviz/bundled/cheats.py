"""Rules of a frozen probe, each broken as a real fit beside the honest one: `sslviz honesty MODEL DATASET` runs them.

All are of the bundled images, so that a page can run the quick ones again and find what is stored.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslviz.bundled.cases import PARTS, SINS
from sslviz.data import npz
from sslviz.data.images import load_images
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation import honesty, sins
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.honesty import Check
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.probes import LinearProbe
from sslviz.evaluation.protocol import metric_of
from sslviz.evaluation.sins import Broken, Split
from sslviz.methods.policies import policy_for
from sslviz.store import checkpoint
from sslviz.training.config import config_for
from sslviz.training.loop import fit
from sslviz.training.provenance import describe_origin

PRETRAINED, STEPS = 2000, 200  # training images and steps of the short runs that see the test images, or do not
EPOCHS = 8  # of the encoder that is trained along
SUBSET, DRAWS = 200, 100  # images of a small test set, and how many such sets are tried
Report = Callable[[str, float], None]


def sets(dataset: str) -> tuple[Split, Split]:
    """Labelled images to fit on and to count on, as `PARTS` says how many, as many of each class; bundled ones.

    Raises:
        UserError: no labels, or fewer images than are needed.
    """
    found = []
    for split, wanted in zip(("train", "test"), PARTS, strict=True):
        images = load_images(dataset, split, bundled=True)
        if not images.labelled:
            raise UserError("These images have no labels, which a probe needs: choose others.")
        y = images.y.numpy()
        rows = stratified_sample(y, wanted, seed=0) if wanted < len(y) else np.arange(len(y))
        found.append((images.x[torch.from_numpy(rows)].numpy(), y[rows]))
    return found[0], found[1]


def audit(name: str, dataset: str, report: Report) -> dict[str, Any]:
    """The honest probe of a model, and every rule held against it.

    Args:
        name: of the model.
        dataset: whose bundled images.
        report: told what is done and how far it is.

    Returns:
        accuracy, interval, n_train, n_test, and checks.
    """
    report("reading images", 0.0)
    model: Any = checkpoint.load(name)
    train, test = sets(dataset)
    pretrained = load_images(dataset, "train").x.numpy() if checkpoint.load_card(name)["dataset"] == dataset else None
    report("hashing the training images", 0.2)
    hashed = None if pretrained is None else honesty.hashes(pretrained)
    report("probing, and once more with shuffled labels", 0.5)
    accuracy, checks = honesty.audit(model, lambda x: encode(model, x), (train, test), pretrained_on=hashed)
    low, high = accuracy_interval(accuracy, len(test[1]))
    return {
        "accuracy": accuracy, "interval_95": [low, high], "n_train": len(train[1]), "n_test": len(test[1]),
        "checks": [asdict(check) for check in checks],
    }  # fmt: skip


def break_rule(sin: str, name: str, dataset: str, report: Report) -> dict[str, Any]:
    """Really get the score that breaks a rule, beside the honest one.

    Args:
        sin: key of `SINS`.
        name: of the model.
        dataset: whose bundled images.
        report: told what is done and how far it is.

    Returns:
        rule, honest, inflated, difference (None where there is no paired one), words, checks, seconds.

    Raises:
        UserError: there is no such rule to break.
    """
    if sin not in SINS:
        raise UserError(f"There is no rule “{sin:.40}” to break: choose one of {', '.join(SINS)}.")
    started = time.monotonic()
    report("reading images", 0.0)
    model: Any = checkpoint.load(name)
    train, test = sets(dataset)
    report(SINS[sin].title, 0.1)
    if sin in ("trained_along", "batch_norm"):
        broken = (
            sins.encoder_trained_along(model, train, test, epochs=EPOCHS) if sin == "trained_along"
            else sins.batch_norm_in_training(model, train, test)
        )  # fmt: skip
    elif sin == "pretrained":
        broken = sins.pretrained_on_both(
            lambda images: _pretrain(images, name, dataset, report), train, test, pool=train[0][:PRETRAINED]
        )
    elif sin == "copies":
        broken = sins.copies_across_the_split(model, train, test, metric=metric_of(model))
    else:
        h, h_test = encode(model, train[0]), encode(model, test[0])
        encoded = (h, train[1]), (h_test, test[1])
        if sin == "lucky":
            return _lucky(*encoded) | {"seconds": round(time.monotonic() - started, 1)}
        broken = {
            "best_epoch": lambda: sins.best_epoch_on_test(*encoded),
            "penalty": lambda: sins.penalty_chosen_on_test(*encoded),
            "metric": lambda: sins.other_metric(*encoded, metric=metric_of(model)),
        }[sin]()
    return _plain(broken) | {"seconds": round(time.monotonic() - started, 1)}


def _plain(broken: Broken) -> dict[str, Any]:
    plain = {key: value for key, value in vars(broken).items() if key != "digests"}  # the checks tell them
    return plain | {
        "difference": broken.difference.as_dict(), "checks": [asdict(check) for check in broken.checks],
    }  # fmt: skip


def _lucky(train: Split, test: Split) -> dict[str, Any]:
    """Of many small test sets the one with the highest accuracy is reported."""
    right = LinearProbe().fit(*train).predict(test[0]) == test[1]
    generator = np.random.default_rng(0)
    shares = [float(right[generator.permutation(len(right))[:SUBSET]].mean()) for _ in range(DRAWS)]
    low, high = accuracy_interval(max(shares), SUBSET)
    words = f"Of {DRAWS} test sets of {SUBSET} images each, the one with the highest accuracy was reported."
    seen = (
        f"{SUBSET} of {len(right):,} test images were counted: {max(shares):.1%} ({low:.1%} to {high:.1%}, 95 %), and "
    )
    seen += f"other draws of as many gave {min(shares):.1%} and more."
    check = asdict(Check("the whole test set", False, seen))
    return {
        "rule": "the whole test set", "honest": float(right.mean()), "inflated": max(shares), "difference": None,
        "words": words, "checks": [check],
    }  # fmt: skip


def _pretrain(images: Any, like: str, dataset: str, report: Report) -> Any:
    """A short run of a model's own method on some images."""
    card = checkpoint.load_card(like)
    with tempfile.TemporaryDirectory(prefix="sslviz-") as folder:
        path, out = Path(folder) / "pool.npz", Path(folder) / "model"
        x = images.permute(0, 2, 3, 1).contiguous().numpy()
        x = x[..., 0] if x.shape[-1] == 1 else x
        npz.write(path, {"x_train": x, "x_test": x[:8]})
        config = config_for(
            card["method"], str(path), views=policy_for(dataset, images.shape[1]), steps=STEPS, batch_size=128, seed=0,
            out=out, device="cpu", precision="32-true", threads=1, monitors=0, log_every=10,
        )  # fmt: skip
        for event in fit(config):
            report(f"training on {len(x):,} images", 0.1 + 0.8 * event.progress)
        return checkpoint.load(out)


def run(name: str, dataset: str, rules: tuple[str, ...], *, command: str, report: Report) -> dict[str, Any]:
    """The audit of a model, and rules broken, as they are stored."""
    found = {"model": name, "dataset": dataset} | audit(name, dataset, report)
    found["sins"] = {sin: break_rule(sin, name, dataset, report) for sin in rules}
    return found | {"origin": {"command": command} | describe_origin()}
