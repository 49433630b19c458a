"""What a masked language model makes of a sentence: it fills masks, scores words, and shows how.

The vocabulary head runs on the asked-for positions only. Probabilities are in [0, 1], logarithms natural, ranks from 1.
"""

import math
from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.language.model import MAX_PIECES, CausalLM, MaskedLM, NextSentence, limit
from sslviz.language.sentence import MaskedText, Piece, cut, mask_text, pieces, put, readable, word_spans
from sslviz.language.text import IGNORED, mask_words
from sslviz.methods.losses import masked_cross_entropy

__all__ = [
    "PLL", "Mask", "MaskedLoss", "MaskedText", "Piece", "Prediction", "Score", "Step", "adapt", "attention", "cut",
    "fill", "fill_in_turn", "limit", "logit_lens", "mask_text", "masked_losses", "next_sentence", "next_word", "pieces",
    "pseudo_log_likelihood", "pseudo_perplexity", "put", "rollout", "score", "sentence_vectors", "word_spans",
]  # fmt: skip

MAX_STEPS, MAX_TEXTS = 500, 200  # of an adaptation


@dataclass(frozen=True)
class Prediction:
    """A candidate for a place: readable token, id, probability."""

    token: str
    id: int
    probability: float


@dataclass(frozen=True)
class Mask:
    """What is predicted at one place.

    Attributes:
        position: of the mask among the pieces.
        predictions: the most probable first.
        entropy: of the whole distribution, in nats.
        original: the token that stood there, None where the mask was typed.
        rank: of the original, 1 is first.
        probability: of the original.
    """

    position: int
    predictions: tuple[Prediction, ...]
    entropy: float
    original: str | None
    rank: int | None
    probability: float | None


@dataclass(frozen=True)
class Step:
    """One mask filled for good: where, with what, how sure, and the sentence after it."""

    position: int
    token: str
    probability: float
    text_after: str


@dataclass(frozen=True)
class Score:
    """How probable a word is: of all its pieces, each given those before it; the rank (1 is first) of one piece."""

    pieces: tuple[str, ...]
    probability: float
    rank: int | None


@dataclass(frozen=True)
class PLL:
    """Pseudo-log-likelihood of a sentence in nats (Salazar et al. 2020, arXiv:1910.14659).

    Attributes:
        total: the sum over all pieces.
        pieces: those that are scored, without the special ones at the ends.
        log_probabilities: of each piece given all others (n_pieces,).
        words: for each word of `word_spans` the sum over its pieces.
    """

    total: float
    pieces: tuple[Piece, ...]
    log_probabilities: np.ndarray
    words: tuple[float, ...]


@dataclass(frozen=True)
class MaskedLoss:
    """One place of the pretraining task: what stood there, what the model was shown, what it said; loss in nats."""

    position: int
    original: str
    shown: str
    predicted: str
    loss: float


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
    return _masks(model, masked, _logits(model, [masked.ids], [masked.positions]), top_k, temperature)


def fill_in_turn(model: MaskedLM, text: str, *, words: Sequence[int] = ()) -> tuple[Step, ...]:
    """Fill one mask after the other, always the one that the model is most certain of, each given those before it."""
    masked = mask_text(model, text, words)
    ids, left, shown, steps = list(masked.ids), list(masked.positions), masked.text, []
    while left:
        best, id = _log_softmax(_logits(model, [ids], [left])).max(dim=1)
        i = int(best.argmax())
        position, token = left.pop(i), readable(model.tokenizer, int(id[i]))
        ids[position] = int(id[i])
        shown = put(shown, i, token)
        steps.append(Step(position, token, math.exp(best[i]), shown))
    return tuple(steps)


def score(model: MaskedLM, text: str, word: str, *, words: Sequence[int] = ()) -> Score:
    """How probable a word is at the first mask.

    A word of several pieces gets as many masks; its probability is the product of each piece's, filled left to right.
    The masks of the first masked word are taken together; other masks stay.

    Raises:
        UserError: no word, a word of unknown symbols, or see `mask_text`.
    """
    if not (word := word.strip()):
        raise UserError("There is no word to score; type one.")
    masked, mask_id = mask_text(model, text, words), model.tokenizer.mask_token_id
    found = pieces(model, text)
    first = [found[p] for p, group in zip(masked.positions, masked.groups, strict=True) if group == 0]
    start, end = first[0].start, first[-1].end
    others = {n for p in masked.positions if (n := found[p].word) is not None} - {first[0].word}
    shift = len(word_spans(text[:start] + word + text[end:])) - len(word_spans(text))
    written = pieces(model, text[:start] + word + text[end:])
    target = [p for p in written if not p.special and p.start < start + len(word) and p.end > start]
    if any(p.id in (model.tokenizer.unk_token_id, mask_id) for p in target) or not target:
        raise UserError(f"The model has no pieces for '{word}'; type another word.")
    inside = {p.position for p in target}
    later = {n + shift if n > (first[0].word or 0) else n for n in others}
    ids = [mask_id if p.position in inside or p.word in later else p.id for p in written]
    total, rank = 0.0, None
    for piece in target:
        row = _log_softmax(_logits(model, [ids], [[piece.position]]))[0]  # (V,)
        total += float(row[piece.id])
        rank = int((row > row[piece.id]).sum()) + 1
        ids[piece.position] = piece.id
    return Score(tuple(p.token for p in target), math.exp(total), rank if len(target) == 1 else None)


def pseudo_log_likelihood(model: MaskedLM, text: str, *, batch_size: int = 32) -> PLL:
    """Mask every piece of a sentence in turn, and add up the logarithms of what the model gives to each.

    Raises:
        UserError: the sentence has a mask in it, or see `pieces`.
    """
    found, mask_id = pieces(model, text), model.tokenizer.mask_token_id
    ids = [p.id for p in found]
    if mask_id in ids:
        raise UserError("A sentence with a mask can't be scored as a whole; put a word in its place.")
    scored = tuple(p for p in found if not p.special)
    values: list[float] = []
    for first in range(0, len(scored), batch_size):
        part = scored[first : first + batch_size]
        rows = [[*ids[: p.position], mask_id, *ids[p.position + 1 :]] for p in part]
        log_probabilities = _log_softmax(_logits(model, rows, [[p.position] for p in part]))  # (B, V)
        values += [float(row[p.id]) for row, p in zip(log_probabilities, part, strict=True)]
    words = [0.0] * len(word_spans(text))
    for piece, value in zip(scored, values, strict=True):
        if piece.word is not None:
            words[piece.word] += value
    return PLL(math.fsum(values), scored, np.array(values), tuple(words))


def pseudo_perplexity(model: MaskedLM, texts: Sequence[str], *, seed: int, n: int = 100) -> tuple[float, int]:
    """Pseudo-perplexity a piece of some sentences drawn at random (Salazar et al. 2020); long ones are cut.

    Returns:
        exp of the mean negative log-probability of a piece, and how many sentences were drawn.

    Raises:
        UserError: no sentence that the model can read.
    """
    total, n_pieces, used = 0.0, 0, 0
    for i in np.random.default_rng(seed).permutation(len(texts)):
        try:
            found = pseudo_log_likelihood(model, cut(model, texts[i]))
        except UserError:  # unknown symbols only, or a mask in it
            continue
        total, n_pieces, used = total + found.total, n_pieces + len(found.pieces), used + 1
        if used == n:
            break
    if not used:
        raise UserError("There is no sentence that the model can read; give another text.")
    return math.exp(-total / n_pieces), used


# how the answer comes about -----------------------------------------------------------------------------------------


@torch.no_grad()
def logit_lens(
    model: MaskedLM, text: str, *, words: Sequence[int] = (), top_k: int = 5
) -> tuple[tuple[Mask, ...], ...]:
    """What each layer would answer if the head came right after it: embeddings first, the last is the answer.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    masked = mask_text(model, text, words)
    output = _body(model, masked, output_hidden_states=True)
    states = (*output.hidden_states[:-1], output.last_hidden_state)
    return tuple(_masks(model, masked, model.head(h[0, list(masked.positions)]), top_k, 1.0) for h in states)


@torch.no_grad()
def attention(model: MaskedLM, text: str, *, words: Sequence[int] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """How much each piece (row) looks at each other (column), in every layer and head.

    Returns:
        float32 (layers, heads, L, L), each row sums to 1; and the L tokens. Without masks and `words` the sentence is
        read as it stands.

    Raises:
        UserError: a kind of model that gives no such weights, or see `pieces`.
    """
    found = pieces(model, text)
    if words or model.tokenizer.mask_token_id in [p.id for p in found]:
        masked = mask_text(model, text, words)
    else:
        ids = tuple(p.id for p in found)
        masked = MaskedText(ids, (), (), text, ids, ())
    weights = _body(model, masked, output_attentions=True).attentions
    if not weights or any(w is None or w.shape[-1] != w.shape[-2] for w in weights):
        raise UserError(f"A {type(model.model).__name__} does not show its attention; choose a BERT or a RoBERTa.")
    tokens = tuple(readable(model.tokenizer, id) for id in masked.ids)
    return torch.cat(weights).float().cpu().numpy(), tokens


def rollout(attention: np.ndarray) -> np.ndarray:
    """Attention through all layers: mean over heads, half of it the residual path, multiplied up.

    Args:
        attention: (layers, heads, L, L).

    Returns:
        (L, L), each row sums to 1 (Abnar & Zuidema 2020, arXiv:2005.00928).
    """
    length = attention.shape[-1]
    flow = np.eye(length)
    for layer in attention.astype(np.float64).mean(1):  # (L, L)
        mixed = 0.5 * layer + 0.5 * np.eye(length)
        flow = (mixed / mixed.sum(1, keepdims=True)) @ flow
    return flow.astype(np.float32)


@torch.no_grad()
def sentence_vectors(
    model: MaskedLM,
    texts: Sequence[str],
    *,
    layer: int | None = -1,
    batch_size: int = 32,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Sentences as vectors: the mean of a layer's states over their pieces, special ones left out.

    Args:
        model: in eval mode.
        texts: N sentences; what is longer than the model reads is cut.
        layer: 0 for the embeddings, -1 for the last layer, None for all of them at once.
        batch_size: sentences a pass.
        progress: called after each pass with the share done, in (0, 1]; may raise to cancel.

    Returns:
        float32 (N, D), or (layers + 1, N, D) for all layers, embeddings first.
    """
    if not texts or not all(text.strip() for text in texts):
        raise UserError("There is an empty sentence, or none at all; give sentences with words in them.")
    tokenizer, device = model.tokenizer, next(model.parameters()).device
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: dict[int, np.ndarray] = {}
    for first in range(0, len(order), batch_size):
        part = order[first : first + batch_size]
        encoded = tokenizer(
            [texts[i] for i in part], truncation=True, max_length=limit(model), padding=True, return_tensors="pt",
            return_special_tokens_mask=True,
        )  # fmt: skip
        mask = encoded["attention_mask"].to(device)
        output = model.model.base_model(
            input_ids=encoded["input_ids"].to(device), attention_mask=mask, output_hidden_states=layer != -1
        )
        states = (*(output.hidden_states or ())[:-1], output.last_hidden_state)
        chosen = states if layer is None else [states[layer]]
        weight = (mask * (1 - encoded["special_tokens_mask"].to(device))).unsqueeze(-1)  # (B, L, 1)
        mean = torch.stack([(h * weight).sum(1) for h in chosen], 1) / weight.sum(1)[:, None].clamp(min=1)
        rows |= dict(zip(part, mean.float().cpu().numpy(), strict=True))  # (layers, D) each
        if progress:
            progress(len(rows) / len(texts))
    found = np.stack([rows[i] for i in range(len(texts))], axis=1)  # (layers, N, D)
    return found if layer is None else found[0]


# the task it is trained on ------------------------------------------------------------------------------------------


def masked_losses(model: MaskedLM, text: str, *, seed: int, rate: float = 0.15) -> tuple[MaskedLoss, ...]:
    """Mask words at random as in training (80 % mask, 10 % another piece, 10 % left), and the loss at each piece."""
    found, tokenizer = pieces(model, text), model.tokenizer
    ids, words = _ids_and_words(found, tokenizer)
    if not (words >= 0).any():
        raise UserError("There is no word to mask in this text; type a sentence.")
    shown, labels = mask_words(
        ids, words, rate=rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer),
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    positions = (labels[0] != IGNORED).nonzero()[:, 0].tolist()
    log_probabilities = _log_softmax(_logits(model, shown.tolist(), [positions]))  # (M, V)
    return tuple(
        MaskedLoss(
            p, found[p].token, readable(tokenizer, int(shown[0, p])), readable(tokenizer, int(row.argmax())),
            -float(row[found[p].id]),
        )
        for p, row in zip(positions, log_probabilities, strict=True)
    )  # fmt: skip


def adapt(
    model: MaskedLM, texts: Sequence[str], *, steps: int = 50, lr: float = 1e-4, seed: int = 0, rate: float = 0.15
) -> Generator[tuple[int, float], None, MaskedLM]:
    """Train a copy of the model on some sentences; the model itself is left alone.

    The word embeddings stay as they are. Every step masks the sentences anew, each several times where they are few.

    Args:
        model: is copied.
        texts: up to 200 sentences.
        steps: up to 500.
        lr: of AdamW, falling linearly to 0.
        seed: of the masks and of the choice of sentences.
        rate: share of the words masked.

    Yields:
        (step from 1, loss in nats).

    Returns:
        The copy, in eval mode: the value of the generator.

    Raises:
        UserError: no sentence, too many of them, or a loss that is not finite.
    """
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise UserError("There is no sentence to train on; type some.")
    if len(texts) > MAX_TEXTS or not 1 <= steps <= MAX_STEPS:
        raise UserError(f"Give at most {MAX_TEXTS} sentences and from 1 to {MAX_STEPS} steps.")
    tokenizer = model.tokenizer
    rows = [_ids_and_words(pieces(model, text), tokenizer) for text in texts]
    rows = [(ids[0], words[0]) for ids, words in rows if (words >= 0).any()]
    if not rows:
        raise UserError("There is no word to mask in these sentences; type others.")
    copy = MaskedLM(deepcopy(model.model), tokenizer, model.config, model.name).train()
    for module in copy.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    copy.model.requires_grad_(True)
    copy.model.get_input_embeddings().weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in copy.parameters() if p.requires_grad], lr=lr, weight_decay=0.0)
    generator, device = torch.Generator().manual_seed(seed), next(copy.parameters()).device
    for step in range(1, steps + 1):
        chosen = torch.randperm(len(rows), generator=generator)[:16].repeat(max(1, 16 // len(rows)))
        pad = torch.nn.utils.rnn.pad_sequence
        ids = pad([rows[i][0] for i in chosen], batch_first=True, padding_value=tokenizer.pad_token_id)  # (B, L)
        words = pad([rows[i][1] for i in chosen], batch_first=True, padding_value=-1)
        shown, labels = mask_words(
            ids, words, rate=rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer), generator=generator
        )
        places = labels != IGNORED
        logits = copy(shown.to(device), (ids != tokenizer.pad_token_id).to(device), places.to(device))
        loss = masked_cross_entropy(logits, labels[places].to(device))
        if not loss.isfinite():
            raise UserError("The loss is no longer finite; take a lower learning rate.")
        optimizer.param_groups[0]["lr"] = lr * (1 - (step - 1) / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        yield step, float(loss.detach())
    return copy.eval().requires_grad_(False)


# other heads --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def next_word(causal: CausalLM, prefix: str, *, top_k: int = 10, temperature: float = 1.0) -> tuple[Prediction, ...]:
    """What a model that reads from the left only puts after a prefix.

    Raises:
        UserError: an empty prefix, or one that is too long.
    """
    if not prefix.strip():
        raise UserError("There is no text to go on from; type the beginning of a sentence.")
    ids = causal.tokenizer(prefix.rstrip(), verbose=False)["input_ids"]
    most = min(getattr(causal.model.config, "max_position_embeddings", None) or MAX_PIECES, MAX_PIECES)
    if len(ids) > most:
        raise UserError(f"This text has {len(ids):,} pieces, and the model reads at most {most:,}; shorten it.")
    device = next(causal.model.parameters()).device
    logits = causal.model(input_ids=torch.tensor([ids], device=device), logits_to_keep=1).logits[0, -1:]
    return _predictions(causal.tokenizer, _tempered(logits, temperature)[0], top_k)


@torch.no_grad()
def next_sentence(model: NextSentence, a: str, b: str) -> float:
    """The probability that b follows a (Devlin et al. 2019, arXiv:1810.04805).

    Raises:
        UserError: an empty sentence, or two that are too long together.
    """
    if not a.strip() or not b.strip():
        raise UserError("Two sentences are needed; type both.")
    device = next(model.model.parameters()).device
    encoded = model.tokenizer(a, b, return_tensors="pt", verbose=False).to(device)
    length, most = encoded["input_ids"].shape[1], model.model.config.max_position_embeddings
    if length > most:
        raise UserError(f"The two sentences have {length:,} pieces, and the model reads at most {most:,}; shorten one.")
    return float(model.model(**encoded).logits[0].double().softmax(0)[0])  # the first is "is next"


# shared -------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def _logits(model: MaskedLM, ids: Sequence[Sequence[int]], positions: Sequence[Sequence[int]]) -> Tensor:
    """Logits (M, V) at some positions of equally long rows, row by row, each row's positions rising."""
    device = next(model.parameters()).device
    rows = torch.tensor(ids, device=device)  # (B, L)
    places = torch.zeros(rows.shape, dtype=torch.bool, device=device)
    for i, row in enumerate(positions):
        places[i, list(row)] = True
    return model(rows, torch.ones_like(rows), places)


def _body(model: MaskedLM, masked: MaskedText, **wanted: bool) -> Any:
    ids = torch.tensor([masked.ids], device=next(model.parameters()).device)
    return model.model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), **wanted)


def _log_softmax(logits: Tensor) -> Tensor:
    return logits.double().cpu().log_softmax(-1)


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    if not 0 < temperature < math.inf:
        raise UserError(f"The temperature must be above 0, not {temperature}.")
    return _log_softmax(logits / temperature)


def _predictions(tokenizer: Any, log_probabilities: Tensor, top_k: int) -> tuple[Prediction, ...]:
    if top_k < 1:
        raise UserError(f"The number of predictions must be at least 1, not {top_k}.")
    best = log_probabilities.topk(min(top_k, len(log_probabilities)))
    pairs = zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
    return tuple(Prediction(readable(tokenizer, id), id, probability) for id, probability in pairs)


def _masks(model: MaskedLM, masked: MaskedText, logits: Tensor, top_k: int, temperature: float) -> tuple[Mask, ...]:
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


def _ids_and_words(found: Sequence[Piece], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Pieces as a batch of one for `mask_words`: ids and words (1, L), -1 where nothing may be masked."""
    kept = [-1 if p.word is None or p.id in tokenizer.all_special_ids else p.word for p in found]
    return torch.tensor([[p.id for p in found]]), torch.tensor([kept])
