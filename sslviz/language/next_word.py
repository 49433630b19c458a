"""How well the next word of a text is predicted from the words before it: by trigrams, and by a left-to-right model.

Both are asked for the same words: all with a letter in them but the first of each sentence. A word of several tokens
counts as found when each of its tokens comes first, given those before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language.model import CausalLM
from sslviz.language.predict import causal_limit
from sslviz.language.trigram import Trigram, with_gaps

_WORD = re.compile(r"[^\W_]+")
Progress = Callable[[float], None]


def asked_words(text: str) -> list[tuple[int, int]]:
    """The words of a sentence that are asked for: (start, end) in characters."""
    found = [m.span() for m in _WORD.finditer(text)]
    return [(a, b) for a, b in found[1:] if any(c.isalpha() for c in text[a:b])]


def evaluate_trigrams(counts: Trigram, texts: Sequence[str], *, progress: Progress | None = None) -> dict[str, Any]:
    """Share of the next words that trigrams find.

    Args:
        counts: from the words on the left only.
        texts: sentences.
        progress: called with the share done; may raise to cancel.

    Returns:
        n_words, n_sentences, top1 and top5 in [0, 1], top1_interval (95 %, Wilson, over words).
    """
    ranks: list[list[int]] = []
    known = {word: number for number, word in enumerate(counts.vocabulary)}
    for n, text in enumerate(texts, 1):
        row = []
        for start, end in asked_words(text):
            words, gaps = with_gaps(text[:end], [(start, end)])
            p = counts.scores(words, gaps[0][0], right=False)
            number = known.get(text[start:end].lower())
            row.append(len(p) if number is None else int((p > p[number]).sum()))
        ranks.append(row)
        if progress:
            progress(n / len(texts))
    return _shares(ranks)


@torch.no_grad()
def evaluate_causal(model: CausalLM, texts: Sequence[str], *, progress: Progress | None = None) -> dict[str, Any]:
    """Share of the next words that a left-to-right model finds, and its perplexity.

    Args:
        model: in eval mode; its tokenizer must say where its tokens stand.
        texts: sentences; what is longer than the model reads is cut.
        progress: as in `evaluate_trigrams`.

    Returns:
        as `evaluate_trigrams`, and perplexity: exp of the mean negative log-probability of a word.

    Raises:
        UserError: a tokenizer that does not say where its tokens stand.
    """
    tokenizer = model.tokenizer
    if not tokenizer.is_fast:
        raise UserError(f"The tokenizer of {model.name} can't tell words apart; choose a model with a fast one.")
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.cls_token_id
    device, most = next(model.model.parameters()).device, causal_limit(model)
    ranks: list[list[int]] = []
    costs: list[float] = []
    for n, text in enumerate(texts, 1):
        encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        ids = ([] if first is None else [first]) + encoded["input_ids"]
        ids, skipped = ids[:most], int(first is not None)
        rows = model.model(input_ids=torch.tensor([ids], device=device)).logits[0].double().log_softmax(-1).cpu()
        row = []
        for places in _tokens_of_words(text, encoded["offset_mapping"]):
            at = [place + skipped for place in places]
            if not at or at[0] == 0 or at[-1] >= len(ids):
                continue
            own = [float(rows[i - 1, ids[i]]) for i in at]
            row.append(max(int((rows[i - 1] > value).sum()) for i, value in zip(at, own, strict=True)))
            costs.append(-sum(own))
        ranks.append(row)
        if progress:
            progress(n / len(texts))
    return _shares(ranks) | {"perplexity": math.exp(sum(costs) / len(costs)) if costs else None}


def _tokens_of_words(text: str, offsets: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each word that is asked for the numbers of its tokens."""
    return [
        [i for i, (a, b) in enumerate(offsets) if a < end and b > start and a < b] for start, end in asked_words(text)
    ]


def _shares(ranks: Sequence[Sequence[int]]) -> dict[str, Any]:
    flat = np.array([rank for row in ranks for rank in row], np.int64)
    found: dict[str, Any] = {"n_words": len(flat), "n_sentences": sum(bool(row) for row in ranks)}
    found |= {f"top{k}": float((flat < k).mean()) if len(flat) else None for k in (1, 5)}
    return found | {"top1_interval": accuracy_interval(found["top1"], len(flat)) if len(flat) else None}
