"""Single transforms of an image, each alone, at strengths that are set instead of drawn. Imports torch when used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

WIDEST_BLUR = 4.0  # pixels


@dataclass(frozen=True)
class Sweep:
    """A transform and the strengths over which it is followed.

    Attributes:
        title: in words.
        unit: of a strength, in words.
        strengths: from one end to the other.
        neutral: the strength at which the image is as it is.
        names: of the strengths, where they are no numbers.
        colour: whether it is for colour images only.
    """

    title: str
    unit: str
    strengths: tuple[float, ...]
    neutral: float
    names: tuple[str, ...] = ()
    colour: bool = False

    @property
    def start(self) -> int:
        """Number of the neutral strength."""
        return self.strengths.index(self.neutral)

    def label(self, number: int) -> str:
        """A strength as it is written, with its unit."""
        if self.names:
            return self.names[number]
        value = self.strengths[number]
        if self.unit == "degrees":
            return f"{value:.0f}°".replace("-", "−")
        if self.unit.startswith("share"):
            return f"{100 * value:.0f} %".replace("-", "−")
        sign = "× " if self.unit == "factor" else ""
        return f"{sign}{value:.{1 if self.unit == 'pixels' else 2}f}".replace("-", "−") + {"pixels": " px"}.get(
            self.unit, ""
        )


def _steps(low: float, high: float, count: int) -> tuple[float, ...]:
    """Evenly spaced strengths, both ends included, without rounding noise."""
    return tuple(round(low + (high - low) * i / (count - 1), 6) for i in range(count))


FACTORS = _steps(0.0, 2.0, 21)
SWEEPS: dict[str, Sweep] = {
    "rotate": Sweep("Rotate", "degrees", _steps(-180, 180, 25), 0.0),
    "shift": Sweep("Shift", "share of the width, to the right", _steps(-0.5, 0.5, 21), 0.0),
    "crop": Sweep("Crop", "share of the area, from the middle", _steps(1.0, 0.1, 19), 1.0),
    "flip": Sweep(
        "Flip", "", (0.0, 1.0, 2.0, 3.0), 0.0, names=("as it is", "left to right", "upside down", "both")
    ),
    "shear": Sweep("Shear", "degrees", _steps(-60, 60, 25), 0.0),
    "brightness": Sweep("Brightness", "factor", FACTORS, 1.0),
    "contrast": Sweep("Contrast", "factor", FACTORS, 1.0),
    "saturation": Sweep("Saturation", "factor", FACTORS, 1.0, colour=True),
    "hue": Sweep("Hue", "turns", _steps(-0.5, 0.5, 21), 0.0, colour=True),
    "blur": Sweep("Blur", "pixels", _steps(0.0, WIDEST_BLUR, 21), 0.0),
}  # fmt: skip


def sweeps_of(channels: int) -> dict[str, Sweep]:
    """The transforms that make sense for images of so many channels."""
    return {key: sweep for key, sweep in SWEEPS.items() if channels == 3 or not sweep.colour}


def sweep(x: Tensor, key: str) -> Tensor:
    """An image at every strength of a transform of `SWEEPS`.

    Args:
        x: one image (C, H, W), float in [0, 1].
        key: of the transform.

    Returns:
        (S, C, H, W) in [0, 1]; what lies outside the image is black. At the neutral strength it is x, bit for bit.
    """
    import torch

    strengths = torch.tensor(SWEEPS[key].strengths)
    made = _MAKE[key](x.expand(len(strengths), *x.shape).clone(), strengths, key)
    made[SWEEPS[key].start] = x
    return made


def _turned(x: Tensor, strengths: Tensor, key: str) -> Tensor:
    import torch

    from sslviz.methods.views import affine_matrix, warp

    zero = torch.zeros_like(strengths)
    values = {name: strengths if name == key else zero for name in ("rotate", "shear", "shift")}
    return warp(x, affine_matrix(values["rotate"], values["shear"], values["shift"], zero))


def _cropped(x: Tensor, strengths: Tensor, key: str) -> Tensor:
    from sslviz.methods.views import crop_matrix, warp

    side = strengths.sqrt()
    return warp(x, crop_matrix((1 - side) / 2, (1 - side) / 2, side, side))


def _flipped(x: Tensor, strengths: Tensor, key: str) -> Tensor:
    import torch

    ways = ((), (2,), (1,), (1, 2))  # dimensions of (C, H, W) that are turned round
    return torch.stack([image.flip(way) for image, way in zip(x, ways, strict=True)])


def _recoloured(x: Tensor, strengths: Tensor, key: str) -> Tensor:
    import torch

    from sslviz.methods.views import recolour

    one, colour = torch.ones_like(strengths), x.shape[1] == 3
    factors = {"brightness": one, "contrast": one}
    if colour:
        factors |= {"saturation": one, "hue": torch.zeros_like(one)}
    return recolour(x, **(factors | {key: strengths}))


def _blurred(x: Tensor, strengths: Tensor, key: str) -> Tensor:
    from sslviz.methods.views import blur

    return blur(x, strengths, radius=min(int(2 * WIDEST_BLUR), min(x.shape[2:]) - 1))


_MAKE: dict[str, Callable[[Tensor, Tensor, str], Tensor]] = {
    "rotate": _turned, "shift": _turned, "shear": _turned, "crop": _cropped, "flip": _flipped, "blur": _blurred,
    "brightness": _recoloured, "contrast": _recoloured, "saturation": _recoloured, "hue": _recoloured,
}  # fmt: skip
