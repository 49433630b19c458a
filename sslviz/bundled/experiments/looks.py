"""What is kept of a short run besides its accuracies: curves over its steps, and what can be seen of it at its end.

Each `look` takes the trained model, the run's config and its events, and returns plain values.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sslviz.data.images import load_images
from sslviz.evaluation.geometry import geometry, rounded
from sslviz.jobs.protocol import Moment as Event
from sslviz.jobs.protocol import Monitored, Stepped
from sslviz.methods.base import Method
from sslviz.training.config import TrainConfig
from sslviz.training.replay import queue_of


def curves(moments: Sequence[Event]) -> dict[str, Any]:
    """A run's numbers by name, each with its steps: of the steps that were told, and of the online evaluations."""
    found: dict[str, Any] = {}
    for event in moments:
        told = event.losses if isinstance(event, Stepped) else event.monitor if isinstance(event, Monitored) else {}
        if isinstance(event, Monitored) and event.path:
            with np.load(event.path, allow_pickle=False) as file:
                told = told | {key: float(file[key].ravel()[-1]) for key in ("drift", "apart") if file[key].size}
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
    """The curves, and the keys of the queue by age: their pictures, and how well each still holds."""
    return {"curves": curves(moments), "queue": queue_of(model, config, step=moments[-1].step)}
