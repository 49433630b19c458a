"""How an answer comes about: layer by layer, by attention, and a sentence as a vector."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from sslviz.errors import UserError
from sslviz.language.answers import Mask
from sslviz.language.model import MaskedLM
from sslviz.language.predict import answers, body
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
    found = tokens_of(model, text)
    if words or model.tokenizer.mask_token_id in [p.id for p in found]:
        masked = mask_text(model, text, words)
    else:
        ids = tuple(p.id for p in found)
        masked = MaskedText(ids, (), (), text, ids, ())
    weights = body(model, masked, output_attentions=True).attentions
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
    tokenizer, device = model.tokenizer, next(model.parameters()).device
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: dict[int, np.ndarray] = {}
    for first in range(0, len(order), batch_size):
        part = order[first : first + batch_size]
        encoded = tokenizer(
            [composed(texts[i]) for i in part], truncation=True, max_length=limit(model), padding=True,
            return_tensors="pt", return_special_tokens_mask=True,
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
