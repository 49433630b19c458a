"""Sentences as batches of token ids: tokenised, of like length, with words masked at random.

A tokenizer is any fast one of `transformers`; nothing here loads one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

IGNORED = -100  # label of a position that the loss does not count


@dataclass(frozen=True)
class Sentences:
    """Tokenised sentences, one after another in flat arrays.

    Attributes:
        ids: tokens with the special ones at both ends, int32.
        words: for each token the number of its word within the sentence, -1 for special tokens, int16.
        starts: int64 (N + 1,), where each sentence begins in the arrays above.
    """

    ids: np.ndarray
    words: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each sentence (N,)."""
        return np.diff(self.starts)

    def batch(self, rows: Sequence[int] | np.ndarray, *, pad_id: int) -> tuple[Tensor, Tensor]:
        """Some sentences side by side.

        Returns:
            ids int64 (B, L), padded at the end, and words int64 (B, L), -1 where padded or special.
        """
        first = self.starts[np.asarray(rows)]
        lengths = self.starts[np.asarray(rows) + 1] - first
        steps = np.arange(int(lengths.max()))
        there = steps < lengths[:, None]  # (B, L)
        at = np.where(there, first[:, None] + steps, 0)
        ids = np.where(there, self.ids[at], pad_id).astype(np.int64)
        words = np.where(there, self.words[at], -1).astype(np.int64)
        return torch.from_numpy(ids), torch.from_numpy(words)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; a copy to a GPU goes its way while the host goes on."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def tokenise(texts: Sequence[str], tokenizer: Any, *, max_length: int = 64, chunk: int = 20_000) -> Sentences:
    """Sentences -> tokens; longer ones are cut after `max_length` tokens, the special ones counted."""
    ids, words, lengths = [], [], []
    for first in range(0, len(texts), chunk):
        batch = tokenizer(list(texts[first : first + chunk]), truncation=True, max_length=max_length)
        ids += [np.asarray(row, np.int32) for row in batch["input_ids"]]
        words += [
            np.asarray([-1 if word is None else word for word in batch.word_ids(i)], np.int16)
            for i in range(len(batch["input_ids"]))
        ]
        lengths += [len(row) for row in batch["input_ids"]]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return Sentences(np.concatenate(ids), np.concatenate(words), starts)


def mask_words(
    ids: Tensor,
    words: Tensor,
    *,
    rate: float,
    mask_id: int,
    vocab_size: int,
    generator: torch.Generator,
    corrupt: bool = True,
) -> tuple[Tensor, Tensor]:
    """Mask whole words at random, at least one a sentence (Devlin et al. 2019, arXiv:1810.04805, and its whole words).

    Args:
        ids: tokens, int64 (B, L).
        words: number of each token's word, -1 where there is nothing to mask, int64 (B, L).
        rate: share of words to mask.
        mask_id: id of the mask.
        vocab_size: ids that a random token is drawn from.
        generator: of the choice.
        corrupt: of the chosen tokens 80 % become the mask, 10 % a random token, and 10 % stay; all become the mask
            where this is False.

    Returns:
        masked ids (B, L), and labels (B, L): the original id where a token was chosen, -100 elsewhere.
    """
    b = len(ids)
    draw = torch.rand(b, int(words.max()) + 2, generator=generator)  # one number a word; the last is for -1
    u = draw.gather(1, words % draw.shape[1])  # (B, L)
    u = u.masked_fill(words < 0, 2.0)
    limit = u.min(dim=1, keepdim=True).values.clamp(min=rate)  # the word with the lowest number is always in
    chosen = (u <= limit) & (words >= 0)
    labels = torch.where(chosen, ids, IGNORED)
    fate = torch.rand(ids.shape, generator=generator) if corrupt else torch.zeros(ids.shape)
    random_ids = torch.randint(vocab_size, ids.shape, generator=generator)
    masked = torch.where(chosen & (fate < 0.8), mask_id, ids)
    masked = torch.where(chosen & (fate >= 0.9), random_ids, masked)
    return masked, labels


def bucketed(lengths: np.ndarray, *, batch_size: int, seed: int, pool: int = 64) -> np.ndarray:
    """Batches of sentences of like length, in random order; the few that fill no batch are left out.

    Args:
        lengths: tokens of each sentence (N,).
        batch_size: sentences a batch.
        seed: of the order.
        pool: batches among which sentences are sorted by length.

    Returns:
        row numbers, int64 (N // batch_size, batch_size).
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))[: len(lengths) // batch_size * batch_size]
    pools = [order[first : first + pool * batch_size] for first in range(0, len(order), pool * batch_size)]
    batches = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])
    return rng.permutation(batches.reshape(-1, batch_size))
