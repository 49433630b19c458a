"""What a representation is compared with: encoders that learn nothing, or next to nothing, from many images.

A baseline is one file here and one entry of `BASELINES`. Each is made by `make(model, seed)` and has, like a trained
encoder, `encode(x) -> h` and `h_metric` (the metric of k-NN in h); where it has `fit(x)` it is fitted on the training
images, without labels, first.

Pages read the titles, so nothing here imports torch before a baseline is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class BaselineInfo:
    """A baseline without its code.

    Attributes:
        title: what people read.
        home: "module:function", which makes it: (model, seed) -> an encoder.
    """

    title: str
    home: str


# by the names that cards and the command line's JSON use, the quickest first
BASELINES: dict[str, BaselineInfo] = {
    "pixels": BaselineInfo("pixels", "sslviz.evaluation.baselines.pixels:make"),
    "pca": BaselineInfo("PCA of pixels", "sslviz.evaluation.baselines.pca:make"),
    "random": BaselineInfo("untrained encoder", "sslviz.evaluation.baselines.untrained:make"),
    "whitened patches": BaselineInfo("whitened patches", "sslviz.evaluation.baselines.patches:make"),
}


def make_baselines(model: Any, *, seed: int = 0, names: Iterable[str] = tuple(BASELINES)) -> dict[str, Any]:
    """Makes baselines of `BASELINES`, unfitted, for one model.

    Args:
        model: the encoder that is evaluated; what is made from its shape needs it.
        seed: of what is drawn.
        names: which, in this order.
    """
    made = {}
    for name in names:
        module, _, function = BASELINES[name].home.partition(":")
        made[name] = getattr(import_module(module), function)(model, seed)
    return made


def baseline_title(name: str) -> str:
    """The title of a baseline for people; a name that is not known here, as in a foreign card, is its own."""
    return BASELINES[name].title if name in BASELINES else name
