"""Each transform, image by image, against torchvision's functional form."""

import math
from dataclasses import replace

import pytest
import torch
import torchvision.transforms.v2.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.methods import views as augment
from sslviz.methods.policies import POLICIES, ViewPolicy, check_blur, policy_for
from sslviz.methods.views import two_views


@pytest.fixture(scope="module")
def colour():
    return load_images("cifar10", "test").x[:6].float() / 255


@pytest.fixture(scope="module")
def digits():
    return load_images("mnist", "test").x[:6].float() / 255


def inside(x, margin=1):
    return x[..., margin:-margin, margin:-margin]


def test_crop(colour):
    """To 1e-4 but for the outermost pixel, where torchvision repeats the crop's edge and we see beyond it."""
    top, left, height, width = torch.tensor(
        [(0, 0, 32, 32), (3, 5, 20, 16), (8, 8, 16, 16), (0, 7, 12, 25), (10, 0, 22, 13), (1, 1, 30, 30)]
    ).T
    theta = augment.crop_matrix(left / 32, top / 32, width / 32, height / 32)
    ours = augment.warp(colour, theta)
    for i, x in enumerate(colour):
        box = (int(top[i]), int(left[i]), int(height[i]), int(width[i]))
        theirs = TF.resized_crop(x, *box, [32, 32], interpolation=InterpolationMode.BILINEAR, antialias=False)
        torch.testing.assert_close(inside(ours[i], 2), inside(theirs, 2), atol=1e-4, rtol=0)


def test_crop_to_a_smaller_view(colour):
    theta = augment.crop_matrix(*(torch.full((6,), v) for v in (0.25, 0.125, 0.75, 0.75)))
    ours = augment.warp(colour, theta, size=24)
    assert ours.shape == (6, 3, 24, 24)
    torch.testing.assert_close(ours, colour[:, :, 4:28, 8:32], atol=1e-5, rtol=0)  # 24 pixels of 32: a copy


@pytest.mark.parametrize("sign", [1, -1])
def test_rotation_shear_and_shift(digits, sign):
    """To 1e-4: torchvision's `affine` with the same sampling, black outside."""
    degrees = torch.tensor([0.0, 10, 25, 45, 90, 12]) * sign
    shear = torch.tensor([0.0, 0, 10, -15, 0, 20]) * sign
    dx, dy = torch.tensor([0, 2, -3, 0, 4, 1]) / 28, torch.tensor([0, -1, 0, 5, 2, -2]) / 28
    ours = augment.warp(digits, augment.affine_matrix(degrees, shear, dx, dy))
    for i, x in enumerate(digits):
        theirs = TF.affine(
            x,
            angle=float(degrees[i]),
            translate=[round(float(dx[i]) * 28), round(float(dy[i]) * 28)],
            scale=1.0,
            shear=[float(shear[i]), 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(ours[i], theirs, atol=1e-4, rtol=0)


def test_flip(colour):
    flip = torch.tensor([True, False, True, False, True, True])
    ours = augment.warp(colour, augment.flip(torch.eye(2, 3).expand(6, 2, 3), flip))
    for x, view, turned in zip(colour, ours, flip, strict=True):
        torch.testing.assert_close(view, TF.horizontal_flip(x) if turned else x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("images", ["colour", "digits"])
def test_brightness_and_contrast(images, request):
    """To 1e-5, each alone (torchvision clamps between the two, we after both)."""
    x, one = request.getfixturevalue(images), torch.ones(6)
    factor = torch.tensor([0.2, 0.6, 0.9, 1.0, 1.3, 1.8])
    bright = augment.recolour(x, brightness=factor, contrast=one)
    contrast = augment.recolour(x, brightness=one, contrast=factor)
    for i in range(6):
        torch.testing.assert_close(bright[i], TF.adjust_brightness(x[i], float(factor[i])), atol=1e-5, rtol=0)
        # torchvision's grey of a grey image is the image itself; ours too
        torch.testing.assert_close(contrast[i], TF.adjust_contrast(x[i], float(factor[i])), atol=1e-4, rtol=0)


def test_saturation_and_grey(colour):
    """To 2e-3: torchvision's grey rounds the luma weights."""
    one, factor = torch.ones(6), torch.tensor([0.0, 0.4, 0.8, 1.0, 1.2, 1.6])
    ours = augment.recolour(colour, brightness=one, contrast=one, saturation=factor)
    for i in range(6):
        torch.testing.assert_close(ours[i], TF.adjust_saturation(colour[i], float(factor[i])), atol=2e-3, rtol=0)
    torch.testing.assert_close(ours[0], TF.rgb_to_grayscale(colour[0], num_output_channels=3), atol=2e-3, rtol=0)


def test_hue_turns_the_same_way_as_hsv(colour):
    """Mean difference below 0.8 a turn (0.08 at 0.1): YIQ and HSV turn by the same angle about different axes."""
    one, turns = torch.ones(6), torch.tensor([-0.1, -0.05, -0.02, 0.02, 0.05, 0.1])
    ours = augment.recolour(colour, brightness=one, contrast=one, hue=turns)
    for i in range(6):
        theirs = TF.adjust_hue(colour[i], float(turns[i]))
        wrong_way = TF.adjust_hue(colour[i], -float(turns[i]))
        assert (ours[i] - theirs).abs().mean() < 0.8 * abs(turns[i])
        assert (ours[i] - theirs).abs().mean() < (ours[i] - wrong_way).abs().mean()


def test_a_full_turn_of_hue_changes_nothing(colour):
    one = torch.ones(6)
    turned = augment.recolour(colour, brightness=one, contrast=one, saturation=one, hue=one)
    torch.testing.assert_close(turned, colour, atol=1e-4, rtol=0)


def test_blur(colour):
    """To 1e-5, with the same kernel."""
    sigma = torch.tensor([0.0, 0.3, 0.5, 0.8, 1.0, 1.5])
    ours = augment.blur(colour, sigma, radius=3)
    torch.testing.assert_close(ours[0], colour[0])
    for i in range(1, 6):
        theirs = TF.gaussian_blur(colour[i], kernel_size=[7, 7], sigma=[float(sigma[i])] * 2)
        torch.testing.assert_close(ours[i], theirs, atol=1e-5, rtol=0)


def test_every_image_has_its_own_view(colour):
    same = colour[:1].repeat(64, 1, 1, 1)
    views = augment.augment(same, POLICIES["cifar10"], generator=torch.Generator().manual_seed(0))
    assert len({view.numpy().tobytes() for view in views}) == 64


def test_a_seed_replays_and_the_global_generator_is_left_alone(colour):
    before = torch.get_rng_state()
    first, again, other = (
        two_views(colour, POLICIES["cifar10"], generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_drawn_makes_the_views_of_training(name, colour, digits):
    x, policy = (colour if name == "cifar10" else digits), POLICIES[name]
    drawn = augment.draw_views(x, policy, generator=torch.Generator().manual_seed(5))
    views = augment.augment(x, policy, generator=torch.Generator().manual_seed(5))
    assert torch.equal(augment.make_views(x, policy, drawn), views)
    whole = augment.make_views(x, policy, drawn, size=0)
    assert whole.shape == x.shape
    small = torch.nn.functional.interpolate(whole, views.shape[2:], mode="area")
    assert (small - views).abs().mean() < 0.05 < (small.roll(1, 0) - views).abs().mean()  # the same views, larger


def test_pixels_that_a_view_shows():
    """A box is what the crop says; a turn by 45 degrees loses the corners: 2 (sqrt 2 - 1) of the area stays."""
    box = augment.crop_matrix(*(torch.tensor([v]) for v in (0.25, 0.5, 0.5, 0.25)))
    seen = augment.seen_pixels(augment.flip(box, torch.tensor([True])), 20, 40)[0]
    expected = torch.zeros(20, 40, dtype=torch.bool)
    expected[10:15, 10:30] = True
    assert torch.equal(seen, expected)
    zero = torch.zeros(1)
    seen = augment.seen_pixels(augment.affine_matrix(torch.tensor([45.0]), zero, zero, zero), 400, 400)
    assert abs(float(seen.float().mean()) - 2 * (math.sqrt(2) - 1)) < 0.002


@pytest.mark.parametrize("name", POLICIES)
def test_policies_keep_range_and_shape(name, colour, digits):
    x = colour if name == "cifar10" else digits
    x = torch.cat([x, torch.ones_like(x)])  # white too: nothing of it may round to more than 1
    for view in two_views(x, policy_for(name, x.shape[1]), generator=torch.Generator().manual_seed(0)):
        assert view.shape == (12, x.shape[1], 24, 24)
        assert view.min() >= 0
        assert view.max() <= 1


def test_a_neutral_policy_changes_nothing(colour):
    torch.testing.assert_close(augment.augment(colour, ViewPolicy()), colour, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("size", "crop"),
    [
        ((320, 320), 0.2),
        *(pytest.param(*wide, marks=pytest.mark.slow) for wide in (((200, 400), 0.2), ((400, 100), 0.5))),
    ],
    ids=["square", "wide", "tall"],
)
def test_crops_are_drawn_as_torchvision_draws_them(size, crop):
    """Quantiles of 6,000 boxes each, to 0.02: areas, sides and places; drawn again where a box does not fit."""
    (h, w), n = size, 6000
    policy = ViewPolicy(crop=crop)
    image, limits = torch.empty(1, h, w), ((crop, 1.0), (1 / policy.ratio, policy.ratio))
    theirs = torch.tensor([RandomResizedCrop.get_params(image, *limits) for _ in range(n)]).float()
    top, left, height, width = (theirs / torch.tensor([h, w, h, w])).T
    draw = augment._Draw(n, torch.Generator().manual_seed(0))
    ours = dict(zip(("left", "top", "width", "height"), augment.draw_crop(policy, draw, aspect=w / h), strict=True))
    quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    for name, values in {"left": left, "top": top, "width": width, "height": height}.items():
        torch.testing.assert_close(ours[name].quantile(quantiles), values.quantile(quantiles), atol=0.02, rtol=0)
    area = ours["width"] * ours["height"]
    torch.testing.assert_close(area.quantile(quantiles), (width * height).quantile(quantiles), atol=0.02, rtol=0)
    assert (ours["left"] + ours["width"]).max() <= 1 + 1e-6 and (ours["top"] + ours["height"]).max() <= 1 + 1e-6


def test_a_blur_wider_than_a_view_gets_a_sentence():
    with pytest.raises(UserError, match=r"--views\.blur-sigma 10 reaches over 20 pixels, and a view has 8; lower it"):
        check_blur(ViewPolicy(blur=0.5, blur_sigma=10.0), side=8)
    check_blur(ViewPolicy(blur=0.5, blur_sigma=3.5), side=8)
    view = augment.augment(torch.rand(4, 1, 8, 8), ViewPolicy(blur=1.0, blur_sigma=3.5))
    assert view.shape == (4, 1, 8, 8)
    check_blur(ViewPolicy(blur=0.0, blur_sigma=10.0), side=8)


def test_a_chance_is_a_share_of_the_images():
    draw = augment._Draw(10_000, torch.Generator().manual_seed(0))
    turned = augment.draw_geometry(ViewPolicy(flip=0.3), draw)[:, 0, 0] < 0
    assert abs(turned.float().mean() - 0.3) < 3 * math.sqrt(0.3 * 0.7 / 10_000)


def test_own_images_get_views_of_their_own_size():
    assert policy_for("/some/photos.npz", 3).size == 0
    assert policy_for("/some/photos.npz", 1).grey == 0


PLACES = ("over", "under", "apart")


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), side=st.integers(12, 40), seed=st.integers(0, 2**31), batch=st.integers(1, 5))
def test_bits_are_the_same_in_both_views_and_drawn_anew_for_each_image(n, side, seed, batch):
    """The bars hold the bits that the generator gives, and nothing else changes."""
    x = torch.rand(batch, 1, 30, 30, generator=torch.Generator().manual_seed(seed))
    policy = ViewPolicy(size=side, crop=0.5, rotate=20, jitter=0.5, bits=n)
    views = two_views(x, policy, generator=torch.Generator().manual_seed(seed))
    bits = torch.rand(batch, n, generator=(again := torch.Generator().manual_seed(seed))) < 0.5
    plain = two_views(x, replace(policy, bits=0), generator=again)
    for view, bare in zip(views, plain, strict=True):
        for i in range(n):
            bar = view[:, :, :2, i * side // 12 : (i + 1) * side // 12]
            assert bar.numel() and torch.equal(bar, bits[:, i].float().view(-1, 1, 1, 1).expand_as(bar))
        end = n * side // 12
        assert torch.equal(view[:, :, 2:], bare[:, :, 2:]) and torch.equal(view[..., end:], bare[..., end:])


@pytest.mark.parametrize("place", PLACES)
def test_views_with_bits_come_again_from_their_seed(place, digits):
    policy, before = replace(POLICIES["mnist"], bits=8, bits_place=place), digits.clone()
    first, again, other = (two_views(digits, policy, generator=torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert all(map(torch.equal, first, again)) and not any(map(torch.equal, first, other))
    one = augment.augment(digits, policy, generator=torch.Generator().manual_seed(3))
    assert one.shape == first[0].shape and torch.equal(digits, before)


def test_bits_under_the_transforms_are_in_the_image_and_bits_apart_differ(digits):
    x = digits.repeat(20, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    x1, x2 = two_views(x, ViewPolicy(bits=12, bits_place="under"), generator=generator)
    torch.testing.assert_close(x1, x2, atol=1e-5, rtol=0)  # without transforms the image with its bits
    assert not torch.allclose(x1, x)
    x1, x2 = two_views(x, ViewPolicy(bits=12, bits_place="apart"), generator=generator)
    same = (x1[:, 0, 0] == x2[:, 0, 0]).float().mean()
    assert 0.4 < same < 0.6
    moved = two_views(x, ViewPolicy(bits=12, bits_place="under", translate=0.5), generator=generator)
    assert not torch.equal(moved[0][:, :, :2], moved[1][:, :, :2])


def test_no_bits_cost_no_random_number(digits):
    """A policy without bits draws what it drew before there were any, wherever they would be."""
    for place in PLACES:
        generator = torch.Generator().manual_seed(1)
        views = two_views(digits, replace(POLICIES["mnist"], bits_place=place), generator=generator)
        plain = torch.Generator().manual_seed(1)
        assert torch.equal(views[0], augment.augment(digits, POLICIES["mnist"], generator=plain))
        assert torch.equal(views[1], augment.augment(digits, POLICIES["mnist"], generator=plain))
        assert torch.equal(generator.get_state(), plain.get_state())


@pytest.mark.parametrize("bits", [-1, 13])
def test_more_bits_than_fit_are_refused(bits):
    with pytest.raises(UserError, match=r"--views.bits must lie in 0 to 12"):
        ViewPolicy(bits=bits)
