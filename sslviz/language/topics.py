"""Labelled sentences, and how well a model's vectors tell them apart: encode, probe and compare as with images.

The sentences are definitions of WordNet without the word that they define; what they define is the label. How they were
drawn is in `sslviz.bundled.topics`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sslviz.errors import UserError
from sslviz.evaluation.results import Evaluation, Labelled, ProbeName
from sslviz.paths import assets_dir

if TYPE_CHECKING:
    from sslviz.language.model import CausalLM, MaskedLM

NAME = "topics"
COLUMNS, SPLITS = ["split", "label", "sentence"], ("train", "test")
MAX_BYTES = 1_000_000
PROBES: tuple[ProbeName, ...] = ("linear", "knn")
BASELINES = {"random": "untrained model", "bag of words": "bag of words"}  # name in cards and JSON -> title
Report = Callable[[str, float], None]


def load_topics(split: Literal["train", "test"]) -> Labelled:
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
    return Labelled(tuple(text for _, text in here), y, names, source, "sentences")


class BagOfWords:
    """The baseline of counting: h is how often each word occurs, the more the fewer sentences have it (tf-idf).

    The words are those of at least two training sentences; counts are damped (1 + log) and rows not scaled, since the
    linear probe standardises columns and the k-NN probe takes cosines.
    """

    h_metric = "cosine"

    def fit(self, texts: tuple[str, ...]) -> BagOfWords:
        """Finds the words of training sentences."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._count = TfidfVectorizer(min_df=2, sublinear_tf=True, norm=None, max_features=2000, dtype=np.float32)
        self._count.fit(texts)
        return self

    def encode(self, texts: tuple[str, ...]) -> np.ndarray:
        """N sentences -> h float32 (N, V)."""
        return self._count.transform(texts).toarray()


def untrained(model: MaskedLM | CausalLM, *, seed: int) -> MaskedLM | CausalLM:
    """The same tokenizer and config with fresh weights. The global generator is left alone."""
    import torch

    from sslviz.language.model import CausalLM, MaskedLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = getattr(model.model, "fresh", lambda: type(model.model)(deepcopy(model.model.config)))
        network = made()
    if isinstance(model, CausalLM):
        return CausalLM(network.eval().requires_grad_(False), model.tokenizer, f"random-{model.name}")
    return MaskedLM(network, model.tokenizer, model.config, f"random-{model.name}").eval().requires_grad_(False)


def embed_sentences(encoder: Any, texts: tuple[str, ...], progress: Callable[[float], None]) -> np.ndarray:
    """h (N, D) of N sentences: the last layer of a language model, or what a baseline counts."""
    from sslviz.language.explain import sentence_vectors

    if isinstance(encoder, BagOfWords):
        return encoder.encode(texts)
    return sentence_vectors(encoder, texts, progress=progress)


def evaluate_topics(
    model: MaskedLM | CausalLM,
    *,
    name: str = "model",
    probe: ProbeName = "linear",
    baselines: tuple[str, ...] = tuple(BASELINES),
    seed: int = 0,
    progress: Callable[[str, str, float], None] | None = None,
) -> Evaluation:
    """A probe of the last layer's vectors of the bundled sentences, beside baselines on the same ones.

    Args:
        model: that is evaluated.
        name: what it is called in the result.
        probe: "linear" or "knn".
        baselines: names of `BASELINES`.
        seed: of the validation rows and of the untrained model's weights.
        progress: as of `sslviz.evaluation.protocol.evaluate`.
    """
    from sslviz.evaluation.protocol import evaluate

    made = {"random": lambda: untrained(model, seed=seed), "bag of words": BagOfWords}
    encoders = {name: model} | {key: made[key]() for key in baselines}
    train, test = load_topics("train"), load_topics("test")
    return evaluate(encoders, train, test, probe=probe, seed=seed, embed=embed_sentences, progress=progress)


@dataclass(frozen=True, eq=False)
class ByLayer:
    """How well each layer's vectors tell the sentences apart.

    Attributes:
        h: of the test sentences, from every layer, embeddings first: float16 (layers + 1, N, D).
        h_untrained: of the untrained model's last layer: float16 (N, D).
        linear, knn: test accuracy in [0, 1] of both probes for each layer.
        baselines: of `BASELINES`, with the accuracy of each probe, "linear" and "knn".
    """

    h: np.ndarray
    h_untrained: np.ndarray
    linear: tuple[float, ...]
    knn: tuple[float, ...]
    baselines: dict[str, dict[str, float]]


def evaluate_layers(model: MaskedLM | CausalLM, *, seed: int = 0, report: Report | None = None) -> ByLayer:
    """Encode all sentences with a model and with it untrained, and probe every layer; `report` may raise to cancel."""
    from sslviz.evaluation.protocol import evaluate
    from sslviz.language.explain import sentence_vectors

    report = report or (lambda stage, share: None)
    train, test = load_topics("train"), load_topics("test")
    texts, n = (*train.x, *test.x), len(train)
    h = sentence_vectors(
        model, texts, layer=None, progress=lambda f: report(f"encoding {len(texts):,} sentences", 0.4 * f)
    )
    fresh = sentence_vectors(
        untrained(model, seed=seed), texts, progress=lambda f: report("encoding untrained", 0.4 + 0.4 * f)
    )

    def accuracy(probe: ProbeName, h_train: np.ndarray, h_test: np.ndarray) -> float:
        known = {"h": (h_train, h_test)}
        return evaluate({"h": None}, train, test, probe=probe, seed=seed, known=known).score.accuracy

    scores: dict[ProbeName, list[float]] = {probe: [] for probe in PROBES}
    for layer in range(len(h)):
        for probe in PROBES:
            report(f"probing layer {layer}", 0.8 + 0.15 * layer / len(h))
            scores[probe].append(accuracy(probe, h[layer, :n], h[layer, n:]))
    words = BagOfWords().fit(train.x)
    others = {"random": (fresh[:n], fresh[n:]), "bag of words": (words.encode(train.x), words.encode(test.x))}
    baselines = {}
    for name, pair in others.items():
        report(f"probing the baseline, {BASELINES[name]}", 0.95)
        baselines[name] = {str(probe): accuracy(probe, *pair) for probe in PROBES}
    report("done", 1.0)
    return ByLayer(
        h[:, n:].astype(np.float16),
        fresh[n:].astype(np.float16),
        tuple(scores["linear"]),
        tuple(scores["knn"]),
        baselines,
    )
