"""Data sets as one `.npz` file: read without trust, written whole or not at all.

The layout is the one that Keras made common: `x_train` (N, H, W) or (N, H, W, C) uint8, `y_train` (N,) integers,
`x_test`, `y_test`. An own file may leave out both y, and may add `class_names`, a list of strings.
"""

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslviz.errors import UserError
from sslviz.files import ELSEWHERE, atomic, writing

SPLITS = ("train", "test")
MAX_BYTES = 1 << 30  # of one split's pixels, in memory
MAX_IMAGES = 500_000  # in one split
MAX_CLASSES = 1_000
MIN_SIDE, MAX_SIDE = 8, 256  # of an image, in pixels
SAVE_AGAIN = "save it again with numpy.savez_compressed."


@dataclass(frozen=True)
class Layout:
    """What the headers and labels of a checked file say.

    `counts` is the number of images by split, `shape` is (C, H, W), and `class_names` is () without labels.
    """

    counts: dict[str, int]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]


def read_layout(path: Path, *, remedy: str = SAVE_AGAIN) -> Layout:
    """Check a file by its headers and labels, without decompressing an image.

    Args:
        path: the file.
        remedy: what to do if it is damaged; ends the sentence of the error.

    Raises:
        UserError: damaged, pickled, or other than the layout and limits of this module.
    """
    headers = _read_headers(path, remedy)
    for split in SPLITS:
        _check_images(path, f"x_{split}", headers)
    x_train, x_test = headers["x_train"], headers["x_test"]
    if x_train.shape[1:] != x_test.shape[1:]:
        raise UserError(f"The images of x_train and x_test in {path} differ in shape: save both with one shape.")
    counts = {"train": x_train.shape[0], "test": x_test.shape[0]}
    shape = (x_train.shape[3] if len(x_train.shape) == 4 else 1, *x_train.shape[1:3])
    labels = [split for split in SPLITS if f"y_{split}" in headers]
    if not labels:
        return Layout(counts, shape, ())
    if len(labels) == 1:
        raise UserError(f"{path} has labels for the {labels[0]} images only: save both y_train and y_test, or neither.")
    for split in SPLITS:
        y = headers[f"y_{split}"]
        if y.shape not in ((counts[split],), (counts[split], 1)) or y.dtype.kind not in "iu":
            raise UserError(
                f"y_{split} in {path} is {y.dtype} of shape {y.shape}: save {counts[split]:,} integers, one an image."
            )
    return Layout(counts, shape, _read_class_names(path, headers, remedy))


def read_arrays(path: Path, *keys: str, remedy: str = SAVE_AGAIN) -> list[np.ndarray]:
    """Read arrays of a file that `read_layout` has passed; the other arrays are not touched.

    `numpy.load` is not used: it takes a member `x_train` for `x_train.npy`, whose header was checked.

    Raises:
        UserError: damaged, or too large for the memory that is free.
    """
    with _reading(path, remedy), zipfile.ZipFile(path) as archive:
        arrays = []
        for key in keys:
            with archive.open(f"{key}.npy") as file:
                arrays.append(np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False)))
        return arrays


def write(path: Path, arrays: Mapping[str, np.ndarray], *, compress: bool = False, remedy: str = ELSEWHERE) -> None:
    """Write arrays as an `.npz`: whole, or not at all, and the same bytes for the same arrays.

    The bytes of a compressed file are the same where the version of zlib is.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with writing(path.parent, remedy=remedy), atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for key, array in arrays.items():
            member = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # as if on Unix, wherever this runs
            archive.writestr(member, _npy_bytes(array), method, compresslevel=9)


def write_bytes(path: Path, content: bytes, *, remedy: str = ELSEWHERE) -> None:
    """Write a file whole, or not at all.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    with writing(path.parent, remedy=remedy), atomic(path) as temporary:
        temporary.write_bytes(content)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype


@contextmanager
def _reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged file makes zipfile, its decompressors or NumPy raise into a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path} does not fit in memory: make it smaller or close other programs.") from None
    except Exception as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason.splitlines()[0].rstrip('.')}): {remedy}") from None


def _read_headers(path: Path, remedy: str) -> dict[str, _Header]:
    """Read the array headers, and hold them against the sizes in the zip's table of contents.

    With that, a small file can't claim an array larger than `MAX_BYTES` and have it allocated.
    """
    headers = {}
    with _reading(path, remedy), zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        for key in ("x_train", "y_train", "x_test", "y_test", "class_names"):
            if f"{key}.npy" not in members:
                continue
            with archive.open(f"{key}.npy") as file:
                if np.lib.format.read_magic(file) != (1, 0):  # later ones are for structured arrays
                    raise ValueError(f"{key} has an unusual header")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                declared = file.tell() + math.prod(shape) * dtype.itemsize
            if dtype.hasobject:
                raise UserError(f"{key} in {path} holds pickled objects, which could run code: save a plain array.")
            size = archive.getinfo(f"{key}.npy").file_size
            if size != declared or min(shape, default=0) < 0:
                raise ValueError(f"{key} has {size:,} bytes, not the {declared:,} of its header")
            headers[key] = _Header(shape, dtype)
    return headers


def _check_images(path: Path, key: str, headers: Mapping[str, _Header]) -> None:
    """Hold one array of images against the layout and the limits."""
    if key not in headers:
        raise UserError(f"{path} has no {key}: save x_train, y_train, x_test and y_test.")
    shape, dtype = headers[key].shape, headers[key].dtype
    if dtype != np.uint8:
        raise UserError(f"{key} in {path} is {dtype}: scale its pixels to 0…255 and save them as uint8.")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise UserError(f"{key} in {path} has shape {shape}: save it as (N, H, W) or (N, H, W, C) with C 1 or 3.")
    if shape[0] == 0:
        raise UserError(f"{key} in {path} has no images: put at least one there.")
    if shape[1] != shape[2] or not MIN_SIDE <= shape[1] <= MAX_SIDE:
        raise UserError(
            f"The images of {key} in {path} are {shape[1]} x {shape[2]} pixels: "
            f"make them square, {MIN_SIDE} to {MAX_SIDE} pixels a side."
        )
    if shape[0] > MAX_IMAGES or math.prod(shape) > MAX_BYTES:
        raise UserError(
            f"{key} in {path} has {shape[0]:,} images of {math.prod(shape) / 2**20:,.0f} MiB in all: "
            f"keep to {MAX_IMAGES:,} images and {MAX_BYTES >> 20:,} MiB."
        )


def _read_class_names(path: Path, headers: Mapping[str, _Header], remedy: str) -> tuple[str, ...]:
    """Names from the array `class_names`, else "0", "1", … up to the largest label; labels are checked against it."""
    names = headers.get("class_names")
    if names and (names.dtype.kind != "U" or len(names.shape) != 1 or not 0 < names.shape[0] <= MAX_CLASSES):
        raise UserError(f"class_names in {path} is not a list of 1 to {MAX_CLASSES:,} strings: save it as one.")
    y_train, y_test = read_arrays(path, "y_train", "y_test", remedy=remedy)
    low, high = min(y_train.min(), y_test.min()), max(y_train.max(), y_test.max())
    n_classes = names.shape[0] if names else MAX_CLASSES
    if low < 0 or high >= n_classes:
        raise UserError(f"The labels in {path} run from {low} to {high}: number the classes from 0 to {n_classes - 1}.")
    if names:
        return tuple(map(str, read_arrays(path, "class_names", remedy=remedy)[0]))
    return tuple(map(str, range(int(high) + 1)))


def _npy_bytes(array: np.ndarray) -> memoryview:
    """An array in the .npy format, never pickled."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getbuffer()
