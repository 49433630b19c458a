"""How an answer comes about: layer by layer, by attention, and a sentence as a vector."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslviz.errors import UserError
from sslviz.language.answers import Mask
from sslviz.language.model import CausalLM, MaskedLM
from sslviz.language.predict import answers, body
from sslviz.language.recurrent import GRUModel
from sslviz.language.sentence import MaskedText, limit, mask_text, readable, tokens_of
from sslviz.language.text import composed


@torch.no_grad()
def logit_lens(
    model: MaskedLM, text: str, *, words: Sequence[int] = (), top_k: int = 5
) -> tuple[tuple[Mask, ...], ...]:
    """What each layer would answer if the head came right after it: embeddings first, the last is the answer.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    masked = mask_text(model, text, words)
    output = body(model, masked, output_hidden_states=True)
    states = (*output.hidden_states[:-1], output.last_hidden_state)
    return tuple(answers(model, masked, model.head(h[0, list(masked.positions)]), top_k, 1.0) for h in states)


@torch.no_grad()
def attention(model: MaskedLM, text: str, *, words: Sequence[int] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """How much each token (row) looks at each other (column), in every layer and head.

    Returns:
        float32 (layers, heads, L, L), each row sums to 1; and the L tokens. Without masks and `words` the sentence is
        read as it stands.

    Raises:
        UserError: a kind of model that gives no such weights, or see `tokens_of`.
    """
    masked = _as_read(model, text, words)
    weights = body(model, masked, output_attentions=True).attentions
    if not weights or any(w is None or w.shape[-1] != w.shape[-2] for w in weights):
        raise UserError(f"A {type(model.model).__name__} does not show its attention; choose a BERT or a RoBERTa.")
    tokens = tuple(readable(model.tokenizer, id) for id in masked.ids)
    return torch.cat(weights).float().cpu().numpy(), tokens


@dataclass(frozen=True)
class HeadSteps:
    """What one head computes, step by step (Vaswani et al. 2017, arXiv:1706.03762, equation 1).

    Attributes:
        q, k, v: query, key and value of each token, float32 (L, d).
        scores: q k' / sqrt(d), rows the token that looks (L, L).
        weights: softmax of each row of the scores (L, L).
        output: weights v, what the head hands on for each token (L, d).
        tokens: L tokens.
    """

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    output: np.ndarray
    tokens: tuple[str, ...]


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scaled dot-product attention: q, k, v (L, d) -> scores (L, L), weights (L, L), output (L, d)."""
    scores = q @ k.T / np.sqrt(q.shape[1])
    weights = np.exp(scores - scores.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    return scores, weights, weights @ v


@torch.no_grad()
def attention_head(
    model: MaskedLM, text: str, *, words: Sequence[int] = (), layer: int = 0, head: int = 0
) -> HeadSteps:
    """Query, key, score, softmax and value of one head, from the model's own projections of this text.

    Args:
        model, text, words: as in `attention`.
        layer, head: counted from 0.

    Raises:
        UserError: there is no such head, a kind of model that computes attention otherwise, or see `tokens_of`.
    """
    masked = _as_read(model, text, words)
    config = model.model.config
    if not (0 <= layer < config.num_hidden_layers and 0 <= head < config.num_attention_heads):
        raise UserError(
            f"The model has {config.num_hidden_layers} layers of {config.num_attention_heads} heads, and none with the "
            f"numbers {layer + 1} and {head + 1}; choose another."
        )
    with _projections(model) as seen:
        weights = body(model, masked, output_attentions=True).attentions
    if any(len(calls) != config.num_hidden_layers for calls in seen):
        raise UserError(
            f"The heads of a {type(model.model).__name__} can't be taken apart; choose a BERT or a RoBERTa."
        )
    length, heads = len(masked.ids), config.num_attention_heads
    q, k, v = (calls[layer][0].view(length, heads, -1)[:, head].float().cpu().numpy() for calls in seen)
    scores, found, output = attend(q, k, v)
    if not np.allclose(found, weights[layer][0, head].float().cpu().numpy(), atol=1e-3):  # relative positions, say
        raise UserError(f"The heads of a {type(model.model).__name__} weigh more than queries and keys; choose a BERT.")
    return HeadSteps(q, k, v, scores, found, output, tuple(readable(model.tokenizer, id) for id in masked.ids))


@contextmanager
def _projections(model: MaskedLM) -> Iterator[tuple[list[torch.Tensor], ...]]:
    """What the queries', keys' and values' projections give (1, L, D), in the order in which the layers run."""
    seen: tuple[list[torch.Tensor], ...] = ([], [], [])
    hooks = []
    for names, calls in zip((("query", "q_lin"), ("key", "k_lin"), ("value", "v_lin")), seen, strict=True):
        for path, module in model.model.named_modules():
            if path.rpartition(".")[2] in names and isinstance(module, torch.nn.Linear):
                hooks.append(module.register_forward_hook(lambda m, i, found, calls=calls: calls.append(found)))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _as_read(model: MaskedLM, text: str, words: Sequence[int]) -> MaskedText:
    """A text with what is masked in it; as it stands where nothing is."""
    found = tokens_of(model, text)
    if words or model.tokenizer.mask_token_id in [p.id for p in found]:
        return mask_text(model, text, words)
    ids = tuple(p.id for p in found)
    return MaskedText(ids, (), (), text, ids, ())


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


def states_of(model: MaskedLM | CausalLM, ids: Tensor, mask: Tensor, *, all_layers: bool) -> tuple[Tensor, ...]:
    """Hidden states (B, L, D) of each layer, embeddings first, or of the last one alone; a recurrent model has one.

    Args:
        model: in eval mode.
        ids: tokens, int64 (B, L), padded at the end.
        mask: (B, L), 0 where padded.
        all_layers: whether those of the layers before the last one are wanted too.
    """
    if isinstance(model.model, GRUModel):  # the embeddings have another width than the state
        return (model.model.states(ids),)
    output = model.model.base_model(input_ids=ids, attention_mask=mask, output_hidden_states=all_layers)
    return (*(output.hidden_states or ())[:-1], output.last_hidden_state)


@torch.no_grad()
def sentence_vectors(
    model: MaskedLM | CausalLM,
    texts: Sequence[str],
    *,
    layer: int | None = -1,
    batch_size: int = 32,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Sentences as vectors: the mean of a layer's states over their tokens, special ones left out.

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
    tokenizer, device = model.tokenizer, next(model.model.parameters()).device
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: dict[int, np.ndarray] = {}
    for first in range(0, len(order), batch_size):
        part = order[first : first + batch_size]
        encoded = tokenizer(
            [composed(texts[i]) for i in part], truncation=True, max_length=limit(model), padding=True,
            return_tensors="pt", return_special_tokens_mask=True,
        )  # fmt: skip
        mask = encoded["attention_mask"].to(device)
        states = states_of(model, encoded["input_ids"].to(device), mask, all_layers=layer != -1)
        chosen = states if layer is None else [states[layer]]
        weight = (mask * (1 - encoded["special_tokens_mask"].to(device))).unsqueeze(-1)  # (B, L, 1)
        mean = torch.stack([(h * weight).sum(1) for h in chosen], 1) / weight.sum(1)[:, None].clamp(min=1)
        rows |= dict(zip(part, mean.float().cpu().numpy(), strict=True))  # (layers, D) each
        if progress:
            progress(len(rows) / len(texts))
    found = np.stack([rows[i] for i in range(len(texts))], axis=1)  # (layers, N, D)
    return found if layer is None else found[0]
