"""How good a masked language model is on a text: masked words found, pseudo-perplexity."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language.batches import IGNORED, mask_words, tokenise
from sslviz.language.model import MaskedLM
from sslviz.language.predict import pseudo_log_likelihood
from sslviz.language.sentence import cut, limit
from sslviz.language.trigram import Trigram

MOST_WORDS = 100_000  # more than a sentence has
LEFT, BOTH = "trigrams, from the left", "trigrams, both sides"  # names of fillers


def evaluate_masked(
    model: MaskedLM, texts: Sequence[str], *, seed: int, rate: float = 0.15, batch_size: int = 32
) -> dict[str, Any]:
    """Mask whole words at random and count those that the model finds: all their tokens first, or among the first five.

    Only words with a letter in them and without unknown tokens are masked, each token by the mask alone, at least one
    word a sentence.

    Args:
        model: left in the mode that it was in.
        texts: sentences; those without a word are left out.
        seed: of the choice of words.
        rate: share of the words masked at a time.
        batch_size: sentences a forward pass.

    Returns:
        n_masked (words), n_sentences, top1 and top5 in [0, 1], and the interval of each (95 %, Wilson, over words).
    """
    return masked_shares(masked_ranks(model, texts, seed=seed, rate=rate, batch_size=batch_size))


def masked_shares(ranks: Sequence[Sequence[int]]) -> dict[str, Any]:
    """What `evaluate_masked` returns, from `masked_ranks`."""
    flat = np.array([rank for found in ranks for rank in found], np.int64)
    shares: dict[str, Any] = {"n_masked": len(flat), "n_sentences": sum(bool(found) for found in ranks)}
    for k in (1, 5):
        shares[f"top{k}"] = float((flat < k).sum()) / max(1, len(flat))
        shares[f"top{k}_interval"] = accuracy_interval(shares[f"top{k}"], len(flat)) if len(flat) else None
    return shares


@torch.no_grad()
def masked_ranks(
    model: MaskedLM, texts: Sequence[str], *, seed: int, rate: float = 0.15, batch_size: int = 32
) -> list[list[int]]:
    """For each sentence and each word that `evaluate_masked` masks, the worst rank of its tokens, 0 for the first.

    The words are those of `masked_spans` with the same arguments, in the same order.
    """
    device, training = next(model.parameters()).device, model.training
    found: list[list[int]] = [[] for _ in texts]
    model.eval()
    for rows, ids, words, masked, labels in _masked(model, texts, seed=seed, rate=rate, batch_size=batch_size):
        chosen = labels != IGNORED
        inputs = (masked, ids != model.tokenizer.pad_token_id, chosen)
        logits = model(*(tensor.to(device) for tensor in inputs)).cpu()  # (M, V)
        ranks = (logits > logits.gather(1, labels[chosen][:, None])).sum(1)  # (M,)
        whole = chosen.nonzero()[:, 0] * MOST_WORDS + words[chosen]  # (M,), one number a word
        numbers, word = whole.unique(return_inverse=True)
        worst = torch.zeros(len(numbers), dtype=ranks.dtype).scatter_reduce(0, word, ranks, "amax")
        for number, rank in zip(numbers.tolist(), worst.tolist(), strict=True):
            found[rows[number // MOST_WORDS]].append(rank)
    model.train(training)
    return found


def wins(hits: Mapping[str, Sequence[Sequence[bool]]]) -> dict[str, Any]:
    """Which of several fillers finds more masked words of a sentence than all others.

    Args:
        hits: for each filler and sentence, whether it finds each masked word first; the same words for all.

    Returns:
        n_sentences with a masked word, and n_masked; for each filler in "top1" the share of the words that it finds, in
        "wins" the share of the sentences of which it finds more words than each other; "ties" the share that nobody
        wins. A sentence of which nobody finds a word is a tie.
    """
    counts = np.array([[sum(row) for row in found] for found in hits.values()], np.int64)  # (fillers, sentences)
    lengths = np.array([len(row) for row in next(iter(hits.values()))], np.int64)
    counts = counts[:, lengths > 0]
    n, most = max(1, counts.shape[1]), counts.max(axis=0, initial=0)
    alone = (counts == most) & ((counts == most).sum(axis=0) == 1)
    return {
        "n_sentences": int(counts.shape[1]),
        "n_masked": int(lengths.sum()),
        "top1": dict(zip(hits, (counts.sum(1) / max(1, lengths.sum())).tolist(), strict=True)),
        "wins": dict(zip(hits, (alone.sum(1) / n).tolist(), strict=True)),
        "ties": float(1 - alone.sum() / n),
    }


def fillers(
    counts: Trigram,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    ranks: Sequence[Sequence[int]],
    *,
    name: str,
    others: Mapping[str, Sequence[Sequence[bool]]] | None = None,
) -> dict[str, Any]:
    """`wins` of trigrams from the left and from both sides, of a masked model, and of others, at the same masked words.

    Args:
        counts: the trigrams.
        texts: sentences.
        spans: of `masked_spans`.
        ranks: of `masked_ranks`.
        name: of the model.
        others: hits at the same words by name, such as those of `next_word.gap_hits`.
    """
    hits = {LEFT: counts.hits(texts, spans, right=False), BOTH: counts.hits(texts, spans)} | dict(others or {})
    return wins(hits | {name: [[rank == 0 for rank in found] for found in ranks]})


def masked_spans(
    model: MaskedLM, texts: Sequence[str], *, seed: int, rate: float = 0.15, batch_size: int = 32
) -> list[list[tuple[int, int]]]:
    """The words that `evaluate_masked` masks with the same arguments: (start, end) in characters, for each sentence."""
    spans: list[list[tuple[int, int]]] = [[] for _ in texts]
    for rows, _, words, _, labels in _masked(model, texts, seed=seed, rate=rate, batch_size=batch_size):
        encoded = model.tokenizer([texts[row] for row in rows], truncation=True, max_length=limit(model))
        for i, row in enumerate(rows):
            for word in sorted(set(words[i][labels[i] != IGNORED].tolist())):
                start, end = encoded.word_to_chars(i, word)
                start += len(texts[row][start:end]) - len(texts[row][start:end].lstrip())  # a space counted to it
                spans[row].append((start, end))
    return spans


def pseudo_perplexity(model: MaskedLM, texts: Sequence[str], *, seed: int, n: int = 100) -> tuple[float, int]:
    """Pseudo-perplexity a token of some sentences drawn at random (Salazar et al. 2020); long ones are cut.

    Returns:
        exp of the mean negative log-probability of a token, and how many sentences were drawn.

    Raises:
        UserError: no sentence that the model can read.
    """
    total, n_tokens, used = 0.0, 0, 0
    for i in np.random.default_rng(seed).permutation(len(texts)):
        try:
            found = pseudo_log_likelihood(model, cut(model, texts[i]))
        except UserError:  # unknown symbols only, or a mask in it
            continue
        total, n_tokens, used = total + found.total, n_tokens + len(found.tokens), used + 1
        if used == n:
            break
    if not used:
        raise UserError("There is no sentence that the model can read; give another text.")
    return math.exp(-total / n_tokens), used


def _masked(
    model: MaskedLM, texts: Sequence[str], *, seed: int, rate: float, batch_size: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor, Tensor, Tensor]]:
    """Batches of row numbers, and of ids, words, masked ids and labels (B, L)."""
    tokenizer = model.tokenizer
    sentences = tokenise(texts, tokenizer, max_length=limit(model))
    row = np.repeat(np.arange(len(sentences)), sentences.lengths)
    _, word = np.unique(row * MOST_WORDS + sentences.words, return_inverse=True)
    good = np.bincount(word, _letters(tokenizer)[sentences.ids]) > 0
    good &= np.bincount(word, sentences.ids == tokenizer.unk_token_id) == 0
    sentences = replace(sentences, words=np.where(good[word], sentences.words, -1).astype(np.int16))
    some = np.bincount(row, sentences.words >= 0, len(sentences)) > 0  # sentences with a word to mask
    order = np.argsort(sentences.lengths, kind="stable")
    order, generator = order[some[order]], torch.Generator().manual_seed(seed)
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        ids, words = sentences.batch(rows, pad_id=tokenizer.pad_token_id)
        masked, labels = mask_words(
            ids, words, rate=rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer), generator=generator,
            corrupt=False,
        )  # fmt: skip
        yield rows, ids, words, masked, labels


def _letters(tokenizer: Any) -> np.ndarray:
    """Whether each token of a vocabulary has a letter in it, bool (V,)."""
    ids = [[id] for id in range(len(tokenizer))]
    texts = tokenizer.backend_tokenizer.decode_batch(ids, skip_special_tokens=False)
    found = np.array([any(c.isalpha() for c in text) for text in texts])
    found[tokenizer.all_special_ids] = False
    return found
