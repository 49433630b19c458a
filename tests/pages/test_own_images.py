"""Own images and models on the train page: used, refused, deleted, and what they may cost the server."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ownimages import arrays
from streamlit.testing.v1 import AppTest
from visiting import ROOT, button, open_page, said, until

from sslviz import ui
from sslviz.jobs import uploads

MIB = 2**20


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def file_of(n_train=20, n_test=10, **changes):
    buffer = io.BytesIO()
    made = arrays(n_train, n_test) | changes
    np.savez_compressed(buffer, **{key: array for key, array in made.items() if array is not None})
    return buffer.getvalue()


def bring(at: AppTest, name: str, content: bytes, *, what="Own images (.npz)") -> AppTest:
    uploader = next(one for one in at.file_uploader if one.label == what)
    uploader.set_value((name, content, "application/octet-stream"))
    return at.run()


def text(at: AppTest) -> str:
    """What the page says, and the commands that it shows."""
    return "\n".join([said(at), *(code.value for code in at.code)])


@pytest.mark.parametrize(("n_train", "n_test"), [(3, 2), (2, 1), (40, 5)])
def test_small_sets_are_taken_and_drawn(n_train, n_test):
    at = bring(open_page("train"), "My tiny set.npz", file_of(n_train, n_test))
    assert not at.exception and not at.error
    assert "Own images: My tiny set.npz" in text(at) and f"{n_train} training and {n_test} test images" in text(at)
    assert "What goes in: images of My tiny set" in text(at)
    assert not button(at, "Train").disabled


def test_copies_are_said_and_no_place_of_the_server_is(folders):
    made = arrays()
    made["x_test"][:4] = made["x_train"][:4]
    at = bring(open_page("train"), "a.npz", file_of(**made))
    assert "4 of the test images are copies of training images" in text(at)
    assert str(folders) not in text(at) and "sslviz train simclr a.npz" in text(at)


def test_copies_are_said_of_own_files_beside_every_page(tmp_path):
    from sslviz.data.images import describe
    from sslviz.ui.selection import say_copies

    made = arrays()
    made["x_test"][:4] = made["x_train"][:4]
    (tmp_path / "copied.npz").write_bytes(file_of(**made))
    assert say_copies(describe(tmp_path / "copied.npz")) == "; 4 of the test images are copies of training images"
    assert say_copies(describe("mnist")) == ""


def test_a_refused_upload_disarms_training_until_it_is_gone():
    at = bring(open_page("train"), "names.npz", file_of(class_names=np.array(["a"] * 10)))
    assert len(at.error) == 1 and "class_names in names.npz has “a” 10 times" in text(at)
    assert button(at, "Train").disabled and button(at, "Measure first").disabled
    assert "Training waits" in text(at)
    bring(at, "good.npz", file_of())
    assert not at.error and not button(at, "Train").disabled and "Own images: good.npz" in text(at)


def test_own_images_can_be_left_taken_up_again_and_deleted(folders):
    at = bring(open_page("train"), "a.npz", file_of())
    button(at, "Use others").click().run()
    assert "Own images: a.npz" not in text(at)
    again = next(box for box in at.selectbox if box.label == "Brought before")
    again.select_index(0).run()
    assert "Own images: a.npz" in text(at)
    button(at, "Delete them here").click().run()
    assert not at.exception and not at.error and uploads.uploads() == []
    assert "Own images: a.npz" not in text(at) and "What goes in: images of MNIST" in text(at)


@pytest.mark.slow
def test_a_model_that_is_refused_is_one_sentence():
    at = bring(open_page("train"), "friend.safetensors", b"\x80\x04not a model", what="Model (.safetensors)")
    until(at, lambda: at.error)
    assert not at.exception and len(at.error) == 1 and "friend.safetensors" in text(at)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vae", "simclr"])
def test_images_without_labels_are_shown_wherever_labels_are_not_needed(tmp_path, monkeypatch, method):
    from sslviz.bundled.recipes import store_maps
    from sslviz.training.config import config_for
    from sslviz.training.loop import fit

    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "models"))
    path = tmp_path / "no labels.npz"
    path.write_bytes(file_of(30, 20, y_train=None, y_test=None))
    config = config_for(method, str(path), steps=2, device="cpu", threads=1, out=tmp_path / "models" / "mine")
    assert [event.event for event in fit(config)][-1] == "done"
    list(store_maps(tmp_path / "models" / "mine"))
    ui.models.clear()
    try:
        at = open_page(data="no labels", model="mine")
        for page in ["home", "embeddings", "train", *(["vae"] if method == "vae" else [])]:
            at.switch_page(f"pages/{page}.py").run()
            assert not at.exception and not at.error, (page, text(at))
            assert at.selectbox(key="selection_data").value == str(path), page
            assert str(tmp_path) not in text(at), page  # no place of this server
        at.switch_page("pages/probe.py").run()
        assert len(at.error) == 1 and "no labels, which a probe needs" in text(at)
    finally:
        ui.models.clear()


def bomb(path, key, shape, descr, n_bytes, **changes):
    """A file of a megabyte or less whose array `key` unpacks to many bytes of nothing."""
    with open(path, "wb") as file:
        made = arrays() | {"y_train": None, "y_test": None} | changes
        np.savez_compressed(file, **{name: array for name, array in made.items() if array is not None and name != key})
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    packed = zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed as archive, archive.open(f"{key}.npy", "w") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(n_bytes // MIB):
            file.write(bytes(MIB))
        file.write(bytes(n_bytes % MIB))
    return path


CODE = """
import json, sys
from streamlit.testing.v1 import AppTest
from sslviz.memory import peak_memory
at = AppTest.from_file("app.py", default_timeout=200)
at.run()
at.switch_page("pages/train.py").run()
peaks, told = [peak_memory()], []
for path in sys.argv[1:]:
    for _ in range(2):
        uploader = next(one for one in at.file_uploader if one.label == "Own images (.npz)")
        uploader.set_value((path.rsplit("/", 1)[-1], open(path, "rb").read(), "application/octet-stream"))
        at.run()
        at.run()
        peaks.append(peak_memory())
        told.append([error.value for error in at.error])
print(json.dumps([peaks, told]))
"""


@pytest.mark.slow
def test_the_server_stays_small_under_bombs(tmp_path):
    """Gigabytes of zeros and 400 MB of names, each brought twice: the server's peak stays near where it was."""
    zeros = {f"x_{split}": np.zeros((20, 64, 64), np.uint8) for split in ("train", "test")}
    labels = {"y_train": arrays()["y_train"], "y_test": arrays(n_test=20)["y_test"]}
    files = [
        bomb(tmp_path / "test-1GiB.npz", "x_test", (262_144, 64, 64), "|u1", 1 << 30, **zeros),
        bomb(tmp_path / "train-1GiB.npz", "x_train", (262_144, 64, 64), "|u1", 1 << 30, **zeros),
        bomb(tmp_path / "names-400MB.npz", "class_names", (1000,), "<U100000", 400_000_000, **zeros, **labels),
    ]
    assert all(file.stat().st_size < 6_000_000 for file in files)
    command = [sys.executable, "-c", CODE, *map(str, files)]
    environment = os.environ | {"SSLVIZ_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=250)
    peaks, told = json.loads(run.stdout.splitlines()[-1])
    print("peaks in MiB:", [round(peak / MIB) for peak in peaks], told)
    assert max(peaks) < 1.2e9 and peaks[-1] - peaks[0] < 150 * MIB
    assert all(len(errors) == 1 for errors in told)
    assert "1,024 MiB of this server's memory" in told[0][0].replace("\\", "")
    assert "100,000 characters a name" in told[-1][0].replace("\\", "")
