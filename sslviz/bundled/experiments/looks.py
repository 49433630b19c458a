"""What is kept of a short run besides its accuracies: curves over its steps, and what can be seen of it at its end.

Each `look` takes the trained model, the run's config and its events, and returns plain values.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sslviz.bundled.experiments.run import measure
from sslviz.data.images import load_images, to_float
from sslviz.data.packing import pack
from sslviz.errors import UserError
from sslviz.evaluation.geometry import geometry, rounded
from sslviz.jobs.protocol import Moment as Event
from sslviz.jobs.protocol import Monitored, Stepped
from sslviz.jobs.worker import Report
from sslviz.methods.base import Method
from sslviz.methods.policies import policy_for
from sslviz.store import checkpoint
from sslviz.training.config import TrainConfig, config_for
from sslviz.training.replay import queue_of

DECODED, PLACED = 10, 300  # pictures of a kind at a moment; images whose mean and log-variance are kept
QUEUE = {"kept": "drift_kept", "drift": "drift"}  # numbers of a queue, by their names in a snapshot


def curves(moments: Sequence[Event]) -> dict[str, Any]:
    """A run's numbers by name, each with its steps: of the steps that were told, and of the online evaluations."""
    found: dict[str, Any] = {}
    for event in moments:
        told = event.losses if isinstance(event, Stepped) else event.monitor if isinstance(event, Monitored) else {}
        if isinstance(event, Monitored) and event.path:
            with np.load(event.path, allow_pickle=False) as file:
                there = [key for key in ("drift", "apart") if key in file.files and file[key].size]
                told = told | {key: float(file[key].ravel()[-1]) for key in there}
        for key, value in told.items():
            curve = found.setdefault(key, {"step": [], "value": []})
            curve["step"].append(event.step)
            curve["value"].append(rounded(value))
    return found


def before_and_after(model: Method, config: TrainConfig, moments: Sequence[Event]) -> dict[str, Any]:
    """The curves, and where the encoder puts the bundled test images at initialisation and at its end."""
    x = load_images(config.dataset, "test", bundled=True).x
    began = type(model).begin(config.model, seed=config.seed).eval()
    before, after = (geometry(each, x, config.views) for each in (began, model))
    return {"curves": curves(moments), "before": before, "after": after}


def queue(model: Any, config: TrainConfig, moments: Sequence[Event]) -> dict[str, Any]:
    """The curves, and at each online evaluation keys of four ages: their pictures, and how well each still holds."""
    shown = []
    for event in moments:
        if isinstance(event, Monitored) and event.path:
            with np.load(event.path, allow_pickle=False) as file:
                if "drift_view" in file.files:
                    found = {"step": event.step, "age": file["drift_age"].tolist(), "view": pack(file["drift_view"])}
                    found |= {key: rounded(file[name]) for key, name in QUEUE.items()}
                    found["apart"] = rounded(file["apart"].item())
                    shown.append(found)
    return {"curves": curves(moments), "queues": shown}


def decoded(model: Any, config: TrainConfig, moments: Sequence[Event]) -> dict[str, Any]:
    """Curves, pictures at each online evaluation, the bound of the bundled test images, and one dimension of z.

    Returns:
        "curves" of the steps and those "held_out", which have some names in common; "x" (10 held-out images) and
        "pictures", each with "step", "x_hat" of them and "samples" from the
        prior; "bound" of all test images, one sample of z each: recon, kl and negative_elbo in nats per image;
        "widest": the dimension with the largest KL, its mu and logvar of some test images, and its mean kl in nats.
    """
    shown: list[dict[str, Any]] = []
    x = None
    for event in moments:
        if isinstance(event, Monitored) and event.path:
            with np.load(event.path, allow_pickle=False) as file:
                x = file["x"]
                pictures = {key: pack(file[key][:DECODED]) for key in ("x_hat", "samples")}
                shown.append({"step": event.step} | pictures)
    images = load_images(config.dataset, "test", bundled=True).x
    found = model.bound(images, seed=config.seed)
    kl = found.kl.mean(0)
    widest = int(kl.argmax())
    mu, logvar = (part.detach() for part in model.encode(to_float(images[:PLACED])))
    return {
        "curves": curves([event for event in moments if isinstance(event, Stepped)]),
        "held_out": curves([event for event in moments if isinstance(event, Monitored)]),
        "x": pack(x) if x is not None else None,
        "pictures": shown,
        "bound": {key: rounded(value) for key, value in model.evaluate(images, seed=config.seed).items()},
        "widest": {"dimension": widest, "kl": rounded(float(kl[widest])), "mu": rounded(mu[:, widest].tolist()),
                   "logvar": rounded(logvar[:, widest].tolist())},
    }  # fmt: skip


def look_at(model: str, dataset: str, labels: int, untrained: bool, report: Report) -> dict[str, Any]:
    """What is shown of a model beside an experiment's runs, in the helper process.

    Args:
        model: its name.
        dataset: whose bundled images, or own ones.
        labels: of the training images, for the probes.
        untrained: whether the same encoder at initialisation is looked at too.
        report: told how far it is.

    Returns:
        "model", and "untrained" where it was asked for: "geometry" as `evaluation.geometry` gives it, and "scores",
        knn, linear and n_test as `run.measure` gives them; {} with the reason in "unprobed" where no probe can be
        fitted.

    Raises:
        UserError: too few images, or no such model.
    """
    report("loading the model", 0.0)
    encoder: Any = checkpoint.load(model)
    x = load_images(dataset, "test", bundled=True).x
    labels = min(labels, len(load_images(dataset, "train", bundled=True)))
    encoders = {"model": encoder}
    if untrained:
        encoders["untrained"] = type(encoder).begin(encoder.config, seed=0).eval()
    found: dict[str, Any] = {}
    for i, (name, each) in enumerate(encoders.items()):
        report(f"encoding test images and their views, {name}", (i + 0.1) / len(encoders))
        seen = geometry(each, x, policy_for(dataset, x.shape[1]))
        report(f"fitting probes on {labels:,} labels, {name}", (i + 0.5) / len(encoders))
        try:
            scores, why = measure(each, dataset, labels=labels), ""
        except UserError as error:
            scores, why = {}, str(error)
        found[name] = {"geometry": seen, "scores": scores, "unprobed": why}
    return found


def look_at_queue(model: str, dataset: str, report: Report) -> dict[str, Any]:
    """The queue that a model was stored with, in the helper process; see `training.replay.queue_of`.

    Args:
        model: its name.
        dataset: that it was trained on.
        report: told how far it is.

    Raises:
        UserError: its batches can't be drawn again from what its card says.
    """
    report("loading the model", 0.0)
    encoder: Any = checkpoint.load(model)
    card = checkpoint.load_card(model)
    changed = {"batch_size": card.get("batch_size"), "seed": card.get("seed"), "steps": card.get("steps")}
    if None in changed.values() or "--views." in str(card.get("command", "")):
        raise UserError("The card of this model does not say in which order it saw which views: see the short runs.")
    config = replace(config_for(encoder.method, dataset, **changed), model=encoder.config)
    if card.get("n_train") != len(load_images(dataset, "train")):
        raise UserError("This model was trained on other images than those that are here: see the short runs.")
    report("drawing its last batches again", 0.3)
    return queue_of(encoder, config, step=int(card["steps"]))
