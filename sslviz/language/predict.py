"""What a masked language model makes of a sentence: it fills masks, scores words, and shows how.

The vocabulary head runs on the asked-for positions only. Probabilities are in [0, 1], logarithms natural, ranks from 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.errors import UserError
from sslviz.language.answers import END, PLL, Mask, Places, Prediction, Score, Step
from sslviz.language.model import CausalLM, MaskedLM, NextSentence
from sslviz.language.sentence import MAX_TOKENS, MaskedText, mask_text, put, readable, tokens_of, word_spans
from sslviz.language.text import composed

# filling ------------------------------------------------------------------------------------------------------------


def fill(
    model: MaskedLM, text: str, *, words: Sequence[int] = (), top_k: int = 10, temperature: float = 1.0
) -> tuple[Mask, ...]:
    """What the model predicts at each mask, all at once and independently of one another.

    Args:
        model: in eval mode.
        text: a sentence, masks typed or not.
        words: numbers of words (`word_spans`) to mask as well.
        top_k: predictions a mask.
        temperature: the logits are divided by it.

    Raises:
        UserError: see `mask_text`; or a top_k below 1, or a temperature that is not above 0.
    """
    masked = mask_text(model, text, words)
    return answers(model, masked, logits_at(model, [masked.ids], [masked.positions]), top_k, temperature)


def fill_in_turn(
    model: MaskedLM, text: str, *, words: Sequence[int] = (), progress: Callable[[float], None] | None = None
) -> tuple[Step, ...]:
    """Fill one mask after the other, always the one that the model is most certain of, each given those before it.

    Args:
        model, text, words: as in `fill`.
        progress: called after each mask with the share done, in (0, 1]; may raise to cancel.
    """
    masked = mask_text(model, text, words)
    ids, left, shown, steps = list(masked.ids), list(masked.positions), masked.text, []
    while left:
        best, id = log_softmax(logits_at(model, [ids], [left])).max(dim=1)
        i = int(best.argmax())
        position, token = left.pop(i), readable(model.tokenizer, int(id[i]))
        ids[position] = int(id[i])
        shown = put(shown, i, token)
        steps.append(Step(position, token, math.exp(best[i]), shown))
        if progress:
            progress(len(steps) / len(masked.positions))
    return tuple(steps)


def score(
    model: MaskedLM,
    text: str,
    word: str,
    *,
    words: Sequence[int] = (),
    progress: Callable[[float], None] | None = None,
) -> Score:
    """How probable a word is at the first mask.

    A word of several tokens gets as many masks; its probability is the product of each token's, filled left to right.
    The masks of the first masked word are taken together; other masks stay. `progress` is as in `fill_in_turn`.

    Raises:
        UserError: no word, a word of unknown symbols, or see `mask_text`.
    """
    if not (word := composed(word).strip()):
        raise UserError("There is no word to score; type one.")
    text = composed(text)
    masked, mask_id = mask_text(model, text, words), model.tokenizer.mask_token_id
    found = tokens_of(model, text)
    first = [found[p] for p, group in zip(masked.positions, masked.groups, strict=True) if group == 0]
    start, end = first[0].start, first[-1].end
    others = {n for p in masked.positions if (n := found[p].word) is not None} - {first[0].word}
    shift = len(word_spans(text[:start] + word + text[end:])) - len(word_spans(text))
    written = tokens_of(model, text[:start] + word + text[end:])
    target = [p for p in written if not p.special and p.start < start + len(word) and p.end > start]
    if any(p.id in (model.tokenizer.unk_token_id, mask_id) for p in target) or not target:
        raise UserError(f"The model has no tokens for '{word}'; type another word.")
    inside = {p.position for p in target}
    later = {n + shift if n > (first[0].word or 0) else n for n in others}
    ids = [mask_id if p.position in inside or p.word in later else p.id for p in written]
    total, rank = 0.0, None
    for n, token in enumerate(target, 1):
        row = log_softmax(logits_at(model, [ids], [[token.position]]))[0]  # (V,)
        total += float(row[token.id])
        rank = int((row > row[token.id]).sum()) + 1
        ids[token.position] = token.id
        if progress:
            progress(n / len(target))
    return Score(tuple(p.token for p in target), math.exp(total), rank if len(target) == 1 else None)


def pseudo_log_likelihood(
    model: MaskedLM, text: str, *, batch_size: int = 32, progress: Callable[[float], None] | None = None
) -> PLL:
    """Mask every token of a sentence in turn, and add up the logarithms of what the model gives to each.

    Raises:
        UserError: the sentence has a mask in it, or see `tokens_of`.
    """
    found, mask_id = tokens_of(model, text), model.tokenizer.mask_token_id
    ids = [p.id for p in found]
    if mask_id in ids:
        raise UserError("A sentence with a mask can't be scored as a whole; put a word in its place.")
    scored = tuple(p for p in found if not p.special)
    values: list[float] = []
    for first in range(0, len(scored), batch_size):
        part = scored[first : first + batch_size]
        rows = [[*ids[: p.position], mask_id, *ids[p.position + 1 :]] for p in part]
        log_probabilities = log_softmax(logits_at(model, rows, [[p.position] for p in part]))  # (B, V)
        values += [float(row[p.id]) for row, p in zip(log_probabilities, part, strict=True)]
        if progress:
            progress(len(values) / len(scored))
    words = [0.0] * len(word_spans(text))
    for token, value in zip(scored, values, strict=True):
        if token.word is not None:
            words[token.word] += value
    return PLL(math.fsum(values), scored, np.array(values), tuple(words))


def two_places(model: MaskedLM, a: str, b: str, *, words: tuple[int, int], top_k: int = 40) -> Places:
    """What the model expects in a place of one sentence and in a place of another.

    Args:
        model: in eval mode.
        a, b: two sentences.
        words: which word of each is masked (`word_spans`); of a word of several tokens the first is compared.
        top_k: best candidates of each that are kept.

    Raises:
        UserError: see `mask_text`.
    """
    rows = []
    for text, word in zip((a, b), words, strict=True):
        masked = mask_text(model, text, (word,))
        rows.append(log_softmax(logits_at(model, [masked.ids], [masked.positions[:1]]))[0].exp().numpy())
    first, second = rows
    best = {int(i) for row in rows for i in np.argsort(-row)[:top_k]}
    order = np.array(sorted(best, key=lambda i: -(first[i] + second[i])))
    tokens = tuple(readable(model.tokenizer, int(i)) for i in order)
    return Places(tokens, first[order], second[order], float(np.abs(first - second).sum() / 2))


# other heads --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def next_word(causal: CausalLM, prefix: str, *, top_k: int = 10, temperature: float = 1.0) -> tuple[Prediction, ...]:
    """What a model that reads from the left only puts after a prefix; `END` is the end of the text.

    Raises:
        UserError: an empty prefix, or one that is too long.
    """
    ids = _within(causal, prefix)
    logits = causal.model(input_ids=torch.tensor([ids], device=_device(causal)), logits_to_keep=1).logits[0, -1:]
    row = _tempered(logits, temperature)[0]
    row[[id for id in causal.tokenizer.all_special_ids if id != _end(causal.tokenizer)]] = -math.inf
    return tuple(
        replace(p, token=END) if p.id == _end(causal.tokenizer) else p
        for p in _predictions(causal.tokenizer, row, top_k)
    )


@torch.no_grad()
def write_on(causal: CausalLM, prefix: str, *, words: int = 5, temperature: float = 1.0, seed: int = 0) -> str:
    """The text with some words more, each drawn from what the model puts after those before it.

    Args:
        causal: in eval mode.
        prefix: the beginning.
        words: how many are added at most; fewer where the sentence ends before.
        temperature: the logits are divided by it.
        seed: of the draws.

    Raises:
        UserError: as `next_word`.
    """
    generator, tokenizer = torch.Generator().manual_seed(seed), causal.tokenizer
    text, added = composed(prefix).rstrip(), 0
    for _ in range(4 * words):  # tokens
        ids = _within(causal, text)
        logits = causal.model(input_ids=torch.tensor([ids], device=_device(causal)), logits_to_keep=1).logits[0, -1:]
        row = _tempered(logits, temperature)[0].exp()
        row[[id for id in tokenizer.all_special_ids if id != _end(tokenizer)]] = 0.0
        id = int(torch.multinomial(row, 1, generator=generator))
        token = readable(tokenizer, id)
        starts = not token.startswith("##") and any(map(str.isalnum, token))
        added += starts
        if id == _end(tokenizer) or added > words:
            break
        glued = token.startswith("##") or token in (*".,;:!?)'", "'s") or text.endswith(("'", "(", "-"))
        text += ("" if glued else " ") + token.removeprefix("##")
        if token in (".", "!", "?"):
            break
    return text


def _end(tokenizer: Any) -> int | None:
    """The token that ends a text."""
    return tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id


def _device(causal: CausalLM) -> torch.device:
    found: torch.device = next(causal.model.parameters()).device
    return found


def _within(causal: CausalLM, prefix: str) -> list[int]:
    """The tokens of a text that a left-to-right model can read.

    Raises:
        UserError: an empty text, or one that is too long.
    """
    if not prefix.strip():
        raise UserError("There is no text to go on from; type the beginning of a sentence.")
    ids = prefix_ids(causal, prefix)
    if len(ids) > (most := causal_limit(causal)):
        raise UserError(f"This text has {len(ids):,} tokens, and the model reads at most {most:,}; shorten it.")
    return ids


def prefix_ids(causal: CausalLM, prefix: str) -> list[int]:
    """The tokens of a text that goes on: with the one that begins a text, where there is one, and none that ends it."""
    tokenizer = causal.tokenizer
    ids = tokenizer(composed(prefix).rstrip(), add_special_tokens=False, verbose=False)["input_ids"]
    return [*first_ids(causal), *ids]


def first_ids(causal: CausalLM) -> list[int]:
    """The token that begins a text for a model, alone in a list; an empty one where there is none."""
    tokenizer = causal.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.cls_token_id
    return [] if first is None else [first]


def causal_limit(causal: CausalLM) -> int:
    """The most tokens that a left-to-right model is given."""
    return min(getattr(causal.model.config, "max_position_embeddings", None) or MAX_TOKENS, MAX_TOKENS)


@torch.no_grad()
def next_sentence(model: NextSentence, a: str, b: str) -> float:
    """The probability that b follows a (Devlin et al. 2019, arXiv:1810.04805).

    Raises:
        UserError: an empty sentence, or two that are too long together.
    """
    if not a.strip() or not b.strip():
        raise UserError("Two sentences are needed; type both.")
    device = next(model.model.parameters()).device
    encoded = model.tokenizer(
        composed(a), composed(b), return_tensors="pt", return_token_type_ids=True, verbose=False
    ).to(device)
    length, most = encoded["input_ids"].shape[1], model.model.config.max_position_embeddings
    if length > most:
        raise UserError(f"The two sentences have {length:,} tokens, and the model reads at most {most:,}; shorten one.")
    return float(model.model(**encoded).logits[0].double().softmax(0)[0])  # the first is "is next"


# shared -------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def logits_at(model: MaskedLM, ids: Sequence[Sequence[int]], positions: Sequence[Sequence[int]]) -> Tensor:
    """Logits (M, V) at some positions of equally long rows, row by row, each row's positions rising."""
    device = next(model.parameters()).device
    rows = torch.tensor(ids, device=device)  # (B, L)
    places = torch.zeros(rows.shape, dtype=torch.bool, device=device)
    for i, row in enumerate(positions):
        places[i, list(row)] = True
    return model(rows, torch.ones_like(rows), places)


def body(model: MaskedLM, masked: MaskedText, **wanted: bool) -> Any:
    ids = torch.tensor([masked.ids], device=next(model.parameters()).device)
    return model.model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), **wanted)


def log_softmax(logits: Tensor) -> Tensor:
    return logits.double().cpu().log_softmax(-1)


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    if not 0 < temperature < math.inf:
        raise UserError(f"The temperature must be above 0, not {temperature}.")
    return log_softmax(logits / temperature)


def _predictions(tokenizer: Any, log_probabilities: Tensor, top_k: int) -> tuple[Prediction, ...]:
    if top_k < 1:
        raise UserError(f"The number of predictions must be at least 1, not {top_k}.")
    best = log_probabilities.topk(min(top_k, len(log_probabilities)))
    pairs = zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
    return tuple(Prediction(readable(tokenizer, id), id, probability) for id, probability in pairs)


def answers(model: MaskedLM, masked: MaskedText, logits: Tensor, top_k: int, temperature: float) -> tuple[Mask, ...]:
    found = []
    rows = _tempered(logits, temperature)  # (M, V)
    for position, original, row in zip(masked.positions, masked.originals, rows, strict=True):
        p = row.exp()
        entropy = -float(torch.where(p > 0, p * row, 0.0).sum())
        id = masked.original_ids[position]
        known = original is not None
        rank = int((row > row[id]).sum()) + 1 if known else None
        predictions = _predictions(model.tokenizer, row, top_k)
        found.append(Mask(position, predictions, entropy, original, rank, float(p[id]) if known else None))
    return tuple(found)
