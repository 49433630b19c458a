"""Figures of the methods that learn from text: what is filled in, what follows, probes of sentences, mistakes made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.bundled.review import Subject
from sslviz.bundled.review.texts import BEGINNING, GAP, RUNS
from sslviz.bundled.review.words import percent, percent_interval
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.protocol import evaluate
from sslviz.language import hub, model, pairs, topics
from sslviz.language.batches import tokenise
from sslviz.language.evaluation import masked_ranks, masked_shares, masked_spans
from sslviz.language.explain import logit_lens
from sslviz.language.next_word import evaluate_causal
from sslviz.language.predict import fill, next_sentence, next_word, prefix_ids
from sslviz.language.sentence import mask_text, tokens_of
from sslviz.store import checkpoint
from sslviz.store.checkpoint import ModelInfo

TOP, LONGEST = 4, 127  # words that are shown; tokens that are read of a sentence


def model_of(subject: Subject) -> ModelInfo | None:
    """The bundled model of a subject, or None: the left-to-right twin by its name, the others by their heads."""
    known = {info.name: info for info in checkpoint.list_models("language") if info.bundled}
    if subject.key == "clm":
        return known.get(hub.TWIN)
    masked = [info for info in known.values() if info.method == "mlm"]
    if subject.key == "nsp":
        masked = [info for info in masked if model.has_next_sentence(info.path)]
    return next(iter(masked), None)


def of_subject(subject: Subject, info: ModelInfo, *, sizes: Any) -> dict[str, Any]:
    """Values and pictures of one method of text."""
    found = PARTS[subject.key](info.path, sizes)
    values = found["values"]
    values["row"] = {"pretext": values.pop("pretext_cell"), **values.pop("cells", {})}
    return found


def _texts(sizes: Any) -> list[str]:
    """Labelled sentences that words are asked of, evenly over the classes."""
    x = topics.load_topics("test").x
    return list(x[:: max(1, len(x) // sizes.sentences)])[: sizes.sentences]


def _probed(encoder: Any, sizes: Any) -> dict[str, Any]:
    """The linear probe of sentence vectors, beside a bag of words on the same labels."""
    train, test = (topics.load_topics(split) for split in ("train", "test"))
    train, test = _some(train, sizes.sentence_labels), _some(test, sizes.sentence_tests)
    bag = topics.BagOfWords()
    found = evaluate({"model": encoder, "bag of words": bag}, train, test, embed=topics.embed_sentences)
    linear, baseline = (percent_interval(score.accuracy, score.interval) for score in found.scores.values())
    apart = found.difference("bag of words")
    name = topics.BASELINES["bag of words"]
    protocol = f"linear, {len(train):,} labels, {len(test):,} test sentences"
    return {
        "labels": len(train), "n_test": len(test), "linear": linear, "baseline": baseline, "baseline_name": name,
        "cells": {"transfer": linear, "baseline": f"{baseline} ({name})", "protocol": protocol},
        "apart_by": [apart.low, apart.high],
    }  # fmt: skip


def _some(labelled: Any, count: int) -> Any:
    from sslviz.data.sampling import stratified_sample

    return labelled.take(stratified_sample(labelled.y, min(count, len(labelled)), seed=0))


def _bars(guesses: Any) -> dict[str, Any]:
    return {
        "kind": "bars", "labels": [guess.token for guess in guesses], "values": [guess.probability for guess in guesses]
    }  # fmt: skip


def _masked(path: Path, sizes: Any) -> dict[str, Any]:
    """Of a masked model: a gap, the layers' way to the answer, hidden words, and words that are not hidden."""
    network = model.load(path)
    masked = mask_text(network, GAP)
    guesses = fill(network, GAP, top_k=2 * TOP)[0].predictions
    word = guesses[0]
    layers = _layers(network, word.token)
    texts = _texts(sizes)
    shares = masked_shares(masked_ranks(network, texts, seed=0))
    leaked = _leaked(network, texts)
    found = percent_interval(shares["top1"], accuracy_interval(shares["top1"], int(shares["n_masked"])))
    tokens = [token.token for token in tokens_of(network, GAP)]
    return {
        "values": _probed(network, sizes) | {
            "tokens": len(tokens), "word": word.token, "layers": len(layers) - 1, "top": percent(word.probability),
            "found": found, "n_pretext": int(shares["n_masked"]), "sentences": int(shares["n_sentences"]),
            "leaked": percent(leaked), "leak": leaked, "own": shares["top1"],
            "candidates": [guess.token for guess in guesses[::2]], "pretext_cell": f"hidden word first: {found}",
        },
        "pictures": {
            "input": {"kind": "tokens", "tokens": tokens, "marked": list(masked.positions)},
            "process": {
                "kind": "curve", "title": "probability, over layers",
                "curves": [{"name": word.token, "x": list(range(len(layers))), "y": layers}],
            },
            "outcome": _bars(guesses[:TOP]),
            "wrong": {"kind": "bars", "labels": ["hidden", "left visible"], "values": [shares["top1"], leaked]},
        },
    }  # fmt: skip


def _layers(network: Any, word: str) -> list[float]:
    """The probability of a word in the gap, by the head on every layer's state, embeddings first."""
    found = logit_lens(network, GAP.replace("[MASK]", word), words=[GAP.split().index("[MASK]")])
    return [float(layer[0].probability or 0.0) for layer in found]


@torch.no_grad()
def _leaked(network: Any, texts: list[str]) -> float:
    """Share of the words of `masked_spans` that come first where the input shows them."""
    right = count = 0
    for text, spans in zip(texts, masked_spans(network, texts, seed=0), strict=True):
        encoded = network.tokenizer(text, return_tensors="pt", return_offsets_mapping=True, truncation=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"][0].tolist()
        best = network(ids, torch.ones_like(ids), torch.ones_like(ids, dtype=torch.bool)).argmax(1)  # (L,)
        for start, end in spans:
            at = [i for i, (a, b) in enumerate(offsets) if a < end and b > start and a < b]
            right += bool(at) and all(int(best[i]) == int(ids[0, i]) for i in at)
            count += 1
    return right / max(1, count)


@torch.no_grad()
def _causal(path: Path, sizes: Any) -> dict[str, Any]:
    """Of a left-to-right model: what follows a beginning, what it attends to, next words, and labels not shifted."""
    network = model.load_causal(path)
    guesses = next_word(network, BEGINNING, top_k=TOP)
    ids = _from_left(network, BEGINNING)
    attention = network.model(input_ids=ids, output_attentions=True).attentions[-1][0].mean(0)  # (L, L)
    tokens = network.tokenizer.convert_ids_to_tokens(ids[0])
    texts = _texts(sizes)
    shares = evaluate_causal(network, texts)
    shifted, unshifted, count = _shifts(network, texts)
    found = percent_interval(shares["top1"], shares["top1_interval"])
    return {
        "values": _probed(network, sizes) | {
            "tokens": len(tokens), "word": guesses[0].token, "top": percent(guesses[0].probability), "found": found,
            "perplexity": shares["perplexity"], "n_pretext": shares["n_words"], "sentences": shares["n_sentences"],
            "shifted": percent(shifted), "unshifted": percent(unshifted), "n_shift": count,
            "shift": [shifted, unshifted], "pretext_cell": f"next word first: {found}",
        },
        "pictures": {
            "input": {"kind": "tokens", "tokens": list(tokens), "marked": []},
            "process": {"kind": "matrix", "values": attention.tolist(), "magnitude": True},
            "outcome": _bars(guesses),
            "wrong": {"kind": "bars", "labels": ["shifted", "not shifted"], "values": [shifted, unshifted]},
        },
    }  # fmt: skip


def _from_left(network: Any, text: str) -> Tensor:
    """Tokens of a text (1, L) as a left-to-right model reads them: what begins a sentence first, and no end."""
    return torch.tensor([prefix_ids(network, text)[:LONGEST]])


@torch.no_grad()
def _shifts(network: Any, texts: list[str]) -> tuple[float, float, int]:
    """Share of tokens that come first in what their left neighbour predicts, and in what they predict themselves."""
    right, wrong, count = 0, 0, 0
    for text in texts:
        ids = _from_left(network, text)[0]
        best = network.model(input_ids=ids[None]).logits[0].argmax(1)  # (L,)
        right += int((best[:-1] == ids[1:]).sum())
        wrong += int((best[:-1] == ids[:-1]).sum())
        count += len(ids) - 1
    return right / max(1, count), wrong / max(1, count), count


@torch.no_grad()
def _following(path: Path, sizes: Any) -> dict[str, Any]:
    """Of a next-sentence head: one pair three ways, and pairs of all kinds."""
    network = model.load_next_sentence(path)
    texts = [text for run in RUNS for text in run]
    a, b, other = RUNS[0][0], RUNS[0][1], RUNS[-1][2]
    ways = {"as it stands": (a, b), "another": (a, other), "swapped": (b, a)}
    likely = [next_sentence(network, *way) for way in ways.values()]
    sentences = tokenise(texts, network.tokenizer)
    asked = _every_kind([len(run) for run in RUNS])
    pad = network.tokenizer.pad_token_id
    follow = torch.cat(list(pairs.follows(pairs.reader(network), sentences, asked, pad_id=pad))).numpy()
    shares = pairs.shares(follow, asked)
    found = percent_interval(shares["accuracy"], accuracy_interval(shares["accuracy"], len(asked)))
    tokens = network.tokenizer.convert_ids_to_tokens(network.tokenizer(a, b)["input_ids"])
    kinds = {"next": "follows", "random": "another", "swapped": "swapped"}
    return {
        "values": {
            "tokens": len(tokens), "n_pretext": len(asked), "found": found, "swapped": percent(shares["swapped"]),
            "random": percent(shares["random"]), "kinds": {title: shares[key] for key, title in kinds.items()},
            "pretext_cell": f"pairs told right: {found}",
        },
        "pictures": {
            "input": {"kind": "tokens", "tokens": list(tokens), "marked": []},
            "process": {"kind": "bars", "labels": list(ways), "values": likely},
            "outcome": {"kind": "bars", "labels": list(kinds.values()), "values": [shares[key] for key in kinds]},
            "wrong": {
                "kind": "bars", "labels": ["another", "swapped"], "values": [shares["random"], shares["swapped"]]
            },
        },
    }  # fmt: skip


def _every_kind(lengths: list[int]) -> np.ndarray:
    """Each two neighbours as they stand, swapped, and with a sentence of another run: (N, 3), as `pairs_of` has it."""
    starts = np.cumsum([0, *lengths])
    n = int(starts[-1])
    first = np.setdiff1d(np.arange(n), starts[1:] - 1)
    kinds = {
        pairs.NEXT: (first, first + 1),
        pairs.SWAPPED: (first + 1, first),
        pairs.OTHER: (first, (first + n // 2) % n),
    }
    return np.concatenate([np.stack([a, b, np.full(len(a), kind)], 1) for kind, (a, b) in kinds.items()])


PARTS: dict[str, Callable[[Path, Any], dict[str, Any]]] = {"mlm": _masked, "nsp": _following, "clm": _causal}
