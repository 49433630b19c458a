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
from sslviz.store import checkpoint, embeddings
from sslviz.store.checkpoint import CARD, CONFIG, WEIGHTS, build, list_models, load, load_card, load_history, save

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


def test_a_random_twin_has_the_same_shape_and_its_seed(folder):
    twin, again, other = (load(f"random-{folder}", seed=seed) for seed in (0, 0, 1))
    trained = load(folder)
    assert twin.config == trained.config
    key = "encoder.layers.0.0.weight"
    assert torch.equal(twin.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(twin.state_dict()[key], other.state_dict()[key])


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
    """A hundred gigabytes by its config: refused by comparing headers, before any tensor is made."""
    change_config(folder, lambda c: c["model"].update(hidden=3_000_000_000))
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
        checkpoint.save_history(build("simclr", CONFIGS["simclr"], seed=step), folder, step=step)
    x = torch.rand(4, 1, 28, 28)
    for step, model in load_history(folder):
        expected = encode(build("simclr", CONFIGS["simclr"], seed=step), x)
        np.testing.assert_allclose(encode(model, x), expected, atol=0.05 * float(expected.max()))
    assert [step for step, _ in load_history(folder)] == [3, 200]
    with pytest.raises(Exception, match="meta"):
        model.project(torch.zeros(1, 8)).sum().item()


def test_embeddings_keep_their_neighbours(folder):
    h = np.random.default_rng(0).gamma(0.5, size=(300, 32)).astype(np.float32)
    assert embeddings.load_embeddings(folder) is None
    embeddings.save_embeddings(folder, h, pca_xy=h[:, :2], pca_trustworthiness=np.float32(0.9))
    found = embeddings.load_embeddings(folder)
    assert found["h"].dtype == np.float32
    assert np.abs(found["h"] - h).max() <= (h.max(0) - h.min(0)).max() / 255
    np.testing.assert_array_equal(found["pca_xy"], h[:, :2])

    def nearest(a):
        unit = a / np.linalg.norm(a, axis=1, keepdims=True)
        return (unit @ unit.T - 2 * np.eye(len(a))).argmax(1)

    assert (nearest(found["h"]) == nearest(h)).mean() > 0.97
    (folder / embeddings.EMBEDDINGS).write_bytes(b"PK broken")
    with pytest.raises(UserError, match="can't be read"):
        embeddings.load_embeddings(folder)
