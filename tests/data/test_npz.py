"""Own files and written ones: bounded by their headers, refused with one sentence, whole or not at all."""

import errno
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from ownimages import arrays, claim, refuse, save

from sslviz.data import npz
from sslviz.data.images import describe, load_images
from sslviz.errors import UserError


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
        ({"y_train": np.full(20, -1)}, ("begin at -1", "numpy.unique", "leave out both")),
        (
            {"y_train": np.full(20, 2**63, np.uint64)},
            ("run from 0 to 9223372036854775808", "1,000 classes are the most", "numpy.unique"),
        ),
        ({"y_test": None}, ("labels for the train images only",)),
        ({"class_names": np.array(["a", "b"])}, ("run from 0 to 9", "names only 2", "from 0 to 1")),
        ({"class_names": np.arange(10)}, ("class_names", "strings")),
        ({"class_names": np.array(["disc", *"abcdefgh", " disc"])}, ("“disc” 2 times", "a name of its own")),
        ({"class_names": np.array(["", *"abcdefghi"])}, ("an empty name",)),
        ({"class_names": np.array(["x" * 101, *"abcdefghi"])}, ("101 characters a name", "keep to 100")),
    ],
)
def test_own_npz_refused(tmp_path, changes, words):
    path = save(tmp_path / "a.npz", **changes)
    assert str(tmp_path) not in refuse(path, path.name, *words)  # the person's file, not the server's folder
    with pytest.raises(UserError):
        describe(path)


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


# Bounds


def test_names_of_a_class_are_bounded_before_they_are_unpacked(tmp_path, monkeypatch):
    """A few kB of file, 40 MB of names: refused by its header."""
    path = save(tmp_path / "names.npz", x_train=np.zeros((20, 28, 28), np.uint8))
    text = "{'descr': '<U10000', 'fortran_order': False, 'shape': (1000,), }"
    header = text.encode().ljust(118 - 10 + 10) + b"\n"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("class_names.npy", "w") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(40):
            file.write(bytes(10**6))
    read = []
    real = np.lib.format.read_array
    monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: read.append(real(*a, **k)) or read[-1])
    tracemalloc.start()
    refuse(path, "room for 10,000 characters a name", "keep to 100")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20 and [array.dtype.kind for array in read] == ["i", "i"]
    tracemalloc.stop()


def test_first_rows_are_read_without_the_others(tmp_path):
    path = claim(tmp_path / "a.npz", (1024, 256, 256), 64 << 20)
    tracemalloc.start()
    rows = npz.read_rows(path, "x_train", 48)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert rows.shape == (48, 256, 256) and rows.dtype == np.uint8 and not rows.any()
    made = arrays(7, 3, side=8, channels=(3,))
    save(tmp_path / "b.npz", **made)
    assert np.array_equal(npz.read_rows(tmp_path / "b.npz", "x_train", 5), made["x_train"][:5])
    assert np.array_equal(npz.read_rows(tmp_path / "b.npz", "x_test", 50), made["x_test"])
    blocks = list(npz.iter_blocks(tmp_path / "b.npz", "x_train", n_bytes=600))  # 192 bytes an image
    assert [len(block) for block in blocks] == [3, 3, 1] and np.array_equal(np.concatenate(blocks), made["x_train"])
    save(tmp_path / "c.npz", x_train=np.asfortranarray(arrays()["x_train"]))
    with pytest.raises(UserError, match=r"ascontiguousarray\(x_train\)"):
        npz.read_rows(tmp_path / "c.npz", "x_train", 5)


def test_a_split_larger_than_half_of_what_is_free_is_refused(tmp_path, monkeypatch):
    zeros = {split: np.zeros((n, 256, 256), np.uint8) for split, n in (("x_train", 1024), ("x_test", 4))}
    path = save(tmp_path / "a.npz", **zeros, y_train=None, y_test=None)
    monkeypatch.setattr(npz, "free_memory", lambda: 100 << 20)
    refuse(path, "x_train", "of a.npz would take 64 MiB", "of the 100 that are free")
    monkeypatch.setattr(npz, "free_memory", lambda: 200 << 20)
    assert len(load_images(path, "train")) == 1024


@pytest.mark.parametrize("fault", ["members", "zip64", "lzma"])
def test_a_table_of_contents_is_measured_before_it_is_parsed(tmp_path, monkeypatch, fault):
    path = save(tmp_path / "a.npz")
    if fault == "members":
        with zipfile.ZipFile(path, "a") as archive:
            for i in range(1_001):
                archive.writestr(str(i), b"")
    elif fault == "zip64":
        content = path.read_bytes()
        at = content.rindex(b"PK\5\6")
        path.write_bytes(content[:at] + b"PK\6\7" + bytes(16) + content[at:])
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("x_train.npy", npz._npy_bytes(arrays()["x_train"]))
    words = {"lzma": "in a way that NumPy does not use"}.get(fault, "table of contents is unusual")
    refuse(path, "cannot be read", words, "save it again with numpy.savez_compressed")


def test_a_pipe_is_no_file_of_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    refuse(tmp_path / "pipe.npz", "is a pipe, not a file")
    refuse("/dev/zero", "is a device, not a file")
