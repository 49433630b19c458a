"""What every test stands on: the bundled data and models only, one thread, no network to a model hub."""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before a test module imports anything; processes that tests start inherit it."""
    folder = tempfile.TemporaryDirectory(prefix="sslviz-tests-")
    config.add_cleanup(folder.cleanup)
    os.environ |= OFFLINE | ONE_THREAD | {"SSLVIZ_DATA": folder.name}
    os.environ.pop("SSLVIZ_ASSETS", None)
    os.environ.pop("SSLVIZ_MODELS", None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed what a test might draw from, so that it meets the same numbers every time and in any order."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def own_digits(tmp_path_factory):
    """A function that writes real digits as a person's own file: (n_train, n_test) -> its path."""

    def write(n_train: int, n_test: int) -> str:
        import numpy as np

        from sslviz.data.images import load_images

        digits = load_images("mnist", "test")
        x, y = digits.x[: n_train + n_test, 0].numpy(), digits.y[: n_train + n_test].numpy()
        path = tmp_path_factory.mktemp("own") / "digits.npz"
        np.savez(path, x_train=x[:n_train], y_train=y[:n_train], x_test=x[n_train:], y_test=y[n_train:])
        return str(path)

    return write


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """A folder of tiny models, see `tinyimages.make_models`, made once: nobody changes it."""
    from tinyimages import make_models

    folder = tmp_path_factory.mktemp("tiny")
    make_models(folder)
    return folder


@pytest.fixture(scope="module")
def models(tiny_models, tmp_path_factory):
    """A module's own copy of the tiny models."""
    return Path(shutil.copytree(tiny_models, tmp_path_factory.mktemp("models"), dirs_exist_ok=True))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("SSLVIZ_DATA", str(path))
    return path
