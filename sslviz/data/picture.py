"""One picture that a person brings: checked before it is read, and fitted to the images of a dataset."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from sslviz.data import imagefolder
from sslviz.errors import UserError
from sslviz.files import shown

MAX_BYTES, MAX_PIXELS, MAX_SIDES = 10_000_000, 25_000_000, 20  # of a file; of its picture; longer side over shorter
SQUARE = 128  # pixels of a side that are kept


def read_square(name: str, content: bytes | memoryview) -> np.ndarray:
    """The central square of a picture, (128, 128, 3) uint8; transparent parts are white.

    Args:
        name: what the file was called.
        content: the file.

    Raises:
        UserError: too large, no picture, broken, or of one colour; the size is read from its first bytes.
    """
    name = shown(Path(name.replace("\\", "/")).name or "picture")[:80]
    if len(content) > MAX_BYTES:
        raise UserError(f"{name} has {len(content) / 1e6:.0f} MB: bring one of {MAX_BYTES // 1_000_000} MB or less.")
    try:
        with Image.open(io.BytesIO(content), formats=tuple(imagefolder.FORMATS)) as header:
            width, height = header.size
    except Image.DecompressionBombError:
        width = height = MAX_PIXELS
    except Exception:
        raise UserError(f"{name} is no picture that can be read here: bring a PNG, JPEG or WebP file.") from None
    if width * height > MAX_PIXELS:
        raise UserError(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller.")
    if not max(width, height) <= MAX_SIDES * min(width, height):
        raise UserError(f"{name} is {width} x {height}: cut it to about a square first.")
    with TemporaryDirectory(prefix="sslviz-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            square = imagefolder.read_picture(path, side=SQUARE, colour=True)
        except UserError:
            raise UserError(f"{name} is broken or cut off: save it again as PNG or JPEG.") from None
    if np.ptp(square.reshape(-1, 3), axis=0).max() < 8:
        raise UserError(f"{name} has one colour all over: bring a picture with something on it.")
    return square


def fitted(square: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """A square picture as an image of a dataset.

    Args:
        square: (S, S, 3) uint8.
        shape: (C, H, W) of the dataset's images. Grey ones are light on dark, so a picture with a light border is
            inverted for them.

    Returns:
        x (C, H, W) uint8, and whether it was inverted.
    """
    channels, height, width = shape
    image = Image.fromarray(square).convert("RGB" if channels == 3 else "L")
    x = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))
    if channels == 3:
        return np.ascontiguousarray(x.transpose(2, 0, 1)), False
    border = np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]])
    inverted = bool(np.median(border) > 127)
    return (255 - x if inverted else x)[None], inverted
