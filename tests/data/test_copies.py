"""Copies across the split are found by their pixels, said, and left out on demand; small and odd sets are read."""

import shutil

import numpy as np
import pytest
from ownimages import arrays, picture, refuse, save

from sslviz.data import images
from sslviz.data.copies import digests, find_copies
from sslviz.data.images import describe, load_images, preview, write_without_copies
from sslviz.errors import UserError

SAID = "5 of its 10 test images are copies of training images: `sslviz data clean` leaves copies out"


@pytest.fixture
def copied(tmp_path):
    """An own file in which five of the ten test images are training images."""
    made = arrays()
    made["x_test"][:5] = made["x_train"][5:10]
    return save(tmp_path / "own.npz", **made)


def test_copies_are_found_by_their_pixels():
    x = arrays()["x_train"]
    assert find_copies(digests([x[:5], x[5:8]]), digests([x[7:9]])).tolist() == [0]
    almost = x[7:8].copy()
    almost[0, 0, 0] ^= 1
    assert find_copies(digests([x]), digests([almost])).tolist() == []


def test_copies_are_said_with_either_split_and_the_files_are_read_once(copied, monkeypatch):
    assert load_images(copied, "test").source == f"own file own.npz: 10 test images; {SAID}"
    monkeypatch.setattr(images.copies, "digests", lambda blocks: pytest.fail("hashed again"))
    assert load_images(copied, "train").source.endswith(SAID)


def test_no_copies_no_word(tmp_path):
    assert load_images(save(tmp_path / "a.npz"), "test").source == "own file a.npz: 10 test images"


def test_copies_in_a_folder(tmp_path):
    for name, seed in (("a", 0), ("b", 100)):
        for i in range(10):
            picture(tmp_path / "own" / name / f"{i}.png", seed=seed + i)
    assert "copies" not in load_images(tmp_path / "own", "test").source
    for name in ("a", "b"):
        for i in range(10):
            shutil.copy(tmp_path / "own" / name / f"{i}.png", tmp_path / "own" / name / f"copy of {i}.png")
    source = load_images(tmp_path / "own", "train").source
    assert "of its 8 test images are copies of training images" in source


def test_a_clean_file_lacks_them_and_keeps_the_rest(copied, tmp_path):
    assert write_without_copies(copied, tmp_path / "clean.npz") == (5, 5)
    before, after = load_images(copied, "test"), load_images(tmp_path / "clean.npz", "test")
    assert np.array_equal(after.x, before.x[5:]) and after.y.tolist() == before.y[5:].tolist()
    assert after.source == "own file clean.npz: 5 test images" and after.class_names == before.class_names
    assert np.array_equal(load_images(tmp_path / "clean.npz", "train").x, load_images(copied, "train").x)
    save(tmp_path / "all.npz", x_test=arrays()["x_train"][:10])
    with pytest.raises(UserError, match=r"All 10 test images of all\.npz are copies"):
        write_without_copies(tmp_path / "all.npz", tmp_path / "x.npz")
    with pytest.raises(UserError, match="MNIST is kept as it was published"):
        write_without_copies("mnist", tmp_path / "x.npz")


def test_small_sets_are_read_and_shown(tmp_path):
    path = save(tmp_path / "tiny3.npz", **arrays(3, 2))
    told = describe(path)
    assert (told.n_train, told.n_test, len(load_images(path, "test"))) == (3, 2, 2)
    assert preview(path, "test", 48).shape == (2, 1, 28, 28)


def test_a_preview_is_the_first_images(tmp_path):
    made = arrays(20, 10, side=16, channels=(3,))
    path = save(tmp_path / "a.npz", **made)
    assert np.array_equal(preview(path, "test", 4), made["x_test"][:4].transpose(0, 3, 1, 2))
    for name in "ab":
        for i in range(6):
            picture(tmp_path / "own" / name / f"{i}.png", seed=ord(name) * 10 + i)
    first = preview(tmp_path / "own", "train", 3)
    assert np.array_equal(first, load_images(tmp_path / "own", "train").x[:3])
    assert np.array_equal(preview("cifar10", "test", 5), load_images("cifar10", "test").x[:5])
    refuse(path, "no split", split="valid")


def test_the_share_of_the_largest_class_is_known_without_the_images(tmp_path):
    made = arrays()
    made["y_test"] = np.array([0] * 9 + [1])
    path = save(tmp_path / "imbalanced.npz", **made)
    assert describe(path).largest_class_share == 0.9 == load_images(path, "test").largest_class_share
    assert describe(save(tmp_path / "b.npz", y_train=None, y_test=None)).largest_class_share is None
    for name, n in (("healthy", 95), ("ill", 5)):
        for i in range(n):
            picture(tmp_path / "own" / name / f"{i}.png", size=(28, 28), mode="L", seed=1000 * len(name) + i)
    assert describe(tmp_path / "own").largest_class_share == 0.95


def test_the_command_leaves_copies_out(copied, tmp_path, capsys):
    from sslviz.cli import main

    assert main(["data", "clean", str(copied), "--out", str(tmp_path / "clean.npz")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'clean.npz'}: 5 copies left out, 5 test images stay\n"
    assert "copies" not in load_images(tmp_path / "clean.npz", "test").source
    assert main(["data", "clean", str(copied), "--out", "/dev/null"]) == 1
    assert "/dev/null is a device, not a file: choose another name." in capsys.readouterr().err
