"""The task that a language model is trained on, on one sentence, and training a copy of it on a few."""

from collections.abc import Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.language.batches import IGNORED, mask_words
from sslviz.language.model import MaskedLM
from sslviz.language.predict import log_softmax, logits_at
from sslviz.language.sentence import Token, readable, tokens_of
from sslviz.methods.losses import masked_cross_entropy

MAX_STEPS, MAX_TEXTS = 500, 200  # of an adaptation


@dataclass(frozen=True)
class MaskedLoss:
    """One place of the pretraining task: what stood there, what the model was shown, what it said; loss in nats."""

    position: int
    original: str
    shown: str
    predicted: str
    loss: float


def masked_losses(model: MaskedLM, text: str, *, seed: int, rate: float = 0.15) -> tuple[MaskedLoss, ...]:
    """Mask words at random as in training (80 % mask, 10 % another token, 10 % left), and the loss at each token."""
    found, tokenizer = tokens_of(model, text), model.tokenizer
    ids, words = _ids_and_words(found, tokenizer)
    if not (words >= 0).any():
        raise UserError("There is no word to mask in this text; type a sentence.")
    shown, labels = mask_words(
        ids, words, rate=rate, mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer),
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    positions = (labels[0] != IGNORED).nonzero()[:, 0].tolist()
    log_probabilities = log_softmax(logits_at(model, shown.tolist(), [positions]))  # (M, V)
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
    rows = [_ids_and_words(tokens_of(model, text), tokenizer) for text in texts]
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


def _ids_and_words(found: Sequence[Token], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Pieces as a batch of one for `mask_words`: ids and words (1, L), -1 where nothing may be masked."""
    kept = [-1 if p.word is None or p.id in tokenizer.all_special_ids else p.word for p in found]
    return torch.tensor([[p.id for p in found]]), torch.tensor([kept])
