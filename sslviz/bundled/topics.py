"""Sentences with a label, and how well a model's vectors tell them apart: encode, map and probe as with images.

The sentences are definitions of WordNet without the word that they define; what they define is the label.

    python -m sslviz.bundled.topics DICT_DIR

draws them from WordNet 3.0, whose folder DICT_DIR is (`dpkg-deb -x` of Debian's wordnet-base leaves it in
usr/share/wordnet), and writes assets/data/topics.tsv and its card. The same WordNet gives the same bytes.
"""

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.paths import assets_dir

if TYPE_CHECKING:
    from sslviz.language.model import MaskedLM

NAME, SEED = "topics", 0
N_TRAIN, N_TEST = 250, 100  # sentences of a class
COLUMNS, SPLITS = ["split", "label", "sentence"], ("train", "test")
MAX_BYTES = 1_000_000
NOTICE = (
    "This software and database is being provided to you, the LICENSEE, by Princeton University under the following "
    "license. By obtaining, using and/or copying this software and database, you agree that you have read, understood, "
    "and will comply with these terms and conditions: Permission to use, copy, modify and distribute this software and "
    "database and its documentation for any purpose and without fee or royalty is hereby granted, provided that you "
    "agree to comply with the following copyright notice and statements, including the disclaimer, and that the same "
    "appear on ALL copies of the software, database and documentation, including modifications that you make for "
    "internal use or for distribution. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS "
    'SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, '
    "EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR "
    "WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, "
    "DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The "
    "name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution "
    "of the software and/or database. Title to copyright in this software, database and any associated documentation "
    "shall at all times remain with Princeton University and LICENSEE agrees to preserve same."
)
Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Topics:
    """Labelled sentences of one split: N texts, y int64 (N,), class names, "train" or "test", where they come from."""

    texts: tuple[str, ...]
    y: np.ndarray
    class_names: tuple[str, ...]
    split: str
    source: str

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model's vectors of the sentences are worth.

    Attributes:
        h: of the test sentences, from every layer, embeddings first: float16 (layers + 1, N, D).
        h_random: of the untrained twin's last layer: float16 (N, D).
        linear, knn: test accuracy in [0, 1] of both probes for each layer.
        rivals: "random" and "bag of words", with the accuracy of each probe, "linear" and "knn".
    """

    h: np.ndarray
    h_random: np.ndarray
    linear: tuple[float, ...]
    knn: tuple[float, ...]
    rivals: dict[str, dict[str, float]]


# the sentences ------------------------------------------------------------------------------------------------------


def load_topics(split: Literal["train", "test"]) -> Topics:
    """The bundled sentences of a split, class after class.

    Raises:
        UserError: the file is missing or damaged.
    """
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}': choose train or test.")
    path = assets_dir() / "data" / f"{NAME}.tsv"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        head, *rows = [
            *csv.reader(io.StringIO(path.read_text(encoding="utf-8")), "excel-tab", quoting=csv.QUOTE_NONE)
        ] or [[]]
        if head != COLUMNS or not rows or any(len(row) != 3 or not all(map(str.strip, row)) for row in rows):
            raise ValueError("it has other columns than split, label and sentence")
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} can't be read ({error}); restore the file.") from error
    names = tuple(sorted({label for _, label, _ in rows}))
    here = [(label, text) for part, label, text in rows if part == split]
    if {label for label, _ in here} != set(names):
        raise UserError(f"{path} lacks {split} sentences of some class; restore the file.")
    y = np.array([names.index(label) for label, _ in here])
    source = f"{len(here):,} definitions of WordNet 3.0"
    return Topics(tuple(text for _, text in here), y, names, split, source)


def draw(dict_dir: Path, out_dir: Path | None = None) -> Path:
    """Draw the sentences from WordNet, and write them and their card.

    Args:
        dict_dir: WordNet 3.0's folder, in which data.noun is.
        out_dir: folder to write to, by default that of the bundled data.

    Returns:
        the path of the sentences.

    Raises:
        UserError: WordNet can't be read, or has too few definitions of a class, or `out_dir` can't be written to.
    """
    from sslviz.bundled.glosses import CLASSES, WORDS, read_glosses

    rng, found = np.random.default_rng(SEED), read_glosses(Path(dict_dir))
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name, texts in found.items():
        if len(texts) < N_TRAIN + N_TEST:
            raise UserError(f"WordNet in {dict_dir} has only {len(texts)} definitions of {name}; give version 3.0.")
        chosen = rng.choice(len(texts), N_TRAIN + N_TEST, replace=False)
        for split, rows in (("train", chosen[:N_TRAIN]), ("test", chosen[N_TRAIN:])):
            parts[split] += [f"{split}\t{name}\t{texts[row]}" for row in np.sort(rows)]
    content = "\n".join(["\t".join(COLUMNS), *parts["train"], *parts["test"]]).encode() + b"\n"
    card = {
        "name": NAME,
        "title": "Topics of definitions",
        "authors": "Princeton University, WordNet 3.0",
        "source": "https://wordnet.princeton.edu, as in Debian's package wordnet-base",
        "licence": "WordNet 3.0 licence; see notice",
        "citation": "C. Fellbaum (ed.): WordNet: an electronic lexical database. MIT Press, 1998.",
        "drawn": f"Nouns' definitions of {WORDS[0]} to {WORDS[1]} words, without the word that they define; the label "
        "is the lexicographer file of the synset. Left out: definitions that hold a word of their synset or a class's "
        "name, offensive ones, duplicates. Of each class the same number, drawn without replacement by "
        f"numpy.random.default_rng({SEED}); a synset is in one split only.",
        "seed": SEED,
        "n_train": len(parts["train"]),
        "n_test": len(parts["test"]),
        "class_names": sorted(CLASSES),
        "lexicographer_files": CLASSES,
        "candidates": {name: len(texts) for name, texts in found.items()},
        "format": "UTF-8, tab-separated: split, label, sentence; one header line",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "command": "python -m sslviz.bundled.topics DICT_DIR",
        "notice": NOTICE,
    }
    path = (out_dir or assets_dir() / "data") / f"{NAME}.tsv"
    npz.write_bytes(path, content)
    npz.write_bytes(path.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return path


# vectors ------------------------------------------------------------------------------------------------------------


def bag_of_words(train: Topics, test: Topics) -> tuple[np.ndarray, np.ndarray]:
    """The baseline: counts of words, weighted by how few training sentences have them (tf-idf), float32 (N, V) each.

    The words are those of at least two training sentences; counts are damped (1 + log) and rows not scaled, since the
    linear probe standardises columns and the k-NN probe takes cosines.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = TfidfVectorizer(min_df=2, sublinear_tf=True, norm=None, max_features=2000, dtype=np.float32)
    h_train = count.fit_transform(train.texts)
    return h_train.toarray(), count.transform(test.texts).toarray()


def untrained(model: "MaskedLM", *, seed: int) -> "MaskedLM":
    """A model's random twin: the same tokenizer and config, fresh weights. The global generator is left alone."""
    import torch

    from sslviz.language.model import MaskedLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = type(model.model)(deepcopy(model.model.config))
    return MaskedLM(network, model.tokenizer, model.config, f"random-{model.name}").eval().requires_grad_(False)


def accuracy(probe: str, h_train: np.ndarray, h_test: np.ndarray, train: Topics, test: Topics, *, seed: int) -> float:
    """Accuracy in [0, 1] on the test sentences of a "linear" or "knn" probe of the training sentences' vectors."""
    from sslviz.evaluation.probes import KNNProbe, LinearProbe

    fitted = (LinearProbe(seed=seed) if probe == "linear" else KNNProbe()).fit(h_train, train.y)
    return float(fitted.score(h_test, test.y))


def evaluate(
    model: "MaskedLM", *, probe: Literal["linear", "knn"], baselines: bool, seed: int, report: Report | None = None
) -> dict[str, float]:
    """Test accuracy of a probe of the last layer: "model", and with `baselines` "random" and "bag of words"."""
    from sslviz.language.explain import sentence_vectors

    train, test = load_topics("train"), load_topics("test")
    networks = {"model": model} | ({"random": untrained(model, seed=seed)} if baselines else {})
    found = {}
    for n, (name, network) in enumerate(networks.items()):

        def progress(share: float, name=name, n=n) -> None:
            if report:
                report(f"encoding, {name}", 0.9 * (n + share) / len(networks))

        h = sentence_vectors(network, (*train.texts, *test.texts), progress=progress)
        found[name] = accuracy(probe, h[: len(train)], h[len(train) :], train, test, seed=seed)
    if baselines:
        found["bag of words"] = accuracy(probe, *bag_of_words(train, test), train, test, seed=seed)
    if report:
        report("done", 1.0)
    return found


def judge(model: "MaskedLM", *, seed: int = 0, report: Report | None = None) -> Judged:
    """Encode all sentences with a model and its twin, and probe every layer; `report` may raise to cancel."""
    from sslviz.language.explain import sentence_vectors

    report = report or (lambda stage, share: None)
    train, test = load_topics("train"), load_topics("test")
    texts, n = (*train.texts, *test.texts), len(train)
    h = sentence_vectors(
        model, texts, layer=None, progress=lambda f: report(f"encoding {len(texts):,} sentences", 0.4 * f)
    )
    random = sentence_vectors(
        untrained(model, seed=seed), texts, progress=lambda f: report("encoding with random weights", 0.4 + 0.4 * f)
    )
    scores: dict[str, list[float]] = {"linear": [], "knn": []}
    for layer in range(len(h)):
        for probe, values in scores.items():
            report(f"probing layer {layer}", 0.8 + 0.15 * layer / len(h))
            values.append(accuracy(probe, h[layer, :n], h[layer, n:], train, test, seed=seed))
    rivals = {}
    for name, pair in {"random": (random[:n], random[n:]), "bag of words": bag_of_words(train, test)}.items():
        report(f"probing the baseline, {name}", 0.95)
        rivals[name] = {probe: accuracy(probe, *pair, train, test, seed=seed) for probe in scores}
    report("done", 1.0)
    return Judged(
        h[:, n:].astype(np.float16),
        random[n:].astype(np.float16),
        tuple(scores["linear"]),
        tuple(scores["knn"]),
        rivals,
    )


def finish(folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Judge a model's folder, and write there what the app shows of it before anything is computed.

    The last layer's vectors of the test sentences and their UMAP go to embeddings.npz, accuracies into the card as
    "topics" of its "results". Run it after the weights have got their final precision.

    Returns:
        the card.
    """
    from sslviz.evaluation.maps import fit_map
    from sslviz.language import model as language
    from sslviz.store import checkpoint, embeddings

    judged = judge(language.load(folder), seed=seed)
    h = judged.h[-1].astype(np.float32)
    umap = fit_map(h, "umap", seed=seed)
    marks = {"umap_trustworthiness": umap.trustworthiness, "umap_neighbours_kept": umap.neighbours_kept}
    marks = {name: np.float32(value) for name, value in marks.items() if value is not None}  # none where rows are alike
    embeddings.save_embeddings(folder, h, umap_xy=umap.xy, **marks)
    card = checkpoint.load_card(folder)
    found = {"linear": judged.linear, "knn": judged.knn, "baselines": judged.rivals, "seed": seed}
    found |= {"n_train": len(load_topics("train")), "n_test": len(load_topics("test"))}
    card["results"] = card.get("results", {}) | {NAME: found}
    checkpoint.write_json(card, folder / checkpoint.CARD)
    return card


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sslviz.bundled.topics DICT_DIR")
    try:
        print(draw(Path(sys.argv[1])))
    except UserError as error:
        sys.exit(str(error))
