"""Own images made by code, and the check that a refusal is one sentence."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from sslviz.data.images import load_images
from sslviz.errors import UserError


def arrays(n_train=20, n_test=10, *, side=28, channels=(), seed=0):
    """Random images in the layout, with ten classes in turn."""
    rng = np.random.default_rng(seed)
    made = {}
    for split, n in (("train", n_train), ("test", n_test)):
        made[f"x_{split}"] = rng.integers(0, 256, (n, side, side, *channels), np.uint8)
        made[f"y_{split}"] = np.arange(n) % 10
    return made


def save(path, **changes):
    """Save the layout with some arrays changed, or left out where None."""
    np.savez_compressed(path, **{key: a for key, a in (arrays() | changes).items() if a is not None})
    return path


def picture(path, size=(40, 30), mode="RGB", seed=0):
    """Save a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    Image.fromarray(noise.squeeze(2) if channels == 1 else noise, mode).save(path)
    return path


def refuse(name, *words, split="train"):
    """Check that both ways in refuse with one sentence that has these words."""
    with pytest.raises(UserError) as caught:
        load_images(name, split)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith((".", "?")) and "\n" not in message and "Traceback" not in message
    return message


def claim(path, shape, size=None, *, version=(1, 0), text=None):
    """Write an .npz whose x_train has a header for `shape` and `size` zeros after it."""
    save(path, x_train=None)
    text = text or f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    header = text.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("x_train.npy", "w") as file:
        file.write(b"\x93NUMPY" + bytes(version) + len(header).to_bytes(2, "little") + header)
        for _ in range((size or 0) >> 20):
            file.write(bytes(1 << 20))
    return path
