"""Folders of pictures: split, read and refused."""

import os
import shutil
import struct
import zlib

import numpy as np
import pytest
import torch
from ownimages import picture, refuse
from PIL import Image

from sslviz.data import imagefolder
from sslviz.data.images import describe, load_images
from sslviz.errors import UserError


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
    refuse(tmp_path, "at least two classes", "neither pictures")
    picture(tmp_path / "a" / "0.png")
    refuse(tmp_path, "at least two classes", "only a")
    (tmp_path / "b").mkdir()
    refuse(tmp_path, "has one picture", "add another")
    picture(tmp_path / "a" / "1.png")
    refuse(tmp_path, f"{tmp_path.name}/b has no pictures")
    for i in range(2):
        picture(tmp_path / "b" / f"{i}.png")
    load_images(tmp_path, "train")
    broken = tmp_path / "b" / "2.png"
    for content in (b"", b"no picture", (tmp_path / "b" / "0.png").read_bytes()[:900]):
        broken.write_bytes(content)
        message = "".join(refuse_any(tmp_path))
        assert message.startswith("b/2.png") and "replace it or take it out" in message
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


# Splits by their names


def classes(folder, n=4, mode="L", seed=0):
    """Two classes of n pictures of noise each, all different."""
    for j, name in enumerate(("bar", "disc")):
        for i in range(n):
            picture(folder / name / f"{i:02}.png", size=(28, 28), mode=mode, seed=seed + 100 * j + i)
    return folder


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"), ("train", "val"), ("Train", "Test"), ("training", "testing"), ("TRAIN", "Validation"),
        ("train-set", "test set"), ("train", "valid"),
    ],
)  # fmt: skip
def test_splits_are_known_by_their_usual_names(tmp_path, train, test):
    classes(tmp_path / "own" / train, 4)
    classes(tmp_path / "own" / test, 2, seed=50)
    told = describe(tmp_path / "own")
    assert (told.n_train, told.n_test, told.class_names) == (8, 4, ("bar", "disc"))
    assert f"its own split, {train} and {test}" in told.source
    assert load_images(tmp_path / "own", "test").y.bincount().tolist() == [2, 2]


def test_of_three_splits_the_validation_set_is_said_to_be_left_out(tmp_path):
    for name, n, seed in (("train", 4, 0), ("val", 3, 20), ("test", 2, 50)):
        classes(tmp_path / name, n, seed=seed)
    told = describe(tmp_path)
    assert (told.n_train, told.n_test) == (8, 4)
    assert "its own split, train and test; val is not used" in told.source


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train"], ("has train and no folder named test", "a fifth of each class")),
        (["test", "val"], ("has test and val and no folder named train",)),
        (["train", "Training", "test"], ("two folders for one split", "keep one train")),
        (["train", "test", "extra"], ("the folder test beside extra", "rename test if it is a class")),
        (["test", "cat"], ("the folder test beside cat", "keep only train and test")),
    ],
)
def test_splits_that_cannot_be_are_refused_with_what_to_do(tmp_path, names, words):
    for i, name in enumerate(names):
        classes(tmp_path / "own" / name, 2, seed=10 * i)
    refuse(tmp_path / "own", "own", *words)


def test_valid_and_invalid_can_be_classes(tmp_path):
    for i, name in enumerate(("invalid", "valid")):
        for j in range(3):
            picture(tmp_path / name / f"{j}.png", seed=10 * i + j)
    assert describe(tmp_path).class_names == ("invalid", "valid")


def test_pictures_without_classes_have_no_labels(tmp_path):
    for i in range(10):
        picture(tmp_path / "flat" / f"{i}.png", seed=i)
        picture(tmp_path / "split" / ("train" if i < 8 else "test") / f"{i}.png", seed=i)
    for name in ("flat", "split"):
        train, test = (load_images(tmp_path / name, split) for split in ("train", "test"))
        assert (len(train), len(test), train.labelled) == (8, 2, False) and train.y.tolist() == [-1] * 8
    assert "no labels" in describe(tmp_path / "flat").source and describe(tmp_path / "flat").class_names == ()
    shutil.copytree(tmp_path / "flat", tmp_path / "moved")
    assert torch.equal(load_images(tmp_path / "moved", "test").x, load_images(tmp_path / "flat", "test").x)


# What lies beside pictures


def test_what_programs_leave_beside_pictures_is_no_picture(tmp_path):
    own = classes(tmp_path / "own", 4)
    shutil.copytree(own, tmp_path / "clean")
    for junk in ("@eaDir", "__MACOSX", ".thumbnails", "$RECYCLE.BIN"):
        classes(own / junk, 2, seed=500)
        picture(own / "bar" / junk / "00.png" / "SYNOPHOTO_THUMB_M.png", seed=600)
    (own / "bar" / "Thumbs.db").write_bytes(b"thumbs")
    (own / "bar" / "._00.png").write_bytes(b"resource fork")
    assert describe(own).source.replace("own folder own", "") == describe(tmp_path / "clean").source.replace(
        "own folder clean", ""
    )
    for split in ("train", "test"):
        assert torch.equal(load_images(own, split).x, load_images(tmp_path / "clean", split).x)
    os.mkfifo(own / "bar" / "pipe.png")  # would wait for ever
    (own / "bar" / "gone.png").symlink_to("nowhere")
    assert describe(own).n_train == 6 and "2 files that are no pictures left out" in describe(own).source


def test_a_name_that_is_not_utf_8_is_read_and_shown(tmp_path):
    own = classes(tmp_path / "own", 4)
    os.rename(os.fsencode(own / "bar"), os.fsencode(own) + b"/caf\xe9")
    images = load_images(own, "train")
    assert images.class_names == ("caf\ufffd", "disc") and images.source.encode()
    os.rename(os.fsencode(own) + b"/caf\xe9", os.fsencode(own) + b"/r\xf4le")
    (own / os.fsdecode(b"r\xf4le") / "00.png").write_bytes(b"broken")
    refuse(own, "r\ufffdle/00.png cannot be read")


# More than 8 bits


def deep_folder(tmp_path, values, suffix=".png"):
    """Two classes of four grey pictures, 28 x 28, of given values (8, 28, 28)."""
    for i, value in enumerate(values):
        path = tmp_path / "own" / ("bar" if i < 4 else "disc") / f"{i}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(value).save(path)
    return tmp_path / "own"


@pytest.mark.parametrize(("highest", "white"), [(208, 255), (1000, 1023), (4000, 4095), (60_000, 65_535)])
def test_pictures_of_16_bits_are_scaled_by_the_largest_value_of_the_folder(tmp_path, highest, white):
    values = np.random.default_rng(0).integers(0, highest // 4, (8, 28, 28)).astype(np.uint16)
    values[5, 0, 0] = highest  # one bright picture decides for all of them
    own = deep_folder(tmp_path, values)
    images = [load_images(own, split) for split in ("train", "test")]
    found = np.concatenate([x.x[:, 0].numpy() for x in images])
    expected = (values * (255 / white)).round().astype(np.uint8)
    key = lambda array: sorted(image.tobytes() for image in array)  # noqa: E731
    assert key(found) == key(expected) and found.max() == round(highest * 255 / white)
    assert "8 of more than 8 bits, scaled by their largest value rounded up" in images[0].source


@pytest.mark.parametrize(
    ("make", "top"),
    [
        (lambda x: (x * 0.8).astype(np.float32), 204),  # fractions of 1
        (lambda x: (x * 200).astype(np.float32), 200),
        (lambda x: (x * 4095).astype(np.int32), 255),
    ],
)
def test_floats_and_32_bits_are_scaled_by_the_same_rule(tmp_path, make, top):
    x = np.random.default_rng(0).random((8, 28, 28))
    x[3, 3, 3] = 1
    own = deep_folder(tmp_path, make(x), ".tif")
    assert max(int(load_images(own, split).x.max()) for split in ("train", "test")) == top
    assert describe(own).shape == (1, 28, 28)


@pytest.mark.parametrize("value", [-1.0, 70_000.0, float("nan")])
def test_values_beyond_the_rule_are_refused_by_the_pictures_name(tmp_path, value):
    values = np.zeros((8, 28, 28), np.float32)
    values[2, 5, 5] = value
    own = deep_folder(tmp_path, values, ".tif")
    refuse(own, "bar/2.tif has values from", "save it again with 8 bits")


def test_dark_colour_of_16_bits_is_refused_by_its_name_not_read_as_black(tmp_path):
    """Pillow keeps the upper 8 of 16 bits a channel: nothing would be left."""
    own = classes(tmp_path / "own", 4, mode="RGB")
    broken = own / "bar" / "00.png"
    rows = np.random.default_rng(0).integers(0, 255, (28, 28, 3)).astype(">u2")
    write_png_16(broken, rows)
    message = "".join(refuse_any(own))
    assert message.startswith("bar/00.png is colour of 16 bits") and "save it again with 8 bits" in message
    write_png_16(broken, rows * 257)
    assert np.array_equal(imagefolder.read_picture(broken, side=28, colour=True), rows.astype(np.uint8))


def write_png_16(path, rows):
    """A PNG of 16 bits a channel, which Pillow reads and does not write: rows (H, W, 3) big-endian uint16."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
