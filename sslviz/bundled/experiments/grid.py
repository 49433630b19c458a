"""The transforms of views by twos, as in figure 5 of SimCLR (Chen et al. 2020, arXiv:2002.05709): which does the work?

Here both views of an image get the transforms; in the paper's figure one of the two stays as it is.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sslviz.methods.policies import ViewPolicy

NONE = "none"  # the cell without any transform: both views are the image
SIDE = 24  # of the views, pixels, as in the policies of all three datasets

GREY: dict[str, dict[str, Any]] = {
    "crop": {"crop": 0.4},
    "rotate": {"rotate": 30.0},
    "translate": {"translate": 0.2},
    "shear": {"shear": 30.0},
    "jitter": {"jitter": 0.8},
    "blur": {"blur": 0.5, "blur_sigma": 1.5},
}
# dataset -> transform -> its settings in `ViewPolicy`
TRANSFORMS: dict[str, dict[str, dict[str, Any]]] = {
    "mnist": GREY,  # a flipped digit is another sign
    "fashion_mnist": {
        "crop": {"crop": 0.3},
        "flip": {"flip": 0.5},
        **{name: GREY[name] for name in ("rotate", "translate", "jitter", "blur")},
    },
    "cifar10": {
        "crop": {"crop": 0.2},
        "flip": {"flip": 0.5},
        "rotate": {"rotate": 30.0},
        "jitter": {"jitter": 0.8},
        "grey": {"grey": 0.5},
        "blur": {"blur": 0.5, "blur_sigma": 1.5},
    },
}


def key_of(first: str, second: str, names: list[str]) -> str:
    """The cell of two transforms, in whichever order, or of one alone: "crop+blur", "crop"."""
    return "+".join(sorted({first, second}, key=names.index))


def cells(dataset: str) -> Mapping[str, Mapping[str, Any]]:
    """Each transform alone, each pair, and none: the cells by key, settings by dotted option."""
    known = TRANSFORMS[dataset]
    names = list(known)
    keys = [key_of(a, b, names) for i, a in enumerate(names) for b in names[i:]]
    return {key: policy_of([known[name] for name in key.split("+") if name in known]) for key in [*keys, NONE]}


def policy_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A policy of these transforms alone, by dotted option: every other is at its neutral value."""
    whole = {item.name: item.default for item in fields(ViewPolicy)} | {"size": SIDE}
    for part in parts:
        whole |= part
    return {f"views.{name}": value for name, value in whole.items()}
