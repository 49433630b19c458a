"""Lossless WebP: every pixel as it was, read by parts, and damage is said."""

import time

import numpy as np
import pytest

from sslviz.data import npz, webp
from sslviz.data.images import describe, load_arrays, load_images
from sslviz.errors import UserError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    made = {}
    for split, n in (("train", 1_201), ("test", 7)):
        made[f"x_{split}"] = rng.integers(256, size=(n, 8, 8, 3), dtype=np.uint8)
        made[f"y_{split}"] = rng.integers(10, size=n).astype(np.uint8)
    return made


@pytest.fixture
def path(tmp_path, arrays):
    webp.write(tmp_path / "set.webp.zip", arrays)
    return tmp_path / "set.webp.zip"


def test_what_is_written_is_read(path, arrays):
    for key, expected in arrays.items():
        (found,) = webp.read_arrays(path, key)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    for n in (1, 7, 500, 501, 5_000):
        np.testing.assert_array_equal(webp.read_rows(path, "x_train", n), arrays["x_train"][:n])
    layout = webp.read_layout(path)
    assert (layout.counts, layout.shape) == ({"train": 1_201, "test": 7}, (3, 8, 8))
    assert layout.class_names == tuple("0123456789")


def test_a_layout_unpacks_no_image(path, monkeypatch):
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", lambda self: pytest.fail("an image was unpacked"))
    assert webp.read_layout(path).counts["train"] == 1_201


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"", lambda b: b[:300] + b"x" * 200 + b[500:]])
def test_damage_is_said(damage, path):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"set\.webp\.zip cannot be read, it is damaged: install sslviz again"):
        webp.read_layout(path)
        webp.read_arrays(path, "x_train")


@pytest.mark.slow
def test_cifar10_comes_so_and_is_a_third_smaller_and_quick(tmp_path):
    """Against the same arrays in an .npz: at least a third fewer bytes; 12,000 images in well under a second of CPU."""
    about = describe("cifar10", bundled=True)
    assert about.path.name == "cifar10.webp.zip" and about.shape == (3, 32, 32)
    started = time.process_time()
    sets = {split: load_arrays("cifar10", split, bundled=True) for split in ("train", "test")}
    assert time.process_time() - started < 1.5
    arrays = {f"{axis}_{split}": a for split, pair in sets.items() for axis, a in zip("xy", pair, strict=True)}
    images = load_images("cifar10", "test", bundled=True)
    np.testing.assert_array_equal(images.y.numpy(), arrays["y_test"])
    npz.write(tmp_path / "test.npz", {"x": arrays["x_test"]}, compress=True)
    webp.write(tmp_path / "test.webp.zip", {"x_test": np.ascontiguousarray(_last(arrays["x_test"]))})
    assert (tmp_path / "test.webp.zip").stat().st_size < 0.67 * (tmp_path / "test.npz").stat().st_size


def _last(x):
    """Images with their channels last."""
    return x if x.shape[-1] == 3 else x.transpose(0, 2, 3, 1)
