"""What people bring: checked, bounded, aged, and deleted by whoever brought it."""

import io
import os
import time

import numpy as np
import pytest
from ownimages import arrays

from sslviz.data.images import describe
from sslviz.errors import UserError
from sslviz.jobs import uploads
from sslviz.methods.vae import VAEConfig
from sslviz.store import bundle, checkpoint

DAY = 86_400


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("SSLVIZ_KEEP_DAYS", raising=False)
    return tmp_path / "data"


def file_of(**changes):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{key: array for key, array in (arrays() | changes).items() if array is not None})
    return buffer.getvalue()


def numbered(n):
    return file_of(x_train=arrays(seed=n)["x_train"])


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_own_images_are_kept_under_the_name_of_their_file(folders):
    content = file_of()
    upload = uploads.keep_images("../../My pictures.v2.npz", memoryview(content), "me")
    assert upload.path.name == upload.name == "My pictures.v2.npz" and upload.path.parent.parent == folders / "own"
    assert upload.path.read_bytes() == content and describe(upload.path).source.startswith(
        "own file My pictures.v2.npz"
    )
    assert uploads.keep_images("other name.npz", content, "me").path == upload.path
    assert [one.path for one in uploads.uploads("me")] == [upload.path] and uploads.uploads("you") == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("My pictures.v2.npz", "My pictures.v2.npz"), ("C:\\Users\\me\\Übung 1.NPZ", "Übung 1.npz"),
        ("../../etc/passwd", "passwd.npz"), ("...", "upload.npz"), ("a\0b<c>|.npz", "a-b-c.npz"),
        ("e\u0301.npz", "é.npz"), ("x" * 400 + ".npz", "x" * 120 + ".npz"), ("图片.npz", "图片.npz"),
    ],
)  # fmt: skip
def test_names_keep_what_is_harmless(given, kept):
    assert uploads.clean_name(given, ".npz") == kept


@pytest.mark.parametrize("content", [b"no archive", b"", file_of()[:300], file_of(x_test=None), numbered(1)[:-400]])
def test_what_is_refused_leaves_nothing_and_names_the_persons_file(folders, content):
    with pytest.raises(UserError) as caught:
        uploads.keep_images("My birds.npz", content, "me")
    assert "My birds.npz" in str(caught.value) and str(folders) not in str(caught.value)
    assert left_over(folders) == [] and uploads.uploads() == []


def test_a_file_is_bounded_by_what_it_unpacks_to(monkeypatch):
    zeros = np.zeros((5, 256, 256), np.uint8)
    monkeypatch.setattr(uploads, "MAX_TEST", 300_000)
    with pytest.raises(UserError, match=r"x_test in bomb\.npz would take .* keep to"):
        uploads.keep_images("bomb.npz", file_of(x_train=zeros, x_test=zeros, y_train=None, y_test=None), "me")
    monkeypatch.setattr(uploads, "MAX_UNPACKED", 400_000)
    few = {"x_train": zeros, "x_test": zeros[:3], "y_train": None, "y_test": None}
    with pytest.raises(UserError, match=r"x_train and x_test in bomb\.npz would take"):
        uploads.keep_images("bomb.npz", file_of(**few), "me")
    monkeypatch.setattr(uploads, "MAX_IMAGES_BYTES", 100)
    with pytest.raises(UserError, match="make it smaller than"):
        uploads.keep_images("large.npz", file_of(), "me")
    with pytest.raises(UserError, match="ascontiguousarray"):
        monkeypatch.setattr(uploads, "MAX_IMAGES_BYTES", 10**6)
        uploads.keep_images("f.npz", file_of(x_test=np.asfortranarray(arrays()["x_test"])), "me")


def test_uploads_age_and_use_keeps_them_young(monkeypatch):
    upload = uploads.keep_images("a.npz", file_of(), "me")
    now = time.time()
    assert uploads.sweep(now + 6.9 * DAY) == [] and uploads.sweep(now + 7.1 * DAY) == ["a.npz"]
    assert not upload.folder.exists() and uploads.uploads() == []
    upload = uploads.keep_images("a.npz", file_of(), "me")
    os.utime(upload.folder / uploads.RECORD, (now - 6 * DAY, now - 6 * DAY))
    uploads.touch(upload.path)
    assert uploads.sweep(now + 2 * DAY) == []
    monkeypatch.setenv("SSLVIZ_KEEP_DAYS", "0.5")
    assert uploads.sweep(now + DAY) == ["a.npz"]
    for setting in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("SSLVIZ_KEEP_DAYS", setting)
        with pytest.raises(UserError, match="SSLVIZ_KEEP_DAYS"):
            uploads.keep_days()
    uploads.touch("mnist")
    uploads.touch(None)


def test_whoever_brought_it_deletes_it_and_nobody_else(folders):
    upload = uploads.keep_images("a.npz", file_of(), "me")
    with pytest.raises(UserError, match="not yours"):
        uploads.delete(upload.path, "you")
    uploads.keep_images("a.npz", file_of(), "you")
    uploads.delete(upload.path, "me")
    assert upload.path.exists() and uploads.uploads("me") == []
    uploads.delete(upload.path, "you")
    assert left_over(folders) == []


def test_each_and_all_are_bounded(folders, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_EACH", 2)
    for n in range(2):
        uploads.keep_images(f"{n}.npz", numbered(n), "me")
    with pytest.raises(UserError, match="You have 2 uploads here"):
        uploads.keep_images("2.npz", numbered(2), "me")
    monkeypatch.setattr(uploads, "MAX_ALL", 3)
    uploads.keep_images("2.npz", numbered(2), "you")
    with pytest.raises(UserError, match="try again in an hour"):
        uploads.keep_images("3.npz", numbered(3), "you")
    oldest = uploads.uploads()[1]
    os.utime(oldest.folder / uploads.RECORD, (time.time() - 5000,) * 2)
    uploads.keep_images("3.npz", numbered(3), "you")  # the one that nobody used for an hour gives way
    assert not oldest.path.exists() and len(uploads.uploads()) == 3
    monkeypatch.setattr(uploads, "MAX_TOTAL", 10)
    with pytest.raises(UserError, match="no room"):
        uploads.keep_images("4.npz", numbered(4), "they")


def test_a_killed_server_leaves_nothing_for_long(folders):
    half = folders / "own" / f"{uploads.INCOMING}x"
    half.mkdir(parents=True)
    (half / "a.npz").write_bytes(b"half")
    assert uploads.uploads() == []
    os.utime(half, (0, 0))
    uploads.sweep()
    assert not half.exists()
    digest = uploads.keep_images("a.npz", file_of(), "me").folder
    (digest / uploads.RECORD).write_text("[broken")
    assert uploads.uploads() == [] and uploads.keep_images("a.npz", file_of(), "me").folder == digest


def bring(name, content):
    with uploads.incoming(name, content, "me") as path:
        return uploads.keep_model(path, "me")


def test_a_model_is_brought_aged_and_deleted(folders, tmp_path):
    model = checkpoint.build("vae", VAEConfig(hidden=4, latent_dim=2), seed=0).eval()
    card = {"dataset": "mnist", "n_train": 5, "minutes": 0.1, "hardware": "a test", "command": "x", "results": {}}
    checkpoint.save(model, folders / "models" / "mine", card=card)
    content = bundle.pack("mine")
    upload = bring("from a friend.safetensors", content)
    assert (upload.kind, upload.name) == ("model", "mine-2") and upload.path == folders / "models" / "mine-2"
    assert [one.name for one in uploads.uploads("me")] == ["mine-2"]
    with pytest.raises(UserError, match="damaged") as caught:
        bring("damaged.safetensors", content[:-50])
    assert "damaged.safetensors" in str(caught.value) and str(tmp_path) not in str(caught.value)
    uploads.delete(upload.path, "me")
    assert {info.name for info in bundle.own_models()} == {"mine"}
    bring("again.safetensors", content)
    assert uploads.sweep(time.time() + 8 * DAY) == ["mine-2"]
    assert {info.name for info in bundle.own_models()} == {"mine"}  # what was trained here is no upload
