"""Datasets as one `.npz` file: read without trust, written whole or not at all.

The layout is the one that Keras made common: `x_train` (N, H, W) or (N, H, W, C) uint8, `y_train` (N,) integers,
`x_test`, `y_test`. An own file may leave out both y, and may add `class_names`, a list of strings.

A file may come from anyone, and a megabyte of it may unpack to a gigabyte. So the table of contents is measured before
it is parsed, every array is held against the limits by its header before a byte of it is unpacked, and whoever only
shows images reads as many rows as are shown. Messages name the file, not the folder that it lies in.
"""

import io
import math
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sslviz.data.sampling import largest_class_share
from sslviz.errors import UserError
from sslviz.files import ELSEWHERE, atomic, check_regular, shown, writing
from sslviz.memory import MIB, free_memory
from sslviz.paths import data_dir

SPLITS = ("train", "test")
MAX_BYTES = 1 << 30  # of one split's pixels, in memory
MAX_IMAGES = 500_000  # in one split
MAX_CLASSES = 1_000
MAX_NAME = 100  # characters of a class's name
MIN_SIDE, MAX_SIDE = 8, 256  # of an image, in pixels
MAX_MEMBERS, MAX_CONTENTS = 1_000, 1 << 20  # arrays in a file; bytes of its table of contents
SHARE = 0.5  # of the free memory that the arrays of one call may take
KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")
SAVE_AGAIN = "save it again with numpy.savez_compressed."
RENUMBER = "numpy.unique(y, return_inverse=True)[1]"


@dataclass(frozen=True)
class Layout:
    """What the headers and labels of a checked file say.

    `counts` is the number of images by split, `shape` is (C, H, W), `class_names` is () without labels, and
    `largest_class_share` is that of the test labels, None without.
    """

    counts: dict[str, int]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    largest_class_share: float | None = None

    def bytes_of(self, split: str) -> int:
        """Bytes of a split's pixels in memory."""
        return self.counts[split] * math.prod(self.shape)


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
        raise UserError(f"The images of x_train and x_test in {_name(path)} differ in shape: save both with one shape.")
    counts = {"train": x_train.shape[0], "test": x_test.shape[0]}
    side = x_train.shape[1]
    shape = (x_train.shape[3] if len(x_train.shape) == 4 else 1, side, side)
    labels = [split for split in SPLITS if f"y_{split}" in headers]
    if not labels:
        return Layout(counts, shape, ())
    if len(labels) == 1:
        raise UserError(
            f"{_name(path)} has labels for the {labels[0]} images only: save both y_train and y_test, or neither."
        )
    for split in SPLITS:
        y = headers[f"y_{split}"]
        if y.shape not in ((counts[split],), (counts[split], 1)) or y.dtype.kind not in "iu":
            raise UserError(
                f"y_{split} in {_name(path)} is {y.dtype} of shape {y.shape}: "
                f"save {counts[split]:,} integers, one an image."
            )
    y_train, y_test = read_arrays(path, "y_train", "y_test", remedy=remedy)
    names = _class_names(path, headers, y_train, y_test, remedy)
    return Layout(counts, shape, names, largest_class_share(y_test))


def read_arrays(path: Path, *keys: str, remedy: str = SAVE_AGAIN) -> list[np.ndarray]:
    """Read arrays of a file that `read_layout` has passed; the other arrays are not touched.

    `numpy.load` is not used: it takes a member `x_train` for `x_train.npy`, whose header was checked.

    Raises:
        UserError: damaged, or too large for the memory that is free.
    """
    with _reading(path, remedy), _open(path) as archive:
        sizes = {key: archive.getinfo(f"{key}.npy").file_size for key in keys}
        check_room(sum(sizes.values()), f"{' and '.join(keys)} of {_name(path)}")
        arrays = []
        for key in keys:
            with archive.open(f"{key}.npy") as file:
                arrays.append(np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False)))
        return arrays


def read_rows(path: Path, key: str, n: int, *, remedy: str = SAVE_AGAIN) -> np.ndarray:
    """Read the first n rows of an array, or all where there are fewer; nothing after them is unpacked.

    Raises:
        UserError: damaged, or stored column by column (Fortran order), which has no first rows.
    """
    return next(_iter_rows(path, key, n, remedy))


def iter_blocks(path: Path, key: str, *, n_bytes: int = 4 * MIB, remedy: str = SAVE_AGAIN) -> Iterator[np.ndarray]:
    """Yield an array of a checked file in blocks of whole rows and some bytes, each of its own memory; an array that
    is stored column by column (Fortran order) comes at once.

    Raises:
        UserError: damaged.
    """
    with _reading(path, remedy), _open(path) as archive, archive.open(f"{key}.npy") as file:
        header = _read_header(file)
    width = math.prod(header.shape[1:]) * header.dtype.itemsize
    if header.fortran:
        yield from read_arrays(path, key, remedy=remedy)
    else:
        yield from _iter_rows(path, key, max(1, n_bytes // max(1, width)), remedy)


def _iter_rows(path: Path, key: str, n: int, remedy: str) -> Iterator[np.ndarray]:
    with _reading(path, remedy), _open(path) as archive, archive.open(f"{key}.npy") as file:
        header = _read_header(file)
        if header.fortran and len(header.shape) > 1:
            raise UserError(
                f"{key} in {_name(path)} is stored column by column: save numpy.ascontiguousarray({key}) instead."
            )
        width = math.prod(header.shape[1:]) * header.dtype.itemsize
        for start in range(0, max(1, header.shape[0]), n):
            rows = min(n, header.shape[0] - start)
            content = _read_exactly(file, rows * width)
            yield np.frombuffer(content, header.dtype).reshape(rows, *header.shape[1:])


def check_room(n_bytes: int, what: str) -> None:
    """Refuse what would take more than half of the memory that is free here.

    Args:
        n_bytes: that it takes.
        what: what it is; begins the sentence.

    Raises:
        UserError: it would.
    """
    if n_bytes < 16 * MIB:
        return
    free = free_memory()
    if free is not None and n_bytes > SHARE * free:
        raise UserError(
            f"{what} would take {n_bytes / MIB:,.0f} MiB of memory, and of the {free / MIB:,.0f} that are free here "
            f"at most half may go there: keep fewer images, or make them smaller."
        )


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


def write_bytes(path: Path, content: bytes | memoryview, *, remedy: str = ELSEWHERE) -> None:
    """Write a file whole, or not at all.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    with writing(path.parent, remedy=remedy), atomic(path) as temporary:
        temporary.write_bytes(content)


# headers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def _name(path: Path) -> str:
    """What a message calls a file: its name, without the folders that it lies in."""
    return shown(path.name) + (" in the data folder" if path.parent == data_dir() else "")


@contextmanager
def _reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged file makes zipfile, its decompressor or NumPy raise into a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{_name(path)} does not fit in memory: make it smaller or close other programs.") from None
    except Exception as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        line = reason.splitlines()[0].rstrip(".")
        raise UserError(f"{_name(path)} cannot be read ({line}): {remedy}") from None


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose table of contents is of a sane size: zipfile parses all of it, however long it says it is.

    Only what NumPy writes is taken: arrays stored or deflated, and no table in zip's 64-bit form.
    """
    check_regular(path)
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - (1 << 16) - 42))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < 22:
            raise ValueError("it is no .npz file, or its end is missing")
        members, contents = struct.unpack_from("<10xHL", tail, at)
        if tail[max(0, at - 20) : at].startswith(b"PK\6\7") or members > MAX_MEMBERS or contents > MAX_CONTENTS:
            raise ValueError("its table of contents is unusual")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _read_header(file: IO[bytes]) -> _Header:
    if np.lib.format.read_magic(file) != (1, 0):  # later ones are for structured arrays
        raise ValueError("an array has an unusual header")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    return _Header(shape, fortran, dtype)


def _read_headers(path: Path, remedy: str) -> dict[str, _Header]:
    """Read the array headers, and hold them against the sizes in the zip's table of contents.

    With that, a small file can't claim an array larger than `MAX_BYTES` and have it allocated.
    """
    headers = {}
    with _reading(path, remedy), _open(path) as archive:
        members = set(archive.namelist())
        for key in KEYS:
            if f"{key}.npy" not in members:
                continue
            info = archive.getinfo(f"{key}.npy")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{key} is compressed in a way that NumPy does not use")
            with archive.open(info) as file:
                header = _read_header(file)
                declared = file.tell() + math.prod(header.shape) * header.dtype.itemsize
            if header.dtype.hasobject:
                raise UserError(
                    f"{key} in {_name(path)} holds pickled objects, which could run code: save a plain array."
                )
            if info.file_size != declared or min(header.shape, default=0) < 0:
                raise ValueError(f"{key} has {info.file_size:,} bytes, not the {declared:,} of its header")
            headers[key] = header
    return headers


def _read_exactly(file: IO[bytes], n_bytes: int) -> bytearray:
    """Read n bytes, which may come in pieces."""
    content = bytearray(n_bytes)
    view, done = memoryview(content), 0
    while done < n_bytes:
        part = file.read(min(n_bytes - done, 1 << 20))
        if not part:
            raise ValueError("an array ends too early")
        view[done : done + len(part)] = part
        done += len(part)
    return content


def _check_images(path: Path, key: str, headers: Mapping[str, _Header]) -> None:
    """Hold one array of images against the layout and the limits."""
    name = _name(path)
    if key not in headers:
        raise UserError(f"{name} has no {key}: save x_train, y_train, x_test and y_test.")
    shape, dtype = headers[key].shape, headers[key].dtype
    if dtype != np.uint8:
        raise UserError(f"{key} in {name} is {dtype}: scale its pixels to 0…255 and save them as uint8.")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise UserError(f"{key} in {name} has shape {shape}: save it as (N, H, W) or (N, H, W, C) with C 1 or 3.")
    if shape[0] == 0:
        raise UserError(f"{key} in {name} has no images: put at least one there.")
    if shape[1] != shape[2] or not MIN_SIDE <= shape[1] <= MAX_SIDE:
        raise UserError(
            f"The images of {key} in {name} are {shape[1]} x {shape[2]} pixels: "
            f"make them square, {MIN_SIDE} to {MAX_SIDE} pixels a side."
        )
    if shape[0] > MAX_IMAGES or math.prod(shape) > MAX_BYTES:
        raise UserError(
            f"{key} in {name} has {shape[0]:,} images of {math.prod(shape) / MIB:,.0f} MiB in all: "
            f"keep to {MAX_IMAGES:,} images and {MAX_BYTES // MIB:,} MiB."
        )


def _class_names(
    path: Path, headers: Mapping[str, _Header], y_train: np.ndarray, y_test: np.ndarray, remedy: str
) -> tuple[str, ...]:
    """Names from the array `class_names`, else "0", "1", … up to the largest label; labels are checked against it."""
    name, names = _name(path), headers.get("class_names")
    if names and (names.dtype.kind != "U" or len(names.shape) != 1 or not 0 < names.shape[0] <= MAX_CLASSES):
        raise UserError(f"class_names in {name} is not a list of 1 to {MAX_CLASSES:,} strings: save it as one.")
    if names and names.dtype.itemsize > 4 * MAX_NAME:
        raise UserError(
            f"class_names in {name} has room for {names.dtype.itemsize // 4:,} characters a name: "
            f"keep to {MAX_NAME} and save the names again as numpy.array(names)."
        )
    low, high = min(int(y_train.min()), int(y_test.min())), max(int(y_train.max()), int(y_test.max()))
    if low < 0:
        raise UserError(
            f"The labels in {name} begin at {low}: number the classes from 0, as {RENUMBER} does for y_train and "
            "y_test together, or leave out both if the images have no labels."
        )
    n_classes = names.shape[0] if names else MAX_CLASSES
    if high >= n_classes:
        what = f"class_names names only {n_classes}" if names else f"{MAX_CLASSES:,} classes are the most"
        raise UserError(
            f"The labels in {name} run from {low} to {high}, and {what}: number the classes from 0 to {n_classes - 1}, "
            f"as {RENUMBER} does for y_train and y_test together."
        )
    if not names:
        return tuple(map(str, range(high + 1)))
    found = tuple(" ".join(str(text).split()) for text in read_arrays(path, "class_names", remedy=remedy)[0])
    text, times = Counter(found).most_common(1)[0]
    if times > 1 or "" in found:
        fault = f"has “{text}” {times} times" if times > 1 else "has an empty name"
        raise UserError(f"class_names in {name} {fault}: give each class a name of its own.")
    return found


def _npy_bytes(array: np.ndarray) -> memoryview:
    """An array in the .npy format, never pickled."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getbuffer()
