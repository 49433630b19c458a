"""Small arrays of pixels as text, for files of JSON."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np

from sslviz.errors import UserError

LARGEST = 1 << 22  # bytes of an array


def pack(x: np.ndarray) -> dict[str, Any]:
    """An array of uint8 as plain values: its shape, and its bytes compressed, in base 85."""
    return {"shape": list(x.shape), "zlib": base64.b85encode(zlib.compress(x.tobytes(), 9)).decode()}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """The array that `pack` was given.

    Raises:
        UserError: it is damaged, or would be larger than 4 MiB.
    """
    try:
        shape = [int(side) for side in packed["shape"]]
        size = math.prod(shape)
        if not 0 <= size <= LARGEST or min(shape, default=0) < 0:
            raise ValueError
        inflate = zlib.decompressobj()
        content = inflate.decompress(base64.b85decode(packed["zlib"]), size + 1)
        return np.frombuffer(content, np.uint8).reshape(shape)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise UserError("The pictures of an experiment's file are damaged: restore the file.") from error
