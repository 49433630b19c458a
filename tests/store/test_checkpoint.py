"""Models come back as they were saved, and damaged files are named."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sslviz.errors import UserError
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.methods.vae import VAEConfig
from sslviz.store import history
from sslviz.store.checkpoint import CARD, CONFIG, WEIGHTS, build, list_models, load, load_card, save

SMALL = EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2), pool=1)
CONFIGS = {
    "vae": VAEConfig(hidden=8, latent_dim=3, shared_head=True),
    "simclr": SimCLRConfig(SMALL, hidden=8, dim=4, temperature=0.07),
    "moco": MoCoConfig(SMALL, hidden=8, dim=4, queue_size=16),
}


@pytest.fixture
def folder(tmp_path):
    return save(build("simclr", CONFIGS["simclr"], seed=0), tmp_path / "m", card={"dataset": "mnist"})


@pytest.mark.parametrize("method", CONFIGS)
def test_a_model_comes_back_as_it_was(method, tmp_path):
    model = build(method, CONFIGS[method], seed=3).eval()
    path = save(model, tmp_path / "m", card={"dataset": "mnist"})
    again = load(path)
    assert again.config == model.config
    assert not again.training
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    assert load_card(path) == {"name": "m", "method": method, "dataset": "mnist"}
    assert {p.requires_grad for p in again.parameters()} == {p.requires_grad for p in model.parameters()}
    assert sorted(p.name for p in path.iterdir()) == sorted([WEIGHTS, CONFIG, CARD])


def test_half_precision_on_disk_is_float32_in_memory(tmp_path):
    model = build("simclr", CONFIGS["simclr"], seed=0)
    path = save(model, tmp_path / "m", card={"dataset": "mnist"}, dtype=torch.float16)
    assert load_file(path / WEIGHTS)["encoder.layers.0.0.weight"].dtype == torch.float16
    again = load(path)
    for key, value in model.state_dict().items():
        assert again.state_dict()[key].dtype == value.dtype
        torch.testing.assert_close(again.state_dict()[key], value, atol=1e-3, rtol=1e-3)


def test_matrices_of_eight_bits_on_disk_are_float32_in_memory(tmp_path):
    model = build("simclr", CONFIGS["simclr"], seed=0)
    path = save(model, tmp_path / "m", card={"dataset": "mnist"}, dtype=torch.float16, matrices=torch.float8_e4m3fn)
    stored, again = load_file(path / WEIGHTS), load(path).state_dict()
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            assert stored[key].dtype == (torch.float8_e4m3fn if value.ndim > 1 else torch.float16)
            torch.testing.assert_close(again[key], value, atol=2e-3, rtol=2**-4)  # half a step of three bits


def test_an_untrained_model_has_the_same_shape_and_its_seed(folder):
    untrained, again, other = (load(f"random-{folder}", seed=seed) for seed in (0, 0, 1))
    trained = load(folder)
    assert untrained.config == trained.config
    key = "encoder.layers.0.0.weight"
    assert torch.equal(untrained.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(untrained.state_dict()[key], other.state_dict()[key])


def test_own_models_are_listed_and_found_by_name(folder, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(folder.parent))
    (folder.parent / "broken").mkdir()
    (folder.parent / "broken" / WEIGHTS).write_bytes(b"")
    (folder.parent / "broken" / CONFIG).write_text("{}")
    own = [info for info in list_models() if not info.bundled]
    assert [(info.name, info.method, info.dataset) for info in own] == [("m", "simclr", "mnist")]
    assert load("m").config == CONFIGS["simclr"]
    assert load("random-m").config == CONFIGS["simclr"]


def test_listing_imports_no_torch():
    code = "import sys; from sslviz.store import checkpoint as c; c.list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def change_weights(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def change_config(folder, change):
    content = json.loads((folder / CONFIG).read_text())
    change(content)
    (folder / CONFIG).write_text(json.dumps(content))


KEY = "projector.3.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: change_weights(f, lambda t: t.pop(KEY)), f"missing {KEY}"),
        (lambda f: change_weights(f, lambda t: t.update(extra=torch.zeros(1))), "left over extra"),
        (lambda f: change_weights(f, lambda t: t.update({KEY: torch.zeros(4, 9)})), "shape"),
        (lambda f: change_weights(f, lambda t: t.update({KEY: torch.zeros(4, 8, dtype=torch.int64)})), "type I64"),
        (lambda f: change_weights(f, lambda t: t[KEY].fill_(torch.nan)), "not finite"),
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-10]), "damaged"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), "damaged"),
        (lambda f: (f / WEIGHTS).write_bytes(pickle.dumps({"a": 1})), "damaged"),
        (lambda f: (f / WEIGHTS).write_bytes((1 << 40).to_bytes(8, "little") + b"{}"), "damaged"),
        (lambda f: (f / WEIGHTS).unlink(), "missing"),
        (lambda f: change_config(f, lambda c: c.update(method="gan")), "'gan'"),
        (lambda f: change_config(f, lambda c: c["model"].update(colour=3)), "colour"),
        (lambda f: change_config(f, lambda c: c["model"].update(dim="many")), "config"),
        (lambda f: change_config(f, lambda c: c["model"]["encoder"].update(widths=[-1, 8])), "config"),
        (lambda f: change_config(f, lambda c: c.pop("model")), "config"),
        (lambda f: (f / CONFIG).write_text("{"), "can't be read"),
        (lambda f: (f / CONFIG).write_text("[1]"), "JSON object"),
    ],
)
def test_damage_is_named(damage, message, folder):
    damage(folder)
    with pytest.raises(UserError, match=message):
        load(folder)


def test_a_config_that_asks_for_the_moon_allocates_nothing(folder):
    """Gigabytes by its config: refused by comparing headers, before any tensor is made."""
    change_config(folder, lambda c: c["model"].update(hidden=8000))
    with pytest.raises(UserError, match="shape"):
        load(folder)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(UserError, match="no model 'nope'"):
        load("nope")
    with pytest.raises(UserError, match="is not a model"):
        load(tmp_path)


def test_a_failed_write_leaves_what_was_there(folder, monkeypatch):
    before = (folder / WEIGHTS).read_bytes()

    def fails(tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fails)
    with pytest.raises(UserError, match="No space left"):
        save(build("simclr", CONFIGS["simclr"], seed=1), folder, card={"dataset": "mnist"})
    assert (folder / WEIGHTS).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == sorted([WEIGHTS, CONFIG, CARD])


def test_history_can_encode_and_comes_back_in_order(folder):
    from sslviz.evaluation.embedding import encode

    for step in (200, 3):
        history.save_history(build("simclr", CONFIGS["simclr"], seed=step), folder, step=step)
    x = torch.rand(4, 1, 28, 28)
    for step, model in history.load_history(folder):
        expected = encode(build("simclr", CONFIGS["simclr"], seed=step), x)
        np.testing.assert_allclose(encode(model, x), expected, atol=0.05 * float(expected.max()))
    assert [step for step, _ in history.load_history(folder)] == [3, 200]
    with pytest.raises(Exception, match="meta"):
        model.project(torch.zeros(1, 8)).sum().item()


KEY_SIDE = ("encoder_k", "projector_k", "queue", "cursor")


def test_moco_is_stored_without_what_only_training_needs(tmp_path):
    model = build("moco", CONFIGS["moco"], seed=3).eval()
    whole = save(model, tmp_path / "whole", card={"dataset": "mnist"})
    path = save(model, tmp_path / "m", card={"dataset": "mnist"}, training=False)
    kept, left = load_file(path / WEIGHTS).keys(), load_file(whole / WEIGHTS).keys()
    assert {key.split(".")[0] for key in left - kept} == set(KEY_SIDE) and not kept - left
    again, x = load(path).to("cpu"), torch.rand(3, 1, 28, 28)
    assert torch.equal(again.project(again.encode(x)), model.project(model.encode(x)))
    assert all(getattr(again, part) is None for part in KEY_SIDE) and load(whole).queue is not None
    with pytest.raises(UserError, match="train a new one"):
        again.keys(x)
    untrained = load(f"random-{path}")  # a fresh model is whole
    assert untrained.keys(x).shape == (3, 4)


@pytest.mark.parametrize(
    "dropped", ["cursor", "queue", "encoder_k.layers.0.0.weight", "projector.0.weight", "encoder.layers.0.0.weight"]
)
def test_a_part_of_the_key_side_is_not_enough(dropped, tmp_path):
    """All of it or none; and nothing else may be absent."""
    path = save(build("moco", CONFIGS["moco"], seed=3), tmp_path / "m", card={"dataset": "mnist"})
    change_weights(path, lambda tensors: tensors.pop(dropped))
    with pytest.raises(UserError, match=f"missing {dropped}"):
        load(path)


def test_without_a_key_side_other_tensors_are_still_asked_for(tmp_path):
    path = save(build("moco", CONFIGS["moco"], seed=3), tmp_path / "m", card={"dataset": "mnist"}, training=False)
    change_weights(path, lambda tensors: tensors.pop("projector.0.weight"))
    with pytest.raises(UserError, match=r"missing projector\.0\.weight"):
        load(path)
    save(build("simclr", CONFIGS["simclr"], seed=3), tmp_path / "s", card={"dataset": "mnist"}, training=False)
    assert load(tmp_path / "s").config == CONFIGS["simclr"]
