"""Labels drawn evenly, and the share of the largest class."""

import re

import numpy as np
import pytest
import torch

from sslviz.data.images import ImageSet, in_unit_range, to_float
from sslviz.data.sampling import largest_class_share, stratified_sample
from sslviz.paths import PACKAGE


def test_the_same_number_of_each_class_and_the_same_choice_for_a_seed():
    y = np.random.default_rng(1).integers(0, 10, 2_000)
    kept = stratified_sample(y, 100, seed=0)
    assert np.bincount(y[kept]).tolist() == [10] * 10 and np.all(np.diff(kept) > 0)
    assert np.array_equal(kept, stratified_sample(y, 100, seed=0))
    assert not np.array_equal(kept, stratified_sample(y, 100, seed=1))


@pytest.mark.parametrize(
    ("counts", "n", "shares"),
    [
        ([50, 50, 50], 10, [3, 3, 4]),  # one more from a class that the seed names
        ([2, 50, 50], 20, [2, 9, 9]),  # a small class gives all, the others make up for it
        ([1, 1, 98], 100, [1, 1, 98]),
        ([5, 5], 2, [1, 1]),
    ],
)
def test_uneven_classes_share_as_evenly_as_they_can(counts, n, shares):
    y = np.repeat(np.arange(len(counts)), counts)
    kept = stratified_sample(y, n, seed=0)
    assert len(np.unique(kept)) == n
    assert sorted(np.bincount(y[kept]).tolist()) == sorted(shares)


def test_what_cannot_be_drawn_is_an_error():
    y = np.repeat([0, 1, 2], 4)
    for n in (2, 13):
        with pytest.raises(ValueError, match="can't be drawn"):
            stratified_sample(y, n, seed=0)


def test_share_of_the_largest_class():
    y = np.array([0] * 95 + [1] * 5)
    assert largest_class_share(y) == 0.95
    images = ImageSet(torch.zeros(100, 1, 8, 8), torch.from_numpy(y), ("a", "b"), "", "train", "")
    assert images.largest_class_share == 0.95
    with pytest.raises(ValueError, match="no labels"):
        largest_class_share(np.array([], int))


@pytest.mark.parametrize("change", [lambda x: x, lambda x: x.numpy(), lambda x: x.numpy()[::-1][::-1].copy()])
def test_bytes_become_floats_once(change):
    x = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    found = to_float(change(x))
    assert found.dtype == torch.float32 and torch.equal(found, x.float() / 255)
    assert torch.equal(to_float(found), found) and torch.equal(to_float(found.double()), found)
    frozen = x.numpy().copy()
    frozen.setflags(write=False)
    assert torch.equal(to_float(frozen), found)
    assert torch.equal(to_float(x.numpy()[::-1]), found.flip(0))


def test_arrays_stay_arrays_and_tensors_tensors():
    x = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    found = in_unit_range(x)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32 and in_unit_range(found) is found
    assert torch.equal(in_unit_range(torch.from_numpy(x)), torch.from_numpy(found))
    assert (found.min(), found.max()) == (0, 1)


def test_nobody_else_divides_by_255():
    """But for h and probabilities stored in bytes, and for the patches' constant, which is their paper's."""
    allowed = {"data/images.py", "store/embeddings.py", "ui/evidence/learned.py"}
    sources = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert {name for name, text in sources.items() if re.search(r"/ ?255(\.0)?\b(?! ?\*\*)", text)} <= allowed
