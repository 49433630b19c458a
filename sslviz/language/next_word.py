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
from torch import Tensor

from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language.model import CausalLM, head_of
from sslviz.language.predict import causal_limit, first_ids, prefix_ids
from sslviz.language.recurrent import GRUModel
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
    first, device, most = first_ids(model), next(model.model.parameters()).device, causal_limit(model)
    ranks: list[list[int]] = []
    costs: list[float] = []
    for n, text in enumerate(texts, 1):
        encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        ids, skipped = [*first, *encoded["input_ids"]][:most], len(first)
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


@torch.no_grad()
def gap_hits(
    model: CausalLM,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    *,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> list[list[bool]]:
    """Which gaps of sentences a left-to-right model fills with the word that stood there.

    It reads what is to the left of a gap; a gap further left has its own first answer in it, not the hidden word.
    A word of several tokens is found when each comes first, given those before it.

    Args:
        model: in eval mode, with a tokenizer that says where its tokens stand.
        texts: sentences.
        spans: for each its gaps, (start, end) in characters.
        batch_size: sentences a pass.
        progress: as in `evaluate_trigrams`.

    Returns:
        for each sentence and gap whether its word is found; False where a gap lies behind what the model reads.
    """
    tokenizer, device, most = model.tokenizer, next(model.model.parameters()).device, causal_limit(model)
    hits: list[list[bool]] = [[False] * len(row) for row in spans]
    rows = []  # for each sentence: its tokens as read so far, and of each gap its number, what comes before, its tokens
    for text, gaps in zip(texts, spans, strict=True):
        encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        parts, last = [], 0
        for gap, (begin, end) in enumerate(gaps):
            inside = [i for i, (a, b) in enumerate(offsets) if a < end and b > begin and a < b]
            if inside:
                parts.append((gap, ids[last : inside[0]], ids[inside[0] : inside[-1] + 1]))
                last = inside[-1] + 1
        rows.append((first_ids(model), parts))
    deepest = max((len(parts) for _, parts in rows), default=0)
    for depth in range(deepest):
        asked = []
        for n, (context, parts) in enumerate(rows):
            if depth < len(parts):
                gap, before, word = parts[depth]
                context.extend(before)
                if context and len(context) + len(word) <= most:
                    asked.append((n, gap, context, word))
        asked.sort(key=lambda row: len(row[2]))
        for at in range(0, len(asked), batch_size):
            part = asked[at : at + batch_size]
            inputs = [context + word[:-1] for _, _, context, word in part]
            longest = max(map(len, inputs))
            padded = torch.tensor([row + [0] * (longest - len(row)) for row in inputs], device=device)
            places = [(i, len(row[2]) - 1 + k) for i, row in enumerate(part) for k in range(len(row[3]))]
            logits = logits_after(model, padded, places)  # (M, V): what is padded lies behind all that is asked
            best = iter(logits.argmax(1).tolist())
            for n, gap, context, word in part:
                own = [next(best) for _ in word]
                hits[n][gap] = own == word
                context.append(own[0])
            if progress:
                progress((depth + (at + len(part)) / len(asked)) / deepest)
    return hits


def logits_after(model: CausalLM, ids: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
    """Logits (M, V) after M tokens, by row and position, of rows of tokens (B, L)."""
    rows, columns = (list(part) for part in zip(*places, strict=True))
    network = model.model
    if isinstance(network, GRUModel):
        return network.head(network.states(ids)[rows, columns])
    if not hasattr(network, "cls"):  # a head that is not known here
        return network(input_ids=ids).logits[rows, columns]
    return head_of(network)(network.base_model(input_ids=ids, use_cache=False).last_hidden_state[rows, columns])


@torch.no_grad()
def growth(model: CausalLM, before: str, word: str, *, most: int = 24) -> list[float]:
    """The probability of a word as a left-to-right model is given more of the words before it.

    Args:
        model: in eval mode.
        before: the text before the word.
        word: of one token or more, whose probabilities, each given those before it, are multiplied.
        most: words before it that are given at most.

    Returns:
        (K + 1,) in [0, 1]: given nothing, the last word, the last two, and so on up to all K.

    Raises:
        UserError: no word, or one that the tokenizer has no tokens for.
    """
    tokenizer, device = model.tokenizer, next(model.model.parameters()).device
    starts = [m.start() for m in re.finditer(r"\S+", before)][-most:]
    found = []
    for start in [None, *reversed(starts)]:
        context = "" if start is None else before[start:].strip()
        ids = prefix_ids(model, context)
        whole = prefix_ids(model, f"{context} {word}".strip())
        target = whole[len(ids) :]
        if not target or tokenizer.unk_token_id in target:
            raise UserError(f"The model has no tokens for '{word}'; take another word.")
        if not ids:  # nothing begins a text for this model, so it has no answer to nothing
            found.append(float("nan"))
            continue
        whole = whole[-causal_limit(model) :]
        rows = model.model(input_ids=torch.tensor([whole], device=device), logits_to_keep=len(target) + 1).logits[0]
        values = rows[:-1].double().log_softmax(-1).cpu()
        found.append(math.exp(sum(float(values[i, id]) for i, id in enumerate(target))))
    return found


def trigram_growth(counts: Trigram, before: str, word: str, *, most: int = 24) -> list[float]:
    """`growth` of trigrams, which read no more than two words.

    Raises:
        UserError: a word that they have never counted.
    """
    if word.lower() not in counts.vocabulary:
        raise UserError(f"The trigrams have never seen '{word}'; take another word.")
    number = counts.vocabulary.index(word.lower())
    words, _ = with_gaps(before, [])
    found = []
    for k in range(min(most, len(words)) + 1):
        known = words[len(words) - k :]
        found.append(float(counts.distribution([*known, None], len(known), right=False)[number]))
    return found


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
