"""The bundled subsets are drawn as their cards say."""

import dataclasses
import json

import numpy as np
import pytest
from ownimages import arrays

from sslviz.bundled import subsets
from sslviz.data import npz, webp
from sslviz.data.catalog import DATASETS
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError


def test_bundle_draws_each_split_from_its_own(tmp_path, monkeypatch):
    info = dataclasses.replace(DATASETS["cifar10"], n_train=2_000, n_test=1_000, bundled=(200, 100))
    monkeypatch.setattr(subsets, "DATASETS", {"cifar10": info})
    full = arrays(2_000, 1_000, side=32, channels=(3,))
    for split in ("train", "test"):
        n = len(full[f"x_{split}"])
        full[f"x_{split}"][:, 0, 0] = np.arange(n)[:, None] // 256 ** np.arange(3) % 256  # the index, in a pixel
    npz.write(tmp_path / "cifar10.npz", full)
    first, second = (subsets.bundle(tmp_path, tmp_path / out)[0] for out in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    for split, n in (("train", 200), ("test", 100)):
        x, y = webp.read_arrays(first, f"x_{split}", f"y_{split}")
        index = x[:, 0, 0].astype(int) @ 256 ** np.arange(3)
        assert np.array_equal(index, stratified_sample(full[f"y_{split}"], n, seed=0))
        assert np.array_equal(x, full[f"x_{split}"][index]) and y.dtype == np.uint8
    assert json.loads((first.parent / "cifar10.json").read_text())["n_test"] == 100
    with pytest.raises(UserError, match="sslviz data fetch cifar10"):
        subsets.bundle(tmp_path / "one" / "none", tmp_path)
    npz.write(tmp_path / "part" / "cifar10.npz", {key: array[:50] for key, array in full.items()})
    with pytest.raises(UserError, match="not a full copy"):
        subsets.bundle(tmp_path / "part", tmp_path)
