"""Data sets: what is loaded is what was kept, and every fault is one sentence that leaves nothing behind."""

import dataclasses
import errno
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sslviz.bundled import subsets
from sslviz.data import download, imagefolder, npz
from sslviz.data.catalog import DATASETS
from sslviz.data.images import describe, fetch, load_images
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.paths import assets_dir, data_dir

SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (10_000, 2_000), "cifar10": (10_000, 2_000)}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("SSLVIZ_DATA", str(path))
    return path


def arrays(n_train=20, n_test=10, *, side=28, channels=(), seed=0):
    """Random images in the layout, with ten classes in turn."""
    rng = np.random.default_rng(seed)
    made = {}
    for split, n in (("train", n_train), ("test", n_test)):
        made[f"x_{split}"] = rng.integers(0, 256, (n, side, side, *channels), np.uint8)
        made[f"y_{split}"] = np.arange(n) % 10
    return made


def save(path, **changes):
    """Save the layout with some arrays changed, or left out where None."""
    np.savez_compressed(path, **{key: a for key, a in (arrays() | changes).items() if a is not None})
    return path


def picture(path, size=(40, 30), mode="RGB", seed=0):
    """Save a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    Image.fromarray(noise.squeeze(2) if channels == 1 else noise, mode).save(path)
    return path


def refuse(name, *words, split="train"):
    """Check that both ways in refuse with one sentence that has these words."""
    with pytest.raises(UserError) as caught:
        load_images(name, split)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith((".", "?")) and "\n" not in message and "Traceback" not in message
    return message


# Known names


@pytest.mark.parametrize("name", DATASETS)
def test_bundled_set_is_what_its_card_says(name):
    path = assets_dir() / "data" / f"{name}.npz"
    card = json.loads(path.with_suffix(".json").read_text())
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
        with np.load(path) as kept:  # as anyone would
            x = kept[f"x_{split}"]
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


def test_images_are_not_copied(monkeypatch):
    read = []
    real = npz.read_arrays
    monkeypatch.setattr(npz, "read_arrays", lambda *args, **kw: read.append(real(*args, **kw)) or read[-1])
    x = load_images("cifar10", "test").x
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
    refuse("mnist", str(path), "delete it and run `sslviz data fetch mnist`")


# Own .npz


def test_own_npz(tmp_path):
    path = save(
        tmp_path / "shapes.npz", **arrays(12, 8, side=16, channels=(3,)), class_names=np.array(list("abcdefghij"))
    )
    images = load_images(path, "test")
    assert images.x.shape == (8, 3, 16, 16) and images.class_names == tuple("abcdefghij")
    assert images.source == "own file shapes.npz: 8 test images"
    assert load_images(images.name, "train").x.shape == (12, 3, 16, 16)
    told = describe(path)
    assert (told.kind, told.title, told.n_train, told.n_test, told.shape) == ("own", "shapes", 12, 8, (3, 16, 16))


def test_own_npz_without_class_names_numbers_them(tmp_path):
    path = save(tmp_path / "a.npz", y_train=np.full(20, 2, ">i2"), y_test=np.zeros((10, 1), np.uint64))
    assert load_images(path, "train").class_names == describe(path).class_names == ("0", "1", "2")
    assert load_images(path, "test").y.tolist() == [0] * 10


def test_own_npz_without_labels(tmp_path):
    images = load_images(save(tmp_path / "a.npz", y_train=None, y_test=None), "train")
    assert images.y.tolist() == [-1] * 20 and images.class_names == () and not images.labelled


def test_own_npz_in_fortran_order(tmp_path):
    made = arrays()
    images = load_images(save(tmp_path / "a.npz", x_train=np.asfortranarray(made["x_train"])), "train")
    assert np.array_equal(images.x[:, 0].numpy(), made["x_train"]) and images.x.is_contiguous()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": None}, ("no x_train",)),
        ({"x_train": arrays()["x_train"] / np.float32(255)}, ("float32", "save them as uint8")),
        ({"x_train": arrays()["x_train"][:, 0]}, ("shape (20, 28)",)),
        ({"x_train": np.zeros((20, 3, 28, 28), np.uint8)}, ("shape (20, 3, 28, 28)", "(N, H, W, C)")),
        ({"x_train": np.zeros((20, 28, 30), np.uint8)}, ("28 x 30", "square")),
        ({"x_train": np.zeros((20, 4, 4), np.uint8)}, ("4 x 4", "8 to 256")),
        ({"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, int)}, ("no images",)),
        ({"x_train": np.zeros((20, 32, 32), np.uint8)}, ("differ in shape",)),
        ({"x_train": np.array([None, "a"], object)}, ("pickled objects", "could run code")),
        ({"y_train": np.array([None] * 20, object)}, ("pickled objects",)),
        ({"y_train": np.zeros(20)}, ("y_train", "float64", "save 20 integers")),
        ({"y_train": np.zeros(19, int)}, ("y_train", "(19,)", "save 20 integers")),
        ({"y_train": np.full(20, -1)}, ("run from -1 to 9", "from 0 to 999")),
        ({"y_train": np.full(20, 2**63, np.uint64)}, ("run from 0 to 9223372036854775808",)),
        ({"y_test": None}, ("labels for the train images only",)),
        ({"class_names": np.array(["a", "b"])}, ("run from 0 to 9", "from 0 to 1")),
        ({"class_names": np.arange(10)}, ("class_names", "strings")),
    ],
)
def test_own_npz_refused(tmp_path, changes, words):
    path = save(tmp_path / "a.npz", **changes)
    refuse(path, str(path), *words)
    with pytest.raises(UserError):
        describe(path)


def claim(path, shape, size=None, *, version=(1, 0), text=None):
    """Write an .npz whose x_train has a header for `shape` and `size` zeros after it."""
    save(path, x_train=None)
    text = text or f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    header = text.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("x_train.npy", "w") as file:
        file.write(b"\x93NUMPY" + bytes(version) + len(header).to_bytes(2, "little") + header)
        for _ in range((size or 0) >> 20):
            file.write(bytes(1 << 20))
    return path


def test_declared_size_beyond_the_file_is_not_allocated(tmp_path):
    refuse(claim(tmp_path / "a.npz", (10**12, 28, 28)), "cannot be read", "not the 784,000,000,000,")
    refuse(claim(tmp_path / "b.npz", (-20, 28, 28)), "cannot be read")
    refuse(claim(tmp_path / "c.npz", (20, 28, 28), version=(2, 0)), "unusual header")
    refuse(claim(tmp_path / "d.npz", (), text="{" * 100), "cannot be read")


def test_zip_bomb_is_refused_before_it_is_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 8 << 20)
    path = claim(tmp_path / "a.npz", (16, 1 << 10, 1 << 10), 16 << 20)
    assert path.stat().st_size < 1 << 20
    refuse(path, "1024 x 1024")
    refuse(claim(tmp_path / "b.npz", (256, 256, 256), 16 << 20), "256 images of 16 MiB", "8 MiB")


def test_member_without_its_suffix_cannot_stand_in_for_a_checked_one(tmp_path):
    path = save(tmp_path / "a.npz")
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train", buffer.getvalue())
    assert np.array_equal(load_images(path, "train").x[:, 0].numpy(), arrays()["x_train"])


def test_random_damage_is_never_a_traceback(tmp_path):
    path = save(tmp_path / "a.npz", **arrays(2, 2, side=8))
    content = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = content[: rng.integers(len(content))].copy() if rng.random() < 0.2 else content.copy()
        if len(damaged):
            damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            load_images(path, "train")
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 100


def test_not_an_npz(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    refuse(tmp_path / "a.npy", "cannot be read")


# Own folders


def test_folder_of_colour_pictures(tmp_path):
    for name in ("cat", "dog"):
        for i in range(10):
            picture(tmp_path / "pets" / name / f"{i}.png", seed=100 * ord(name[0]) + i)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "pets" / ".cache").mkdir()
    train, test = (load_images(tmp_path / "pets", split) for split in ("train", "test"))
    assert train.x.shape == (16, 3, 32, 32) and test.x.shape == (4, 3, 32, 32)
    assert torch.bincount(train.y).tolist() == [8, 8] and torch.bincount(test.y).tolist() == [2, 2]
    assert train.class_names == ("cat", "dog")
    assert train.source == (
        "own folder pets: 16 train images; a fifth of each class, by file name, is the test set; "
        "central squares, resized to 32 x 32 colour; 1 file that is no picture left out"
    )
    told = describe(tmp_path / "pets")
    assert (told.title, told.kind, told.n_train, told.n_test, told.shape) == ("pets", "own", 16, 4, (3, 32, 32))
    assert len({image.numpy().tobytes() for image in torch.cat([train.x, test.x])}) == 20  # no image in both splits
    moved = shutil.copytree(tmp_path / "pets", tmp_path / "elsewhere")
    assert torch.equal(load_images(moved, "train").x, train.x)


def test_folder_of_grey_pictures_keeps_pixels_of_the_right_size(tmp_path):
    for name in "ab":
        for i in range(2):
            picture(tmp_path / name / f"{i}.png", size=(28, 28), mode="L", seed=i)
    images = load_images(tmp_path, "train")
    assert images.x.shape == (2, 1, 28, 28) and images.y.sort().values.tolist() == [0, 1]
    originals = [np.asarray(Image.open(tmp_path / "a" / f"{i}.png")) for i in range(2)]
    assert any(np.array_equal(images.x[images.y == 0][0, 0].numpy(), original) for original in originals)


def test_folder_with_its_own_split(tmp_path):
    for split, n in (("train", 3), ("test", 1)):
        for name in ("a", "b"):
            for i in range(n):
                picture(tmp_path / split / name / f"{i}.jpg")
    told = describe(tmp_path)
    assert (told.n_train, told.n_test, told.class_names) == (6, 2, ("a", "b")) and "its own split" in told.source
    shutil.rmtree(tmp_path / "test" / "b")
    refuse(tmp_path, "train and test", "differ")


def test_picture_is_cut_turned_and_flattened(tmp_path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200  # the central square
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert np.all(imagefolder.read_picture(tmp_path / "wide.png", side=32, colour=True)[:, 4:-4] == 200)
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert np.all(imagefolder.read_picture(tmp_path / "clear.png", side=28, colour=False) == 255)
    Image.fromarray(np.full((28, 28), 51 << 8, np.uint16)).save(tmp_path / "deep.png")
    assert np.all(imagefolder.read_picture(tmp_path / "deep.png", side=28, colour=False) == 51)
    half = np.zeros((32, 32), np.uint8)
    half[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(half).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(imagefolder.read_picture(tmp_path / "turned.png", side=32, colour=False), half[::-1])


def test_large_jpeg_is_close_to_its_full_decoding(tmp_path):
    y, x = np.mgrid[:1200, :1200] / 1200
    smooth = np.stack([x, y, (x + y) / 2], axis=-1) * 255
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    read = imagefolder.read_picture(tmp_path / "a.jpg", side=32, colour=True).astype(int)
    full = np.asarray(Image.open(tmp_path / "a.jpg").resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert abs(read - full).max() <= 2


def test_folder_refused(tmp_path, monkeypatch):
    refuse(tmp_path, "at least two classes", "none")
    picture(tmp_path / "a" / "0.png")
    refuse(tmp_path, "at least two classes", "only a")
    (tmp_path / "b").mkdir()
    refuse(tmp_path, "has one picture", "add another")
    picture(tmp_path / "a" / "1.png")
    refuse(tmp_path, str(tmp_path / "b"), "has no pictures")
    for i in range(2):
        picture(tmp_path / "b" / f"{i}.png")
    load_images(tmp_path, "train")
    broken = tmp_path / "b" / "2.png"
    for content in (b"", b"no picture", (tmp_path / "b" / "0.png").read_bytes()[:900]):
        broken.write_bytes(content)
        message = "".join(refuse_any(tmp_path))
        assert str(broken) in message and "replace it or take it out" in message
    broken.unlink()
    monkeypatch.setattr(imagefolder, "MAX_PIXELS", 1_000)
    refuse(tmp_path, "pixels", "make it smaller")
    monkeypatch.setattr(imagefolder, "MAX_FILES", 3)
    refuse(tmp_path, "more than 3 files")


def refuse_any(path):
    """The messages of the splits that are refused: a broken picture shows itself in the split that has it."""
    for split in ("train", "test"):
        try:
            load_images(path, split)
        except UserError as error:
            yield str(error)


# Writing, drawing, fetching


def test_write_is_whole_and_repeatable(tmp_path):
    made = arrays()
    for name in ("a", "b"):
        npz.write(tmp_path / f"{name}.npz", made, compress=True)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as kept:
        assert all(np.array_equal(kept[key], made[key]) for key in made)
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "b.npz"}


def test_write_to_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    npz.write_bytes(tmp_path / "a.json", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (npz.write_bytes, lambda path, _: npz.write(path, arrays())):
        with pytest.raises(UserError, match="no space left"):
            write(tmp_path / "a.json", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_write_refuses_objects(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.write(tmp_path / "a.npz", {"x": np.array([{}], object)})
    assert not list(tmp_path.iterdir())


def test_bundle_draws_each_split_from_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(subsets, "SUBSETS", {"cifar10": (200, 100)})
    info = dataclasses.replace(DATASETS["cifar10"], n_train=2_000, n_test=1_000)
    monkeypatch.setattr(subsets, "DATASETS", {"cifar10": info})
    full = arrays(2_000, 1_000, side=32, channels=(3,))
    for split in ("train", "test"):
        n = len(full[f"x_{split}"])
        full[f"x_{split}"][:, 0, 0] = np.arange(n)[:, None] // 256 ** np.arange(3) % 256  # the index, in a pixel
    npz.write(tmp_path / "cifar10.npz", full)
    first, second = (subsets.bundle(tmp_path, tmp_path / out)[0] for out in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    with np.load(first) as kept:
        for split, n in (("train", 200), ("test", 100)):
            index = kept[f"x_{split}"][:, 0, 0].astype(int) @ 256 ** np.arange(3)
            assert np.array_equal(index, stratified_sample(full[f"y_{split}"], n, seed=0))
            assert (
                np.array_equal(kept[f"x_{split}"], full[f"x_{split}"][index]) and kept[f"y_{split}"].dtype == np.uint8
            )
    assert json.loads(first.with_suffix(".json").read_text())["n_test"] == 100
    with pytest.raises(UserError, match="sslviz data fetch cifar10"):
        subsets.bundle(tmp_path / "one" / "none", tmp_path)
    with pytest.raises(UserError, match="not a full copy"):
        subsets.bundle(tmp_path / "one", tmp_path)


def archive_of_mnist(made, monkeypatch):
    """The four files of MNIST with other images in them, as torchvision expects them."""
    from torchvision.datasets import MNIST

    files = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        for key, kind in (("x", "images-idx3"), ("y", "labels-idx1")):
            array = made[f"{key}_{split}"].astype(np.uint8)
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            files[f"{prefix}-{kind}-ubyte.gz"] = gzip.compress(head + array.tobytes())
    monkeypatch.setattr(MNIST, "resources", [(name, hashlib.md5(file).hexdigest()) for name, file in files.items()])
    return files


def archive_of_cifar10(made, monkeypatch):
    """The archive of CIFAR-10 with other images in it, as torchvision expects it."""
    from torchvision.datasets import CIFAR10

    batches = {"batches.meta": {"label_names": list(DATASETS["cifar10"].class_names)}}
    for split in ("train", "test"):
        rows = made[f"x_{split}"].transpose(0, 3, 1, 2).reshape(len(made[f"x_{split}"]), -1)
        batches[split] = {"data": rows, "labels": made[f"y_{split}"].tolist()}
    buffer, sums = io.BytesIO(), {}
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, batch in batches.items():
            content = pickle.dumps(batch)
            sums[name] = hashlib.md5(content).hexdigest()
            member = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return {CIFAR10.filename: buffer.getvalue()}


def serve(files, monkeypatch, *, but=lambda url, content: content):
    """Answer every download from memory; returns the addresses asked for."""
    asked = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        return io.BytesIO(but(request.full_url, files[request.full_url.rsplit("/", 1)[-1]]))

    monkeypatch.setattr(download.urllib.request, "urlopen", urlopen)
    return asked


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_fetch_keeps_one_file_in_the_layout(data, monkeypatch, name):
    made = arrays() if name == "mnist" else arrays(side=32, channels=(3,))
    serve((archive_of_mnist if name == "mnist" else archive_of_cifar10)(made, monkeypatch), monkeypatch)
    told = []
    assert fetch(name, lambda done, total: told.append((done, total))) == data / f"{name}.npz"
    assert [path.name for path in data.iterdir()] == [f"{name}.npz"]
    with np.load(data / f"{name}.npz", allow_pickle=False) as kept:
        assert all(np.array_equal(kept[key], made[key]) for key in made)
    assert told == sorted(told) and {total for _, total in told} == {DATASETS[name].download_bytes}
    assert load_images(name, "test").source == "partial copy in the data folder: 10 of 10,000 test images"
    with pytest.raises(UserError, match="move it away"):
        fetch(name)


def test_fetch_goes_on_to_the_next_mirror(data, monkeypatch):
    files = archive_of_mnist(arrays(), monkeypatch)
    asked = serve(files, monkeypatch, but=lambda url, content: content if "lecun" in url else content[:-9])
    fetch("mnist")
    assert len(asked) == 8 and load_images("mnist", "train").x.shape == (20, 1, 28, 28)


def test_fetch_leaves_what_is_there(data, monkeypatch):
    asked = serve(archive_of_mnist(arrays(), monkeypatch), monkeypatch)
    (data / "mnist.npz").write_bytes(b"half")
    with pytest.raises(UserError, match="delete it and run `sslviz data fetch mnist`"):
        fetch("mnist")
    assert (data / "mnist.npz").read_bytes() == b"half"
    shutil.copy(assets_dir() / "data" / "mnist.npz", data)
    assert fetch("mnist") == data / "mnist.npz" and not asked


def test_fetch_without_network(data, monkeypatch):
    def urlopen(request, timeout):
        raise urllib.error.URLError(OSError(errno.ENETUNREACH, "Network is unreachable"))

    monkeypatch.setattr(download.urllib.request, "urlopen", urlopen)
    for name in DATASETS:
        with pytest.raises(
            UserError, match=r"could not be downloaded \(.+: Network is unreachable\): check the network"
        ):
            fetch(name)
    assert not list(data.iterdir())
    assert describe("mnist").kind == "bundled"


def test_fetch_cut_off_or_spoilt_on_the_way(data, monkeypatch):
    serve(archive_of_mnist(arrays(), monkeypatch), monkeypatch, but=lambda url, content: content[:-1])
    with pytest.raises(UserError, match="is damaged"):
        fetch("mnist")
    assert not list(data.iterdir())


def test_fetch_interrupted(data, monkeypatch):
    serve(archive_of_mnist(arrays(), monkeypatch), monkeypatch)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("mnist", stop)
    assert not list(data.iterdir())


def test_fetch_onto_a_full_disk(data, monkeypatch):
    serve(archive_of_mnist(arrays(), monkeypatch), monkeypatch)
    usage = shutil.disk_usage(data)
    with monkeypatch.context() as little:
        little.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
        with pytest.raises(UserError, match=r"needs 116 MiB .* has 1: free some space"):
            fetch("mnist")
    monkeypatch.setattr(
        np.lib.format, "write_array", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))
    )
    with pytest.raises(UserError, match=r"no space left .* set SSLVIZ_DATA"):
        fetch("mnist")
    assert not list(data.iterdir())


def test_fetch_into_a_folder_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be written to .* set SSLVIZ_DATA to another folder"):
        fetch("mnist")
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(UserError, match="cannot be written to"):
        fetch("mnist")
    assert (tmp_path / "file").read_text() == "in the way" and len(list(tmp_path.iterdir())) == 1


def test_fetch_sweeps_what_a_killed_process_left(data, monkeypatch):
    (data / ".fetch-old").mkdir()
    (data / ".fetch-old" / "half").write_bytes(b"half")
    (data / ".fetch-new").mkdir()
    os.utime(data / ".fetch-old", (0, 0))
    serve(archive_of_mnist(arrays(), monkeypatch), monkeypatch)
    fetch("mnist")
    assert {path.name for path in data.iterdir()} == {".fetch-new", "mnist.npz"}


def test_fetch_unknown_name():
    with pytest.raises(UserError, match="use mnist, fashion_mnist, cifar10"):
        fetch("imagenet")
