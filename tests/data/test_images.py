"""Known names: what is loaded is what was kept, and every fault is one sentence."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ownimages import arrays, refuse, save

from sslviz.data import npz, webp
from sslviz.data.catalog import DATASETS
from sslviz.data.images import describe, load_images
from sslviz.errors import UserError
from sslviz.paths import assets_dir, data_dir

SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (10_000, 2_000), "cifar10": (10_000, 2_000)}


@pytest.mark.parametrize("name", DATASETS)
def test_bundled_set_is_what_its_card_says(name):
    path = describe(name, bundled=True).path
    card = json.loads((path.parent / f"{name}.json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert path.stat().st_size == card["bytes"] < 45 * 2**20
    assert card["command"] == "sslviz data bundle" and card["licence"] and card["source"]
    for split, n in zip(("train", "test"), SIZES[name], strict=True):
        images = load_images(name, split)
        assert images.x.shape == (n, *DATASETS[name].shape) == (card[f"n_{split}"], *images.shape)
        assert images.x.dtype == torch.uint8 and images.y.dtype == torch.int64 and images.y.shape == (n,)
        assert images.class_names == DATASETS[name].class_names == tuple(card["class_names"])
        assert (images.name, images.split, len(images), images.labelled) == (name, split, n, True)
        if name != "mnist":
            assert torch.bincount(images.y).tolist() == [n // 10] * 10
        x = webp.read_arrays(path, f"x_{split}")[0] if path.suffix == ".zip" else np.load(path)[f"x_{split}"]
        assert np.array_equal(images.x.numpy(), x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2))


def test_mnist_is_the_real_one():
    train = load_images("mnist", "train")
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.x.sum().item() / train.x.numel() / 255 == pytest.approx(0.1306605)  # as published: 0.1307


def test_source_counts_what_is_there_and_what_is_not():
    assert load_images("mnist", "test").source == "bundled, whole: all 10,000 test images"
    assert load_images("cifar10", "train").source == "bundled subset: 10,000 of 50,000 train images"
    assert describe("cifar10").source == "bundled subset: 10,000 of 50,000 train and 2,000 of 10,000 test images"


def test_describe_needs_no_torch_and_agrees_with_load_images():
    code = "import sys; from sslviz.data.catalog import DATASETS; from sslviz.data.images import describe; "
    code += "print([describe(name).n_train for name in DATASETS]); "
    code += "assert not {'torch', 'torchvision', 'PIL.JpegImagePlugin'} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[60000, 10000, 10000]"
    told, images = describe("fashion_mnist"), load_images("fashion_mnist", "test")
    assert (told.n_test, told.shape, told.class_names, told.kind) == (
        2_000,
        images.shape,
        images.class_names,
        "bundled",
    )


def test_images_are_not_copied(tmp_path, monkeypatch):
    path, read = save(tmp_path / "colour.npz", **arrays(side=32, channels=(3,))), []
    real = npz.read_arrays
    monkeypatch.setattr(npz, "read_arrays", lambda *args, **kw: read.append(real(*args, **kw)) or read[-1])
    x = load_images(path, "test").x
    assert x.data_ptr() == read[-1][0].ctypes.data and x.is_contiguous(memory_format=torch.channels_last)


def test_full_copy_comes_first_and_bundled_can_be_asked_for(data):
    assert describe("mnist").kind == "bundled"
    made = arrays(30, 20)
    npz.write(data / "mnist.npz", made)
    images = load_images("mnist", "train")
    assert (
        np.array_equal(images.x[:, 0].numpy(), made["x_train"]) and images.class_names == DATASETS["mnist"].class_names
    )
    assert images.source == "partial copy in the data folder: 30 of 60,000 train images"
    assert describe("mnist").kind == "full" and describe("mnist").path == data / "mnist.npz"
    assert len(load_images("mnist", "train", bundled=True)) == describe("mnist", bundled=True).n_train == 60_000


def test_whole_full_copy_says_all(data):
    zeros = {"x_train": np.zeros((60_000, 28, 28), np.uint8), "x_test": np.zeros((10_000, 28, 28), np.uint8)}
    zeros |= {
        "y_train": np.arange(60_000)[:, None] % 10,
        "y_test": np.arange(10_000)[:, None] % 10,
    }  # as Keras has CIFAR
    npz.write(data / "fashion_mnist.npz", zeros)
    images = load_images("fashion", "test")
    assert images.source == "full copy in the data folder: all 10,000 test images" and images.name == "fashion_mnist"
    assert images.y.tolist() == zeros["y_test"].ravel().tolist()


def test_folders_follow_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLVIZ_DATA", "")
    assert data_dir().name == "sslviz"
    monkeypatch.setenv("SSLVIZ_DATA", "~/images")
    assert data_dir() == Path.home() / "images"
    monkeypatch.setenv("SSLVIZ_ASSETS", str(tmp_path))
    assert assets_dir() == tmp_path
    refuse("mnist", "MNIST", "sslviz data fetch mnist")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("cifar", "did you mean cifar10?"),
        ("Fashion-MNIST", "did you mean fashion_mnist?"),
        ("imagenet", "use mnist, fashion_mnist, cifar10 or the path of your own images."),
        ("", "use mnist"),
        ("no/such/folder", "There is no file or folder"),
        ("missing.npz", "There is no file or folder"),
        ("bad\0name.npz", "There is no file or folder"),
        ("x" * 5_000, "There is no"),
        ("~nobody/pictures", "There is no file or folder"),
    ],
)
def test_unknown_name(name, word):
    refuse(name, word)
    with pytest.raises(UserError):
        describe(name)


def test_unknown_split():
    refuse("mnist", "'valid'", "use train or test", split="valid")


@pytest.mark.parametrize("fault", ["empty", "text", "cut", "flipped", "other"])
def test_damaged_full_copy_names_the_way_out(data, fault):
    path = data / "mnist.npz"
    save(path)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>not found</html>",
            "cut": content[:middle],
            "flipped": content[:middle] + bytes(64) + content[middle + 64 :],
            "other": content,
        }[fault]
    )
    if fault == "other":
        save(path, **arrays(side=32, channels=(3,)))
    refuse("mnist", "mnist.npz in the data folder", "delete it and run `sslviz data fetch mnist`")
