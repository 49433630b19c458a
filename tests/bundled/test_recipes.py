"""The bundled models are what their cards say, and the checkout stays small enough to clone."""

import dataclasses
import shlex
import subprocess

import numpy as np
import pytest
import torch

from sslviz import cli
from sslviz.bundled.recipes import FINISHED, RECIPES, WITH_HISTORY, finish, recipe
from sslviz.data import images
from sslviz.data.images import DATASETS, load_images
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import KNNProbe
from sslviz.methods import registry
from sslviz.methods.encoders import EncoderConfig
from sslviz.paths import ROOT, assets_dir
from sslviz.store import checkpoint, embeddings, history
from sslviz.training.config import config_for
from sslviz.training.loop import fit

TEXT = ("bert-sslviz", "bert-sslviz-left", "gru-sslviz")
BUNDLED = [name for name in (*RECIPES, *FINISHED) if name not in TEXT and (assets_dir() / "models" / name).is_dir()]


def test_every_bundled_model_has_a_recipe_or_was_finished_and_the_other_way_round():
    bundled = {info.name for info in checkpoint.list_models() if info.bundled}
    assert {path.name for path in (assets_dir() / "models").iterdir()} == bundled
    assert bundled == {*RECIPES, *FINISHED}


@pytest.mark.parametrize("name", RECIPES)
def test_a_bundled_model_fits_its_recipe_and_its_card(name):
    config, card = recipe(name), checkpoint.load_card(name)
    assert checkpoint.load(name).config == config.model
    assert (card["method"], card["dataset"], card["seed"]) == (config.method, config.dataset, config.seed)
    assert card["epochs"] == config.epochs
    assert card["command"] == f"sslviz models build {name}"
    assert card["hardware"].startswith("laptop-class CPU")


@pytest.mark.parametrize("name", [name for name in FINISHED if name not in TEXT])
def test_a_model_of_a_gpu_is_what_the_command_on_its_card_makes(name):
    card = checkpoint.load_card(name)
    words = shlex.split(card["command"])
    assert words[:4] == ["sslviz", "train", card["method"], card["dataset"]]
    assert card["hardware"].startswith("NVIDIA H")
    default = config_for(card["method"], card["dataset"])
    encoder = {
        "cifar10": EncoderConfig(widths=(64, 128, 256, 512), strides=(1, 2, 2, 2), depth=1, pool=1),
        "fashion_mnist": EncoderConfig(channels=1, widths=(64, 128, 256), strides=(1, 2, 2), depth=1),
    }
    expected = dataclasses.replace(default.model, encoder=encoder[card["dataset"]], hidden=1024)
    if "--model.queue-size" in words:
        expected = dataclasses.replace(expected, queue_size=16384)
    assert checkpoint.load(name).config == expected


@pytest.mark.parametrize("name", [*BUNDLED, *TEXT])
def test_a_card_is_whole_and_its_revision_is_one_of_this_history(name):
    card = checkpoint.load_card(name)
    assert {"source", "git_revision", "created", "minutes", "hardware", "versions", "n_train", "command"} <= card.keys()
    before, after = "before b8621fc, the first revision of this repository", card["git_revision"]
    if after != before and (ROOT / ".git").exists():
        found = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-t", after], capture_output=True, text=True)
        shallow = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"], capture_output=True)
        assert found.stdout.strip() == "commit" or shallow.stdout.strip() == b"true"
    earlier = [step for step, _ in history.load_history(name)]
    assert len(earlier) == (3 if name in WITH_HISTORY else 0)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_card_says_the_protocol_of_its_figures_and_keeps_their_predictions(name):
    results = checkpoint.load_card(name)["results"]
    assert results["baselines"].keys() == {"random", "pixels", "pca", "whitened patches"}
    test = load_images(checkpoint.load_card(name)["dataset"], "test", bundled=True)
    found = embeddings.load_predictions(name)
    assert list(found) == ["linear", "knn"]
    for predictions in found.values():
        assert predictions.n_train == DATASETS[test.name].n_train and predictions.n_test == 10_000
        accuracy = (predictions.y_pred == test.y.numpy()).mean()
        within = 0 if len(test) == 10_000 else 4 * (0.25 / len(test)) ** 0.5  # a part of the 10,000
        assert abs(accuracy - predictions.accuracy) <= within + 1e-9


def test_moco_is_bundled_without_its_key_side():
    for info in checkpoint.list_models("image"):
        if info.bundled:
            model = checkpoint.load(info.name)
            assert all(getattr(model, part) is None for part in model.training_only)


@pytest.mark.parametrize("name", [pytest.param("simclr-cifar10-resnet", marks=pytest.mark.slow), "vae-mnist-2d"])
def test_the_command_on_a_card_gives_the_stored_map(name, tmp_path):
    """PCA, wherever this runs, but for rounding."""
    words = shlex.split(checkpoint.load_card(name)["maps"]["pca"]["command"])
    words[-1] = str(tmp_path / "map.npz")
    assert cli.main(words[1:]) == 0
    stored = embeddings.load_embeddings(name)["pca_xy"]
    np.testing.assert_allclose(np.load(words[-1])["xy"], stored, atol=2e-3 * np.abs(stored).max())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if "resnet" in name else []) for name in BUNDLED]
)
def test_stored_h_is_what_the_model_computes(name):
    images = load_images(checkpoint.load_card(name)["dataset"], "test", bundled=True)
    stored = embeddings.load_embeddings(name)
    assert len(stored["h"]) == len(stored["umap_xy"]) == len(stored["pca_xy"]) == len(images)
    h = encode(checkpoint.load(name), images.x[:200])
    levels = (stored["h"].max(0) - stored["h"].min(0)) / (embeddings.levels_for(stored["h"].shape[1]) - 1)
    assert (np.abs(stored["h"][:200] - h) <= levels + 1e-3).all()
    assert 0.5 < stored["umap_trustworthiness"] <= 1


@pytest.mark.parametrize("name", [name for name in BUNDLED if name.startswith("vae")])
def test_the_nats_of_a_card_come_out_again(name):
    """On a thousand test images, within five standard errors of the card's figure on all."""
    card = checkpoint.load_card(name)
    x = load_images(card["dataset"], "test", bundled=True).x[:1000]
    model = checkpoint.load(name)
    found = [model.evaluate(part, seed=0)["negative_elbo"] for part in x.split(100)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - card["results"]["negative_elbo"]) < 5 * error


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BUNDLED if name.endswith("mnist")])
def test_a_small_probe_agrees_with_the_card(name):
    """k-NN from 3,000 images to 1,000: below the card's figure from 60,000, by a little."""
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    model = checkpoint.load(name)
    metric = registry.info(model.method).metric
    probe = KNNProbe(metric=metric).fit(encode(model, train.x[:3000]), train.y[:3000].numpy())
    accuracy = probe.score(encode(model, test.x[:1000]), test.y[:1000].numpy())
    assert 0 <= checkpoint.load_card(name)["results"]["knn"] - accuracy < 0.08


def test_an_unknown_recipe_is_named():
    with pytest.raises(UserError, match="no recipe"):
        recipe("vae-nowhere")


@pytest.mark.slow
def test_finishing_writes_all_that_the_app_reads(tmp_path, monkeypatch):
    """`finish` on a model of a few steps and a few hundred bundled images."""
    from sslviz.bundled import recipes

    def few(name, split, *, bundled=False):
        found = load_images(name, split, bundled=bundled)
        return dataclasses.replace(found, x=found.x[:300], y=found.y[:300])

    monkeypatch.setattr(recipes, "load_images", few)
    with pytest.raises(UserError, match="all 60,000 and 10,000 images of MNIST, here are 300 and 300"):
        finish(next(path for path in (assets_dir() / "models").iterdir() if path.name == "vae-mnist"))
    monkeypatch.setattr(recipes, "_check_full", lambda dataset, train, test: None)
    folder = tmp_path / "vae"
    small = dataclasses.replace(config_for("vae", "mnist").model, hidden=16, latent_dim=4)
    list(fit(config_for("vae", "mnist", model=small, steps=5, out=folder)))
    recipes._baselines.cache_clear()
    card = finish(folder)
    recipes._baselines.cache_clear()
    assert {"recon", "kl", "negative_elbo", "linear_probe", "knn", "baselines"} <= card["results"].keys()
    assert checkpoint.load_card(folder) == card
    stored = embeddings.load_embeddings(folder)
    assert {"h", "pca_xy", "umap_xy", "pca_trustworthiness", "umap_neighbours_kept"} <= stored.keys()
    predictions = embeddings.load_predictions(folder)
    y = few("mnist", "test").y.numpy()
    for name, key in (("linear", "linear_probe"), ("knn", "knn")):
        found = predictions[name]
        assert (found.n_train, found.n_test, found.accuracy) == (300, 300, card["results"][key])
        assert (found.y_pred == y).mean() == card["results"][key]  # here the bundled images are those of the card
    list(recipes.store_maps(folder))
    np.testing.assert_array_equal(embeddings.load_predictions(folder)["knn"].y_pred, predictions["knn"].y_pred)
    assert str(card["maps"]["umap"]["quality"]).endswith("of 10 nearest neighbours kept")
    words = shlex.split(card["maps"]["pca"]["command"])[2:]
    words[words.index(folder.name)], words[-1] = str(folder), str(tmp_path / "map.npz")
    monkeypatch.setattr(images, "load_images", few)
    cli.main(["map", *words])
    np.testing.assert_array_equal(np.load(tmp_path / "map.npz")["xy"], stored["pca_xy"])
    from safetensors.torch import load_file

    assert load_file(folder / checkpoint.WEIGHTS)["mu_head.weight"].dtype == torch.float16


def test_the_checkout_stays_small():
    sizes = [path.stat().st_size for path in assets_dir().rglob("*") if path.is_file()]
    assert max(sizes) < 45e6
    assert sum(sizes) < 150e6


@pytest.mark.parametrize("name", ["vae-fashion", "simclr-fashion"])
def test_a_stored_plane_comes_out_of_its_command_again(name, tmp_path):
    """PCA on any processor, up to rounding; what the others need for it is said in the card."""
    import shlex

    from sslviz import cli
    from sslviz.store.checkpoint import load_card
    from sslviz.store.embeddings import load_embeddings

    card = load_card(name)
    command = shlex.split(card["maps"]["pca"]["command"].replace("map.npz", str(tmp_path / "map.npz")))
    assert cli.main(command[1:]) == 0
    with np.load(tmp_path / "map.npz") as found:
        np.testing.assert_allclose(found["xy"], load_embeddings(name)["pca_xy"], atol=1e-2)
    assert "same processor" in card["maps"]["umap"]["repeats"]
