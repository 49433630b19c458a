"""Single transforms at set strengths, against torchvision's functional form or a closed form."""

import pytest
import torch
import torchvision.transforms.v2.functional as TF

from sslviz.data.images import load_images
from sslviz.methods.sweeps import SWEEPS, sweep, sweeps_of


@pytest.fixture(scope="module")
def colour():
    return load_images("cifar10", "test").x[4].float() / 255


@pytest.fixture(scope="module")
def digit():
    return load_images("mnist", "test").x[4].float() / 255


@pytest.mark.parametrize("key", SWEEPS)
def test_each_has_one_picture_a_strength_and_the_image_at_the_neutral_one(key, colour):
    made, about = sweep(colour, key), SWEEPS[key]
    assert made.shape == (len(about.strengths), 3, 32, 32) and made.min() >= 0 and made.max() <= 1
    assert torch.equal(made[about.start], colour)
    assert len({about.label(i) for i in range(len(made))}) == len(made)
    assert about.strengths == tuple(sorted(about.strengths, reverse=about.strengths[0] > about.strengths[-1]))


@pytest.mark.parametrize("key", ["rotate", "shear"])
def test_rotation_and_shear(key, digit):
    for strength, ours in zip(SWEEPS[key].strengths, sweep(digit, key), strict=True):
        given = {"angle": 0.0, "shear": [0.0, 0.0]} | (
            {"angle": strength} if key == "rotate" else {"shear": [strength, 0.0]}
        )
        theirs = TF.affine(digit, translate=[0, 0], scale=1.0, interpolation=TF.InterpolationMode.BILINEAR, **given)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_half_a_turn_is_both_flips(digit):
    both = sweep(digit, "flip")[3]
    for i in (0, -1):
        torch.testing.assert_close(sweep(digit, "rotate")[i], both, atol=1e-4, rtol=0)
    torch.testing.assert_close(sweep(digit, "flip")[1], TF.horizontal_flip(digit))
    torch.testing.assert_close(sweep(digit, "flip")[2], TF.vertical_flip(digit))


def test_a_shift_by_half_moves_the_left_half_to_the_right(digit):
    made = sweep(digit, "shift")
    torch.testing.assert_close(made[-1][:, :, 14:], digit[:, :, :14], atol=1e-5, rtol=0)
    assert made[-1][:, :, :14].abs().max() < 1e-5
    torch.testing.assert_close(made[0][:, :, :14], digit[:, :, 14:], atol=1e-5, rtol=0)


def test_a_crop_of_a_quarter_shows_the_middle_twice_as_large(colour):
    area = SWEEPS["crop"].strengths
    made = sweep(colour, "crop")[area.index(0.25)]
    theirs = TF.resized_crop(
        colour, 8, 8, 16, 16, [32, 32], interpolation=TF.InterpolationMode.BILINEAR, antialias=False
    )
    torch.testing.assert_close(made[:, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("key", "theirs"), [("brightness", TF.adjust_brightness), ("contrast", TF.adjust_contrast)])
def test_light(key, theirs, colour, digit):
    for x in (colour, digit):
        for strength, ours in zip(SWEEPS[key].strengths, sweep(x, key), strict=True):
            torch.testing.assert_close(ours, theirs(x, strength), atol=1e-4, rtol=0)


def test_colour(colour):
    for strength, ours in zip(SWEEPS["saturation"].strengths, sweep(colour, "saturation"), strict=True):
        torch.testing.assert_close(ours, TF.adjust_saturation(colour, strength), atol=2e-3, rtol=0)
    hue = sweep(colour, "hue")
    torch.testing.assert_close(hue[0], hue[-1], atol=1e-4, rtol=0)  # half a turn to either side
    assert not {"hue", "saturation"} & set(sweeps_of(1)) and set(sweeps_of(3)) == set(SWEEPS)


def test_blur(digit):
    made = sweep(digit, "blur")
    for i in (5, 10, 20):
        sigma = SWEEPS["blur"].strengths[i]
        theirs = TF.gaussian_blur(digit, kernel_size=[17, 17], sigma=[sigma, sigma])
        torch.testing.assert_close(made[i], theirs, atol=1e-5, rtol=0)
    assert sweep(torch.rand(1, 5, 5), "blur").shape == (21, 1, 5, 5)  # as wide as it fits


def test_strengths_are_written_with_their_unit():
    assert SWEEPS["rotate"].label(0) == "−180°" and SWEEPS["shift"].label(0) == "−50 %"
    assert SWEEPS["blur"].label(20) == "4.0 px" and SWEEPS["contrast"].label(0) == "× 0.00"
    assert SWEEPS["hue"].label(20) == "0.50" and SWEEPS["flip"].label(3) == "both"
