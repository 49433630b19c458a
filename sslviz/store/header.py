"""A safetensors file, read by its header and without trust: nothing is allocated by what the file says of itself.

    8 bytes   length of the header, little-endian
    header    JSON: for each tensor its dtype, shape and offsets; under "__metadata__" an object of strings
    tensors   their bytes, without a gap

The format is that of https://github.com/huggingface/safetensors, of which this takes less than the library: bounded
lengths, no key twice, no gap, the dtypes that models here have, and finite numbers only.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np

MAX_HEADER = 256 << 10  # bytes; a ResNet-18's is a tenth of it
CHUNK = 1 << 20  # bytes copied at a time
ITEM = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}  # bytes a value
MOST = 1 << 40  # of a side or an offset
KEY = re.compile(r"[A-Za-z0-9_.]{1,200}")  # what PyTorch calls a tensor
MAGIC = {
    b"PK\x03\x04": "a zip archive, the form of torch.save and of .npz",
    b"\x80": "a pickle, which could run code",
    b"\x1f\x8b": "compressed by gzip",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
}


class Damaged(ValueError):
    """What a file is or has that it must not; reads on after "This file …"."""


@dataclass(frozen=True)
class Tensor:
    """What the header says of one tensor; `size` is in bytes."""

    dtype: str
    shape: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Header:
    """A checked header: tensors in the order of their bytes, and the metadata, which nobody has checked."""

    tensors: dict[str, Tensor]
    metadata: Any

    def as_bytes(self, metadata: dict[str, str] | None = None) -> bytes:
        """Length and header with other metadata, padded so that the tensors lie at a multiple of 8 bytes."""
        content: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
        begin = 0
        for key, tensor in self.tensors.items():
            content[key] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, begin + tensor.size]}
            begin += tensor.size
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text


def read_header(file: BinaryIO, size: int) -> Header:
    """Read and check everything before the tensors; leaves the file where they begin.

    Args:
        file: at its beginning.
        size: of the file, bytes.

    Raises:
        Damaged: another kind of file, a part of one, or a header that does not describe exactly the bytes behind it.
    """
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
        kinds = (kind for magic, kind in MAGIC.items() if first.startswith(magic))
        raise Damaged(f"is {next(kinds, 'no safetensors file, or only a part of one')}")
    try:
        text = file.read(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged("has a header that is not text") from error
    content = parse(text, "header")
    metadata = content.pop("__metadata__", None)
    entries = sorted((*_read_entry(key, entry), key) for key, entry in content.items())
    end = 0
    for begin, stop, key in entries:
        tensor = _tensor(content[key])
        if begin != end or stop - begin != tensor.size:
            raise Damaged(f"has a gap, an overlap or a wrong length at the tensor '{key}'")
        end = stop
    if end != size - 8 - length:
        raise Damaged(f"has {size - 8 - length:,} bytes of tensors, not the number that its header promises")
    return Header({key: _tensor(content[key]) for *_, key in entries}, metadata)


def _read_entry(key: str, entry: Any) -> tuple[int, int]:
    """Check what is said of a tensor, and return where it begins and ends."""
    if not KEY.fullmatch(key):
        raise Damaged("names a tensor in a way that no model does")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise Damaged(f"does not say dtype, shape and data_offsets of the tensor '{key}'")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in ITEM:
        raise Damaged(f"has a tensor '{key}' of a type that no model here has")
    for values in (entry["shape"], entry["data_offsets"]):
        if not isinstance(values, list) or len(values) > 8 or not all(type(v) is int and 0 <= v < MOST for v in values):
            raise Damaged(f"has a shape or offsets of the tensor '{key}' that are not counts")
    if len(entry["data_offsets"]) != 2:
        raise Damaged(f"does not say where the tensor '{key}' begins and ends")
    return tuple(entry["data_offsets"])


def _tensor(entry: dict[str, Any]) -> Tensor:
    return Tensor(entry["dtype"], tuple(entry["shape"]), math.prod(entry["shape"]) * ITEM[entry["dtype"]])


def parse(text: str, what: str) -> dict[str, Any]:
    """A JSON object without a key twice and without numbers that are none; `what` it is, for the sentence.

    Raises:
        Damaged: it is anything else.
    """
    try:
        content = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_number)
    except RecursionError as error:
        raise Damaged(f"has a {what} that is nested too deeply") from error
    except ValueError as error:
        raise Damaged(f"has a {what} that can't be read ({error!s:.100})") from error
    if not isinstance(content, dict):
        raise Damaged(f"has a {what} that is not a JSON object")
    return content


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands there twice")
    return content


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def copy_tensors(file: BinaryIO, header: Header, out: BinaryIO) -> None:
    """Write the tensors behind a header without metadata, a part at a time.

    Args:
        file: where the tensors begin, as `read_header` has left it.
        header: of the file.
        out: what is written to.

    Raises:
        Damaged: a value is not finite; what is written by then is of no use.
    """
    out.write(header.as_bytes())
    for key, tensor in header.tensors.items():
        left = tensor.size
        while left:
            part = file.read(min(left, CHUNK))
            if not part:
                raise Damaged("has become shorter while it was read")
            if not FINITE[tensor.dtype](part):
                raise Damaged(f"has values in the tensor '{key}' that are not finite")
            left -= out.write(part)


FINITE: dict[str, Callable[[bytes], bool]] = {
    "F32": lambda part: bool(np.isfinite(np.frombuffer(part, "<f4")).all()),
    "F16": lambda part: bool(np.isfinite(np.frombuffer(part, "<f2")).all()),
    "BF16": lambda part: bool((np.frombuffer(part, "<u2") & 0x7F80 != 0x7F80).all()),  # an exponent of ones only
    "I64": lambda part: True,
}
