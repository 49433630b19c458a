"""Arrays of pixels as text: what comes back, and what is refused."""

import json

import numpy as np
import pytest

from sslviz.data.packing import pack, unpack
from sslviz.errors import UserError


def test_an_array_comes_back_through_json():
    x = np.random.default_rng(0).integers(0, 256, (3, 2, 1, 5, 4)).astype(np.uint8)
    again = unpack(json.loads(json.dumps(pack(x))))
    assert again.dtype == np.uint8 and np.array_equal(again, x)


@pytest.mark.parametrize(
    "change",
    [{"shape": [4, 5]}, {"shape": [1 << 40]}, {"shape": [-1, -8]}, {"zlib": "!"}, {"zlib": "é"}, {"shape": "ab"}],
)
def test_what_is_damaged_is_refused(change):
    with pytest.raises(UserError, match="damaged"):
        unpack(pack(np.zeros((2, 4), np.uint8)) | change)


def test_a_bomb_is_not_inflated():
    bomb = pack(np.zeros(1 << 22, np.uint8)) | {"shape": [8]}
    with pytest.raises(UserError, match="damaged"):
        unpack(bomb)
