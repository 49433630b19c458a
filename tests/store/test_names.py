"""Every name that is made can be loaded, and no two models share one."""

import json
import shutil
from pathlib import Path

import pytest

from sslviz import cli
from sslviz.bundled.recipes import store_maps
from sslviz.errors import UserError
from sslviz.paths import assets_dir, models_dir
from sslviz.store import bundle, names
from sslviz.store.checkpoint import CARD, dataset_of, find, list_models, load, load_card, opens_with, unreadable_models
from sslviz.training.config import config_for
from sslviz.training.loop import fit

FILES = ["my pictures.v2.npz", "Übung 1.npz", "картинки.npz", "-.npz", "random-x.npz", "a" * 90 + ".npz", "Straße.npz"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def train(dataset, **changes):
    config = config_for("vae", str(dataset), steps=1, batch_size=4, device="cpu", **changes)
    return list(fit(config))[-1].path


@pytest.mark.parametrize("file", FILES)
def test_a_model_of_any_file_has_a_name_that_loads(file, mine, own_digits, tmp_path):
    path = tmp_path / file
    shutil.copy(own_digits(8, 4), path)
    train(path)
    (info,) = [info for info in list_models() if not info.bundled]
    assert names.NAME.fullmatch(info.name) and info.name == info.path.name
    assert load(info.name).method == "vae" and find(info.name) == info.path
    assert load(f"random-{info.name}").method == "vae"
    train(path)
    assert {i.name for i in list_models() if not i.bundled} == {info.name, f"{info.name[:58]}-2"}


@pytest.mark.parametrize("name", ["My Model", "Ü", "a.b c", "…", "random-it"])
def test_a_folder_of_any_name_in_the_folder_of_models_loads_by_it(name, mine, own_digits):
    train(own_digits(8, 4), out=mine / name)
    (info,) = [info for info in list_models() if not info.bundled]
    assert info.name == name
    assert load(name).method == "vae"
    handed = bundle.pack(name)
    assert names.NAME.fullmatch(bundle.unpack(handed).name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("My pictures.v2", "my-pictures-v2"), ("Übung ß", "ubung-ss"), ("…", "images"), ("猫", "images"), ("a_b", "a-b")],
)
def test_slug(text, expected):
    assert names.slug(text) == expected and names.NAME.fullmatch(expected)


def test_a_new_model_never_has_a_bundled_name(mine, own_digits):
    data = own_digits(8, 4)
    with pytest.raises(UserError, match="already"):
        train(data, name="vae-mnist")
    with pytest.raises(UserError, match="already"):
        names.free_folder("bert-sslviz")
    assert names.new_name("simclr-mnist") == "simclr-mnist-2"
    assert names.new_name("simclr-mnist", taken={"simclr-mnist-2"}) == "simclr-mnist-3"
    assert names.run_folder("simclr", "mnist", name=None, resume=False, state="s").name == "simclr-mnist-2"
    assert names.run_folder("vae", "fashion_mnist", name=None, resume=False, state="s").name == "vae-fashion-mnist"


def test_a_run_goes_on_by_the_name_that_it_was_given(mine):
    where = {"name": None, "resume": True, "state": "state.pt"}
    for name in ("simclr-mnist-2", "simclr-mnist-other"):
        (mine / name).mkdir(parents=True)
        (mine / name / "state.pt").touch()
    assert names.run_folder("simclr", "mnist", **where).name == "simclr-mnist-2"
    (mine / "simclr-mnist-7").mkdir()
    (mine / "simclr-mnist-7" / "state.pt").touch()
    with pytest.raises(UserError, match="--name simclr-mnist-2 or --name simclr-mnist-7"):
        names.run_folder("simclr", "mnist", **where)


def test_an_own_model_with_a_bundled_name_is_reached_and_said(mine, own_digits, capsys):
    """Such as one that was trained before the bundled one came."""
    train(own_digits(8, 4), out=mine / "simclr-mnist")
    assert find("simclr-mnist") == assets_dir() / "models" / "simclr-mnist"
    assert find("own/simclr-mnist") == mine / "simclr-mnist" == models_dir() / "simclr-mnist"
    assert load("own/simclr-mnist").method == "vae" and load("random-own/simclr-mnist").method == "vae"
    assert [info.name for info in list_models() if not info.bundled] == ["own/simclr-mnist"]
    cli.main(["models", "list"])
    assert "own/simclr-mnist" in capsys.readouterr().out
    cli.main(["eval", "simclr-mnist", "mnist"])
    assert "yours is own/simclr-mnist" in capsys.readouterr().err
    assert bundle.rename("own/simclr-mnist", "free").name == "free" and load("free").method == "vae"
    train(own_digits(8, 4), out=mine / "moco-mnist")
    bundle.delete("own/moco-mnist")
    assert {path.name for path in mine.iterdir()} == {"free"}


@pytest.mark.parametrize("name", ["own/..", "own/", "own/../x", "..", ".", "a/b", "x\0", "\\"])
def test_a_name_stays_in_its_folder(name):
    assert names.folders_of(name) == []


BAD_CARDS = {
    "no JSON": "{",
    "a list": "[]",
    "a method that is a list": {"method": ["vae"]},
    "no dataset": {"dataset": None},
    "results that are a list": {"results": [1]},
    "an accuracy in words": {"results": {"linear_probe": "good"}},
    "minutes in words": {"minutes": "ten"},
    "hardware that is a number": {"hardware": 3},
    "images that are negative": {"n_train": -1},
    "nested too deeply": "[" * 10_000 + "]" * 10_000,
}


@pytest.mark.parametrize("case", BAD_CARDS)
def test_a_bad_card_hides_its_model_only(case, mine, own_digits, capsys):
    for name in ("good", "bad"):
        train(own_digits(8, 4), out=mine / name)
    change, path = BAD_CARDS[case], mine / "bad" / CARD
    path.write_text(change if isinstance(change, str) else json.dumps(load_card(mine / "bad") | change))
    assert [info.name for info in list_models() if not info.bundled] == ["good"]
    assert list(unreadable_models()) == [mine / "bad"] and unreadable_models()[mine / "bad"]
    capsys.readouterr()
    assert cli.main(["models", "list"]) == 0
    assert f"left out: {mine / 'bad'}" in capsys.readouterr().out


def test_a_folder_that_is_closed_hides_its_model_only(mine, own_digits, monkeypatch):
    train(own_digits(8, 4), out=mine / "good")
    train(own_digits(8, 4), out=mine / "shut")
    real = type(mine).is_file

    def is_file(path):
        if path.parent.name == "shut":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(type(mine), "is_file", is_file)
    assert [info.name for info in list_models() if not info.bundled] == ["good"]


def test_own_images_stand_on_the_card_by_their_name_and_beside_it_by_their_path(mine, own_digits):
    data = own_digits(8, 4)
    card = load_card(train(data))
    assert card["dataset"] == "digits" and card["dataset_path"] == dataset_of(card) == data
    (info,) = [info for info in list_models() if not info.bundled]
    assert (info.dataset, info.dataset_name) == (data, "digits")


def test_a_dataset_opens_with_the_bundled_model_of_the_best_probe():
    models = list_models("image")
    opening = {name: opens_with(i for i in models if i.dataset == name).name for name in ("mnist", "fashion_mnist")}
    assert opening == {"mnist": "simclr-mnist", "fashion_mnist": "simclr-fashion-resnet"}
    vae = opens_with((i for i in models if i.dataset == "mnist"), "vae")
    assert vae.name == "vae-mnist"
    assert opens_with([]) is None
    assert load("random-mnist").config == load("simclr-mnist").config


def test_a_model_of_own_images_survives_and_names_no_path(mine, own_digits, tmp_path):
    """Out and in again: what is handed on has nothing of where its maker keeps things."""
    data = tmp_path / "secret place" / "my pictures.v2.npz"
    data.parent.mkdir()
    shutil.copy(own_digits(8, 4), data)
    name = Path(train(data)).name
    handed = bundle.pack(name)
    assert b"secret place" not in handed and str(tmp_path).encode() not in handed
    folder = bundle.unpack(handed)
    card, model = load_card(folder), load(folder.name)
    assert card["imported"] and card["dataset"] == "my pictures.v2" and "my pictures.v2.npz" in card["command"]
    assert folder.name == f"{name}-2" and model.config == load(name).config
    info = next(info for info in list_models() if info.name == folder.name)
    assert (info.dataset, info.dataset_name) == ("", "my pictures.v2")
    with pytest.raises(UserError, match="images that are not here"):
        list(store_maps(folder))


@pytest.mark.parametrize("dataset", ["~", "~root", "C:", "$HOME", "%USERPROFILE%", "-x", "my pictures.v2"])
def test_the_dataset_of_a_card_from_elsewhere_is_never_a_path(dataset, mine, own_digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(own_digits(8, 4), name="mine")
    length = int.from_bytes((data := bundle.pack("mine"))[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    card = json.loads(header["__metadata__"]["card"]) | {"dataset": dataset, "dataset_path": "/etc", "imported": False}
    header["__metadata__"]["card"] = json.dumps(card)
    text = json.dumps(header).encode()
    (tmp_path / dataset).mkdir()  # were it taken for a path, there would be something
    folder = bundle.unpack(len(text).to_bytes(8, "little") + text + body)
    info = next(info for info in list_models() if info.path == folder)
    assert info.dataset == "" and dataset_of(info.card) is None and "dataset_path" not in info.card
    assert info.dataset_name == (dataset if dataset == "my pictures.v2" else "")
    with pytest.raises(UserError, match="not here"):
        list(store_maps(folder))
