"""Which random views each dataset gets, and how strong each transform is. Imports no torch; `views` draws them."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from sslviz.data.catalog import DATASETS
from sslviz.errors import UserError
from sslviz.methods.config import Bounds, check_bounds

Chance = Annotated[float, Bounds(0, 1)]
MOST_BITS = 12  # that fit beside one another into the top rows of a view


@dataclass(frozen=True)
class ViewPolicy:
    """Which transforms a view is made of, and how strong each is. A transform at its neutral value is off.

    Attributes:
        size: side of the views in pixels, 0 for that of the images. Views a little smaller than the images cost less,
            and show things at the scale that whole images have (Touvron et al. 2019, arXiv:1906.06423).
        crop: smallest share of the area that a resized crop keeps; 1 is off.
        ratio: largest aspect ratio of a crop (and one over it the smallest).
        flip: probability of a left-right flip.
        rotate: largest rotation, degrees.
        translate: largest shift, as a share of the width or height.
        shear: largest horizontal shear, degrees.
        jitter: probability that brightness, contrast, saturation and hue are changed.
        brightness: largest relative change: the factor is uniform in [1 - b, 1 + b].
        contrast: as brightness.
        saturation: as brightness, for colour images.
        hue: largest turn of the colour circle, in turns (0.5 is half way round); colour images only.
        grey: probability of a grey view; colour images only.
        blur: probability of a Gaussian blur.
        blur_sigma: largest standard deviation of the blur, pixels (the smallest is 0.1).
        bits: random bits painted as black and white bars into the two top rows: a shortcut through the pretext task
            (Chen, Luo & Li 2021, arXiv:2011.02803). 0 is off.
        bits_place: "over" both views of an image, the same bits; "under" the other transforms, painted into the image
            before its views are drawn; "apart", over each view bits of its own.
    """

    size: Annotated[int, Bounds(0, 512)] = 0
    crop: Annotated[float, Bounds(0.01, 1)] = 1.0
    ratio: Annotated[float, Bounds(1, 10)] = 4 / 3
    flip: Chance = 0.0
    rotate: Annotated[float, Bounds(0, 180)] = 0.0
    translate: Annotated[float, Bounds(0, 1)] = 0.0
    shear: Annotated[float, Bounds(0, 80)] = 0.0
    jitter: Chance = 0.0
    brightness: Annotated[float, Bounds(0, 10)] = 0.4
    contrast: Annotated[float, Bounds(0, 10)] = 0.4
    saturation: Annotated[float, Bounds(0, 10)] = 0.4
    hue: Annotated[float, Bounds(0, 0.5)] = 0.1
    grey: Chance = 0.0
    blur: Chance = 0.0
    blur_sigma: Annotated[float, Bounds(0.1, 20)] = 1.0
    bits: Annotated[int, Bounds(0, MOST_BITS)] = 0
    bits_place: Literal["over", "under", "apart"] = "over"

    def __post_init__(self) -> None:
        check_bounds(self, prefix="--views.")


POLICIES: dict[str, ViewPolicy] = {name: ViewPolicy(**about.views) for name, about in DATASETS.items()}


def policy_for(dataset: str, channels: int) -> ViewPolicy:
    """The view policy of a bundled dataset; a person's own images get CIFAR-10's (colour) or Fashion-MNIST's (grey)."""
    if dataset in POLICIES:
        return POLICIES[dataset]
    return replace(POLICIES["cifar10" if channels == 3 else "fashion_mnist"], size=0)


def check_blur(policy: ViewPolicy, *, side: int) -> None:
    """Whether a policy's blur fits into views of a side (pixels): its kernel reflects at their edges.

    Raises:
        UserError: it does not.
    """
    if policy.blur and blur_radius(policy) >= side:
        raise UserError(
            f"A blur of --views.blur-sigma {policy.blur_sigma:g} reaches over {blur_radius(policy)} pixels, and a view "
            f"has {side}; lower it to {(side - 1) / 2:g} or less."
        )


def blur_radius(policy: ViewPolicy) -> int:
    """Pixels on either side that the widest blur of a policy counts in."""
    return math.ceil(2 * policy.blur_sigma)
