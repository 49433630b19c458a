"""Random views of images, drawn for each image on its own, a batch at a time.

A view is three steps: one affine `grid_sample` (crop, flip, rotation, shift, shear), one per-image colour matrix
(brightness, contrast, saturation, hue, grey), and an optional blur. Each image of the batch has its own random
parameters; all come from one `torch.Generator`, so that a view can be drawn again from its seed.

The transforms are those of SimCLR (Chen et al. 2020, arXiv:2002.05709, appendix A). Hue turns the chroma plane of YIQ,
which is linear and so fits into the colour matrix; torchvision turns the hue of HSV. Random bits, if a policy has any,
are painted into the top rows: what two views share that has nothing to do with the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.methods.policies import MOST_BITS, ViewPolicy, blur_radius

TRIES = 10  # boxes of a crop that are drawn, as in torchvision's RandomResizedCrop
BIT_ROWS = 2  # height of the bits, pixels
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, as torchvision's rgb_to_grayscale


@dataclass(frozen=True, eq=False)
class Drawn:
    """Random parameters of one view of each of B images, so that what was drawn can be told and drawn again.

    Attributes:
        theta: (B, 2, 3), a point of the view to a point of the image, see `warp`.
        factors: for `recolour`, each (B,); None where no colour is changed.
        blurred: numbers of the images that are blurred (n,); None where none can be.
        sigma: of the blur (B,), pixels; None as above.
    """

    theta: Tensor
    factors: dict[str, Tensor] | None = None
    blurred: Tensor | None = None
    sigma: Tensor | None = None


def augment(x: Tensor, policy: ViewPolicy, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw one random view of every image.

    Args:
        x: images (B, C, H, W), float in [0, 1], on any device.
        policy: the transforms and their strengths.
        generator: a CPU generator; the same state gives the same views.

    Returns:
        views (B, C, H, W), float in [0, 1]; H and W are `policy.size` where that is set.
    """
    if not policy.bits:
        return _transformed(x, policy, generator)
    bits = draw_bits(policy, len(x), generator)
    if policy.bits_place == "under":
        return _transformed(paint(x, bits), policy, generator)
    return paint(_transformed(x, policy, generator), bits)


def two_views(x: Tensor, policy: ViewPolicy, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """A positive pair for every image: two independent views (B, C, H, W), but for bits that both share."""
    if not policy.bits or policy.bits_place == "apart":
        return augment(x, policy, generator=generator), augment(x, policy, generator=generator)
    bits = draw_bits(policy, len(x), generator)  # the same for both
    if policy.bits_place == "under":
        x = paint(x, bits)
    x1, x2 = _transformed(x, policy, generator), _transformed(x, policy, generator)
    return (x1, x2) if policy.bits_place == "under" else (paint(x1, bits), paint(x2, bits))


def _transformed(x: Tensor, policy: ViewPolicy, generator: torch.Generator | None) -> Tensor:
    """A random view of every image, without bits."""
    return make_views(x, policy, draw_views(x, policy, generator=generator))


def draw_views(x: Tensor, policy: ViewPolicy, *, generator: torch.Generator | None = None) -> Drawn:
    """The random part of a view but for its bits: what is drawn for each image of x (B, C, H, W)."""
    draw = _Draw(len(x), generator)
    theta = draw_geometry(policy, draw, aspect=x.shape[3] / x.shape[2])
    factors = draw_colour(policy, draw, colour=x.shape[1] == 3) if policy.jitter or policy.grey else None
    if not policy.blur:
        return Drawn(theta, factors)
    blurred = draw.chance(policy.blur).nonzero().squeeze(1)
    return Drawn(theta, factors, blurred, draw.uniform(0.1, policy.blur_sigma))


def join_drawn(parts: Sequence[Drawn]) -> Drawn:
    """What was drawn by one policy for several batches, as if for one batch of all their images."""
    theta = torch.cat([part.theta for part in parts])
    colours = [part.factors for part in parts if part.factors is not None]
    factors = {name: torch.cat([one[name] for one in colours]) for name in colours[0]} if colours else None
    blurs = [(part.blurred, part.sigma) for part in parts if part.blurred is not None and part.sigma is not None]
    if not blurs:
        return Drawn(theta, factors)
    starts = [sum(len(part.theta) for part in parts[:i]) for i in range(len(parts))]
    blurred = torch.cat([numbers + start for (numbers, _), start in zip(blurs, starts, strict=True)])
    return Drawn(theta, factors, blurred, torch.cat([sigma for _, sigma in blurs]))


def make_views(x: Tensor, policy: ViewPolicy, drawn: Drawn, *, size: int | None = None) -> Tensor:
    """Views (B, C, H, W) in [0, 1], without bits, of x (B, C, H, W) from what was drawn for them.

    Args:
        x: images (B, C, H, W), float in [0, 1].
        policy: that it was drawn by.
        drawn: of these images.
        size: side of the views, 0 for that of the images; None: as the policy says.
    """
    x = warp(x, drawn.theta.to(x), size=policy.size if size is None else size)
    if drawn.factors is not None:
        x = recolour(x, **{name: value.to(x) for name, value in drawn.factors.items()})
    if drawn.blurred is not None and drawn.sigma is not None:
        chosen = drawn.blurred.to(x.device)
        x[chosen] = blur(x[chosen], drawn.sigma[drawn.blurred].to(x), radius=blur_radius(policy))
    return x


# bits ----------------------------------------------------------------------------------------------------------------


def draw_bits(policy: ViewPolicy, batch: int, generator: torch.Generator | None = None) -> Tensor:
    """Random bits of each image (B, bits), bool."""
    return torch.rand(batch, policy.bits, generator=generator) < 0.5


def paint(x: Tensor, bits: Tensor) -> Tensor:
    """Images with bits in their two top rows: a bar each, white for 1 and black for 0, as wide as a twelfth of them.

    Args:
        x: images (B, C, H, W) in [0, 1].
        bits: (B, n), bool, n at most `MOST_BITS`; beyond the n-th bar the image is as it was.

    Returns:
        (B, C, H, W); x itself is left alone.
    """
    x, w = x.clone(), x.shape[3]
    for i, bit in enumerate(bits.to(x).unbind(1)):
        x[:, :, :BIT_ROWS, i * w // MOST_BITS : (i + 1) * w // MOST_BITS] = bit.view(-1, 1, 1, 1)
    return x


# random parameters -------------------------------------------------------------------------------------------------


class _Draw:
    """Random numbers for a batch: one (B,) tensor a call."""

    def __init__(self, batch: int, generator: torch.Generator | None) -> None:
        self.batch, self.generator = batch, generator

    def uniform(self, low: float | Tensor = 0.0, high: float | Tensor = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(self.batch, generator=self.generator)

    def tries(self, low: float, high: float) -> Tensor:
        """(TRIES, B)."""
        return low + (high - low) * torch.rand(TRIES, self.batch, generator=self.generator)

    def chance(self, p: float) -> Tensor:
        return self.uniform() < p


def draw_geometry(policy: ViewPolicy, draw: _Draw, *, aspect: float = 1.0) -> Tensor:
    """Random affine maps (B, 2, 3): crop first, then rotation, shear and shift, then flip.

    Args:
        policy: the transforms and their strengths.
        draw: random numbers for a batch of B.
        aspect: width of the images over their height.
    """
    theta = torch.eye(2, 3).expand(draw.batch, 2, 3)
    if policy.crop < 1:
        theta = crop_matrix(*draw_crop(policy, draw, aspect=aspect))
    if policy.rotate or policy.translate or policy.shear:
        turn, shear = draw.uniform(-policy.rotate, policy.rotate), draw.uniform(-policy.shear, policy.shear)
        dx, dy = (draw.uniform(-policy.translate, policy.translate) for _ in "xy")
        theta = compose(theta, affine_matrix(turn, shear, dx, dy))
    if policy.flip:
        theta = flip(theta, draw.chance(policy.flip))
    return theta


def seen_pixels(theta: Tensor, h: int, w: int) -> Tensor:
    """Which pixels of an image (h, w) lie within its view: (B, h, w) bool for theta (B, 2, 3)."""
    places = pixel_centres(h, w, theta.device, theta.dtype)[:2]  # (2, h*w)
    inside = torch.linalg.solve(theta[:, :, :2], places - theta[:, :, 2:])  # (B, 2, h*w), places in the view
    return (inside.abs() <= 1).all(1).view(-1, h, w)


def draw_crop(policy: ViewPolicy, draw: _Draw, *, aspect: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random resized crops as torchvision draws them: an area and a ratio, drawn again where they don't fit.

    Of ten boxes the first that lies within the image is taken; where none does, the largest box in the middle of the
    image whose ratio is allowed. In place of whole pixels, any place will do.

    Returns:
        left, top, width, height, each (B,), as shares of the image's width and height.
    """
    log_ratio = math.log(policy.ratio)
    area = draw.tries(policy.crop, 1.0)  # (10, B)
    ratio = draw.tries(-log_ratio, log_ratio).exp()  # of pixels
    width, height = (area * ratio / aspect).sqrt(), (area / ratio * aspect).sqrt()
    fits = (width <= 1) & (height <= 1)
    first = fits.byte().argmax(0, keepdim=True)  # (1, B), the lowest of those that fit
    found = fits.any(0)
    width = torch.where(found, width.gather(0, first)[0], min(1.0, policy.ratio / aspect))
    height = torch.where(found, height.gather(0, first)[0], min(1.0, policy.ratio * aspect))
    left = torch.where(found, draw.uniform(), 0.5) * (1 - width)
    top = torch.where(found, draw.uniform(), 0.5) * (1 - height)
    return left, top, width, height


def draw_colour(policy: ViewPolicy, draw: _Draw, *, colour: bool) -> dict[str, Tensor]:
    """Random factors for `recolour`, each (B,)."""
    on = draw.chance(policy.jitter)
    factors = {}
    for name in ("brightness", "contrast", "saturation")[: 3 if colour else 2]:
        strength = getattr(policy, name)
        factors[name] = torch.where(on, draw.uniform(max(0.0, 1 - strength), 1 + strength), 1.0)
    if colour:
        factors["hue"] = torch.where(on, draw.uniform(-policy.hue, policy.hue), 0.0)
        factors["saturation"] = torch.where(draw.chance(policy.grey), 0.0, factors["saturation"])
    return factors


# geometry: theta (B, 2, 3) takes a point of the view to a point of the image, both in [-1, 1] -----------------------


def crop_matrix(left: Tensor, top: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """The box (shares of the image's width and height, each (B,)) fills the view."""
    zero = torch.zeros_like(left)
    row_x = torch.stack([width, zero, 2 * left + width - 1], -1)
    row_y = torch.stack([zero, height, 2 * top + height - 1], -1)
    return torch.stack([row_x, row_y], 1)


def affine_matrix(degrees: Tensor, shear: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Rotate clockwise by degrees and shear horizontally (degrees), then shift by (dx, dy) widths and heights.

    The same convention as torchvision's `affine` (scale 1, shear along x). Needs a square image.
    """
    a, s = torch.deg2rad(degrees), torch.deg2rad(shear)
    # forward: R(a) @ [[1, -tan(s)], [0, 1]]; grid_sample wants its inverse
    cos, sin, tan = a.cos(), a.sin(), s.tan()
    linear = torch.stack([torch.stack([cos - tan * sin, sin + tan * cos], -1), torch.stack([-sin, cos], -1)], 1)
    shift = -linear @ torch.stack([2 * dx, 2 * dy], -1).unsqueeze(-1)
    return torch.cat([linear, shift], -1)


def flip(theta: Tensor, chosen: Tensor) -> Tensor:
    """Flip the view of `theta` (B, 2, 3) left to right where `chosen` (B,) is true."""
    return torch.where(chosen.view(-1, 1, 1), theta * torch.tensor([-1.0, 1.0, 1.0]), theta)


def compose(first: Tensor, then: Tensor) -> Tensor:
    """The map of the view that is made by `first`, then by `then`; both (B, 2, 3)."""
    linear = first[:, :, :2] @ then[:, :, :2]
    shift = first[:, :, :2] @ then[:, :, 2:] + first[:, :, 2:]
    return torch.cat([linear, shift], -1)


def warp(x: Tensor, theta: Tensor, *, size: int = 0) -> Tensor:
    """Resample (B, C, H, W) bilinearly by theta (B, 2, 3); black outside the image. `size` 0 keeps H and W."""
    h, w = (size, size) if size else x.shape[2:]
    # one product for the batch: several times as fast as `affine_grid`, which makes one for each image
    places = pixel_centres(h, w, x.device, x.dtype)
    grid = (theta.reshape(-1, 3) @ places).view(-1, 2, h, w).permute(0, 2, 3, 1)  # (B, H, W, 2)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@lru_cache(maxsize=16)
def pixel_centres(h: int, w: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Where an image's pixels are, (3, H*W): x and y in [-1, 1], and a one for the shift."""
    rows, columns = ((2 * torch.arange(n, device=device, dtype=dtype) + 1) / n - 1 for n in (h, w))
    return torch.stack([columns.repeat(h), rows.repeat_interleave(w), torch.ones_like(columns).repeat(h)])


# colour -------------------------------------------------------------------------------------------------------------


def recolour(
    x: Tensor,
    *,
    brightness: Tensor,
    contrast: Tensor,
    saturation: Tensor | None = None,
    hue: Tensor | None = None,
) -> Tensor:
    """Brightness, contrast, saturation and hue in this order, as one matrix and one offset an image.

    Args:
        x: images (B, C, H, W) in [0, 1]; with C = 1 only brightness and contrast apply.
        brightness, contrast, saturation: factors (B,), 1 leaves the image as it is; saturation 0 is grey.
        hue: turns (B,), 0 leaves the image as it is.

    Returns:
        (B, C, H, W) clamped to [0, 1].
    """
    b, c = x.shape[:2]
    luma = torch.tensor(GREY if c == 3 else (1.0,), dtype=x.dtype, device=x.device)
    mean_grey = x.mean((2, 3)) @ luma  # (B,)
    gain = brightness * contrast
    offset = (1 - contrast) * brightness * mean_grey  # (B,)
    if c == 1:
        return torch.addcmul(offset.view(b, 1, 1, 1), x, gain.view(b, 1, 1, 1)).clamp_(0, 1)
    share = gain if saturation is None else gain * saturation  # of the chroma
    angle = torch.zeros_like(gain) if hue is None else 2 * math.pi * hue
    weights = torch.stack([gain, share * angle.cos(), share * angle.sin()], -1)  # (B, 3)
    matrix = (weights @ colour_basis(x.device, x.dtype).view(3, 9)).view(b, 3, 3)
    # grey stays grey under saturation and hue (their rows sum to 1), so the offset passes through them unchanged
    return torch.baddbmm(offset.view(b, 1, 1), matrix, x.flatten(2)).clamp_(0, 1).view_as(x)


@lru_cache(maxsize=16)
def colour_basis(device: torch.device, dtype: torch.dtype) -> Tensor:
    """What a colour is made of, three maps of RGB to RGB (3, 3, 3): its grey, chroma, chroma turned by a quarter.

    Chroma is the IQ plane of YIQ, so grey + s * (cos(a) * chroma + sin(a) * turned) is saturation s and hue a.
    """
    yiq = torch.tensor([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)], dtype=torch.float64)
    quarter = torch.tensor([(0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)], dtype=torch.float64)
    grey = yiq[0].expand(3, 3)
    return torch.stack([grey, torch.eye(3) - grey, torch.linalg.inv(yiq) @ quarter @ yiq]).to(device, dtype)


def blur(x: Tensor, sigma: Tensor, *, radius: int) -> Tensor:
    """Gaussian blur with sigma (B,) in pixels, 0 for none: separable, 2 * radius + 1 taps, edges reflected."""
    taps = torch.arange(-radius, radius + 1).to(x)
    kernel = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3).unsqueeze(1)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)  # (B, taps)
    for dim, pad in ((3, (radius, radius, 0, 0)), (2, (0, 0, radius, radius))):
        padded, size = F.pad(x, pad, mode="reflect"), x.shape[dim]
        x = kernel[:, 0].view(-1, 1, 1, 1) * padded.narrow(dim, 0, size)
        for i in range(1, len(taps)):
            x = torch.addcmul(x, kernel[:, i].view(-1, 1, 1, 1), padded.narrow(dim, i, size))
    return x.clamp_(max=1)  # the taps sum to 1 but for rounding
