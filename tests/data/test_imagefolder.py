"""Folders of pictures: split, read and refused."""

import shutil

import numpy as np
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
