"""A safetensors file from elsewhere, read by the library's own reader after the checks that this lacks.

The library holds the header's offsets against the bytes behind it. Checked here before it reads: the file's kind and
size, and the length of the header, which it would take up to 100 MB of; and before a tensor is made: names, shapes and
types against the model that the config describes (`sslviz.store.bundle`). Each value is finite.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslviz.store.card import Damaged

if TYPE_CHECKING:
    import torch

Described = dict[str, tuple[str, tuple[int, ...]]]  # type and shape of each tensor by name
MAX_HEADER = 256 << 10  # bytes; a ResNet-18's is a tenth of it
KEY = re.compile(r"[A-Za-z0-9_.]{1,200}")  # what PyTorch calls a tensor
MAGIC = {
    b"PK\x03\x04": "a zip archive, the form of torch.save and of .npz",
    b"\x80": "a pickle, which could run code",
    b"\x1f\x8b": "compressed by gzip",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The library's reader of a file whose header has a bounded length.

    Raises:
        Damaged: another kind of file, a part of one, or a header that does not describe exactly the bytes behind it.
    """
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as file:
        first, size = file.read(8), path.stat().st_size
    length = int.from_bytes(first, "little")
    if len(first) < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
        kinds = (kind for magic, kind in MAGIC.items() if first.startswith(magic))
        raise Damaged(f"is {next(kinds, 'no safetensors file, or only a part of one')}")
    try:
        with safe_open(path, framework="pt") as reader:
            yield reader
    except (SafetensorError, RecursionError) as error:
        reason = "".join(c if c.isprintable() else " " for c in str(error))
        raise Damaged(f"can't be read as safetensors ({reason:.200})") from error


def described(reader: Any) -> Described:
    """Type and shape of each tensor by name, of which nothing is read.

    Raises:
        Damaged: a name that no model has.
    """
    found = {}
    for key in reader.keys():  # noqa: SIM118 (not a dict)
        if not KEY.fullmatch(key):
            raise Damaged("names a tensor in a way that no model does")
        about = reader.get_slice(key)
        found[key] = (str(about.get_dtype()), tuple(about.get_shape()))
    return found


def read(reader: Any, keys: Mapping[str, Any]) -> "dict[str, torch.Tensor]":
    """The tensors of a file whose description was held against a model.

    Raises:
        Damaged: a value is not finite.
    """
    found = {}
    for key in keys:
        found[key] = reader.get_tensor(key)
        if not found[key].float().isfinite().all():
            raise Damaged(f"has values in the tensor '{key}' that are not finite")
    return found
