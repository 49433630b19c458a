"""Downloads: whole or not at all, and a sentence that says what to do."""

import errno
import gzip
import hashlib
import io
import os
import pickle
import shutil
import tarfile
import urllib.error

import numpy as np
import pytest
from ownimages import arrays

from sslviz.data import download
from sslviz.data.catalog import DATASETS
from sslviz.data.download import fetch
from sslviz.data.images import describe, load_images
from sslviz.errors import UserError
from sslviz.paths import assets_dir


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
