"""Bundled colour images as lossless WebP: two fifths fewer bytes than an `.npz`, at 1.6 times the time to read.

A zip archive `<name>.webp.zip` with, for each split:

    x_<split>-0000.webp, -0001, ...    up to 500 images each, one below the other, in order
    y_<split>.npy                      integers (N,)

It has what `sslviz.data.npz` has of these arrays, and functions of the same names read it. Such files come with sslviz
only; own images are not read from them. Pixels are exact.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data.npz import Layout
from sslviz.data.sampling import largest_class_share
from sslviz.errors import UserError
from sslviz.files import ELSEWHERE, atomic, writing

SUFFIX = ".webp.zip"
PART = 500  # images: WebP's sides end at 16,383 pixels
SPLITS = ("train", "test")
INSTALL = "install sslviz again."


def read_layout(path: Path, *, remedy: str = INSTALL) -> Layout:
    """Counts, shape and classes by the labels and one image's header; no image is unpacked.

    Raises:
        UserError: damaged.
    """
    y_train, y_test = read_arrays(path, "y_train", "y_test", remedy=remedy)
    try:
        with zipfile.ZipFile(path) as archive, archive.open("x_train-0000.webp") as file, _open(file) as image:
            side, height = image.size
    except Exception as error:
        raise _damaged(path, remedy) from error
    if height != side * min(PART, len(y_train)):
        raise _damaged(path, remedy)
    names = tuple(map(str, range(int(max(y_train.max(), y_test.max())) + 1)))
    counts = {"train": len(y_train), "test": len(y_test)}
    return Layout(counts, (3, side, side), names, largest_class_share(y_test))


def read_arrays(path: Path, *keys: str, remedy: str = INSTALL) -> list[np.ndarray]:
    """Arrays by their names in an `.npz`: x uint8 (N, H, W, 3), y integers (N,).

    Raises:
        UserError: damaged.
    """
    return [read_rows(path, key, remedy=remedy) for key in keys]


def read_rows(path: Path, key: str, n: int | None = None, *, remedy: str = INSTALL) -> np.ndarray:
    """The first n rows of an array, or all; parts after them are not unpacked.

    Raises:
        UserError: damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if key.startswith("y_"):
                with archive.open(f"{key}.npy") as file:
                    return np.lib.format.read_array(file, allow_pickle=False)[:n]
            parts = sorted(name for name in archive.namelist() if name.startswith(f"{key}-"))
            found = [_read_part(archive.read(name)) for name in parts[: None if n is None else max(1, -(-n // PART))]]
            return np.concatenate(found)[:n]
    except Exception as error:  # zipfile, Pillow and NumPy raise many kinds; whichever it is, the file is damaged
        raise _damaged(path, remedy) from error


def write(path: Path, arrays: Mapping[str, np.ndarray], *, remedy: str = ELSEWHERE) -> None:
    """Write x_train, x_test uint8 (N, side, side, 3) and y_train, y_test: whole, or not at all.

    The bytes are the same where Pillow's version of libwebp is.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    with writing(path.parent, remedy=remedy), atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for key, array in arrays.items():
            if key.startswith("x_"):
                for number, start in enumerate(range(0, len(array), PART)):
                    _add(archive, f"{key}-{number:04d}.webp", _write_part(array[start : start + PART]))
            else:
                content = io.BytesIO()
                np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                _add(archive, f"{key}.npy", content.getvalue())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system = 3  # as if on Unix, wherever this runs
    archive.writestr(member, content, zipfile.ZIP_DEFLATED if name.endswith(".npy") else zipfile.ZIP_STORED)


def _write_part(x: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    below = Image.fromarray(np.ascontiguousarray(x).reshape(-1, *x.shape[2:]))  # (N * side, side, 3)
    below.save(content, "webp", lossless=True, quality=75, method=4, exact=True)
    return content.getvalue()


def _read_part(content: bytes) -> np.ndarray:
    with _open(io.BytesIO(content)) as image:
        side = image.width
        return np.asarray(image.convert("RGB")).reshape(-1, side, side, 3)


def _open(file: Any) -> Any:
    """Pillow's reader of this format alone: `Image.open` would import those of others first."""
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _damaged(path: Path, remedy: str) -> UserError:
    return UserError(f"{path.name} cannot be read, it is damaged: {remedy}")
