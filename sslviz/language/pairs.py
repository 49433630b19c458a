"""Next-sentence prediction: does one sentence follow another? (Devlin et al. 2019, arXiv:1810.04805, section 3.1)

The head is trained beside a masked model, whose own weights stay as they are: what it adds to the matrices of all
layers is of low rank (Hu et al. 2021, arXiv:2106.09685), a file of a megabyte or two beside the model's own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language import begin
from sslviz.language import model as language
from sslviz.language.batches import Sentences, moved, tokenise
from sslviz.methods.base import Losses, Method, StepContext
from sslviz.methods.config import Bounds, MethodConfig

MAX_SIDE = 128  # tokens of each sentence of a pair that is evaluated
NEXT, OTHER, SWAPPED = range(3)  # kinds of pairs: the sentence that follows, any other, the one before
KINDS = {"next": NEXT, "random": OTHER, "swapped": SWAPPED}
SHARES = (0.5, 0.25, 0.25)  # of each kind among the pairs of an epoch


@dataclass(frozen=True)
class NextSentenceConfig(MethodConfig):
    """How a next-sentence head is trained.

    Attributes:
        base: folder of the masked model that it reads with.
        rank: of what is added to each matrix of a layer.
        max_length: tokens of a sentence, what is longer is cut.
        heldout: share of the runs of sentences that are only watched, the last ones of the file.
    """

    method = "nsp"
    base: str = language.BUNDLED_MASKED
    rank: Annotated[int, Bounds(1, 256)] = 16
    max_length: Annotated[int, Bounds(3, 256)] = 48
    heldout: Annotated[float, Bounds(0, 0.9)] = 0.02


class LowRank(nn.Module):
    """A matrix (O, I) and what is added to it: B (O, R) times A (R, I), at first zero."""

    def __init__(self, outputs: int, inputs: int, rank: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.b @ self.a


class NextSentenceBert(Method):
    """A BERT whose layers are bent a little, with a pooler and a head that says whether a sentence follows."""

    Config = NextSentenceConfig

    def __init__(self, model: nn.Module, tokenizer: Any, config: NextSentenceConfig) -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer, self.config = tokenizer, config

    @classmethod
    def begin(cls, config: NextSentenceConfig, *, seed: int, data: Any = None) -> "NextSentenceBert":
        """The frozen model of `config.base` with a new head."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = begin.read_next_sentence(config.base)
            model.requires_grad_(False)
            for matrix in _matrices(model):
                low = LowRank(matrix.out_features, matrix.in_features, config.rank)
                parametrize.register_parametrization(matrix, "weight", low)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(".parametrizations.weight.0." in name or _of_head(name))
        return cls(model, language.load_tokenizer(config.base), config)

    def forward(self, ids: Tensor, types: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, 2), the first of "follows".

        Args:
            ids: tokens of both sentences, int64 (B, L).
            types: 0 in the first, 1 in the second (B, L).
            seen: False where padded (B, L).
        """
        mask = language.mask_for(self.model, seen)
        return self.model(input_ids=ids, token_type_ids=types, attention_mask=mask).logits

    def training_step(
        self, batch: tuple[Tensor, Tensor, Tensor, Tensor], generator: torch.Generator, context: StepContext
    ) -> Losses:
        """Tell pairs that follow one another from others; of a batch (ids, types, seen, kinds) on the CPU."""
        ids, types, seen, kinds = (moved(part, self.device) for part in batch)
        logits = context.forward(ids, types, seen)  # (B, 2)
        targets = (kinds != NEXT).long()
        right = (logits.detach().argmax(1) == targets).float()
        return {"loss": F.cross_entropy(logits, targets), "accuracy": right.mean()}

    def write_files(self, folder: Path) -> bool:
        """The head alone, beside a card that names the model it belongs to."""
        save(self, folder / language.HEAD)
        return True


# pairs --------------------------------------------------------------------------------------------------------------


def pairs_of(lengths: Sequence[int], *, seed: int, shares: Sequence[float] = SHARES) -> np.ndarray:
    """Each two neighbouring sentences of runs as a pair of one kind.

    Args:
        lengths: sentences of each run, which lie one after another.
        seed: of the kinds and of what another sentence is.
        shares: of each kind.

    Returns:
        int64 (N, 3): row of the first sentence, row of the second, and the kind.
    """
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *lengths])
    n = int(starts[-1])
    first = np.setdiff1d(np.arange(n), starts[1:] - 1)  # all but the last of each run
    kinds = rng.choice(len(shares), size=len(first), p=shares)
    second = np.where(kinds == OTHER, rng.integers(0, n, len(first)), first + 1)
    second = np.where((kinds == OTHER) & (np.abs(second - first) < 2), (first + n // 2) % n, second)
    swapped = kinds == SWAPPED
    return np.stack([np.where(swapped, first + 1, first), np.where(swapped, first, second), kinds], axis=1)


def join(sentences: Sentences, pairs: np.ndarray, *, pad_id: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pairs side by side, the second sentence without its first token.

    Args:
        sentences: tokenised, each with the special tokens at both ends.
        pairs: as `pairs_of` returns them (B, 3).
        pad_id: of the tokenizer.

    Returns:
        ids, types (int64) and seen (bool), (B, L) each, and the kinds, int64 (B,).
    """
    a, b = (sentences.batch(pairs[:, side], pad_id=pad_id)[0] for side in (0, 1))
    n, m = (torch.from_numpy(sentences.lengths[pairs[:, side]]) for side in (0, 1))
    longest = int((n + m).max()) - 1
    at = torch.arange(longest).expand(len(pairs), -1)  # (B, L)
    first, seen = at < n[:, None], at < (n + m - 1)[:, None]
    behind = (at - n[:, None] + 1).clamp(0, b.shape[1] - 1)
    ids = torch.where(first, a.gather(1, at.clamp(max=a.shape[1] - 1)), b.gather(1, behind))
    ids = torch.where(seen, ids, pad_id)
    return ids, (seen & ~first).long(), seen, torch.from_numpy(pairs[:, 2].copy())


@torch.no_grad()
def follows(
    model: Any, sentences: Sentences, pairs: np.ndarray, *, pad_id: int, batch_size: int = 64
) -> Iterator[Tensor]:
    """For batches of pairs in their order, the probability that the second follows the first (B,), float64.

    Args:
        model: (ids, types, seen) -> logits (B, 2).
        sentences, pairs, pad_id: as for `join`.
        batch_size: pairs at a time.
    """
    for start in range(0, len(pairs), batch_size):
        ids, types, seen, _ = join(sentences, pairs[start : start + batch_size], pad_id=pad_id)
        yield model(ids, types, seen).double().softmax(1)[:, 0].cpu()


def reader(model: language.NextSentence) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """What `follows` asks: (ids, types, seen) -> logits (B, 2) of a model with a next-sentence head."""
    return lambda ids, types, seen: model.model(
        input_ids=ids, token_type_ids=types, attention_mask=seen
    ).logits  # fmt: skip


def shares(follow: np.ndarray, pairs: np.ndarray) -> dict[str, float]:
    """Share of pairs that are told right, "accuracy" of all and each kind's own.

    Args:
        follow: probability that the second sentence follows the first (N,).
        pairs: as `pairs_of` returns them (N, 3).
    """
    right = (follow > 0.5) == (pairs[:, 2] == NEXT)
    each = {
        name: float(right[pairs[:, 2] == kind].mean()) for name, kind in KINDS.items() if (pairs[:, 2] == kind).any()
    }
    return {"accuracy": float(right.mean())} | each


def evaluate(
    model: language.NextSentence,
    runs: Sequence[Sequence[str]],
    *,
    seed: int,
    most: int = 1000,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """How well a model tells that a sentence follows another, beside a random sentence and beside the two swapped.

    Args:
        model: in eval mode.
        runs: sentences that follow one another, two or more each; N neighbours in all.
        seed: of the neighbours that are asked, and of the random sentences.
        most: neighbours that are asked; each is asked in three ways.
        progress: called with the share done; may raise to cancel.

    Returns:
        n_pairs; for each kind of pair the share told right and its interval (95 %, Wilson, over pairs); "accuracy", the
        mean of next and random, and "accuracy_swapped", of next and swapped.

    Raises:
        UserError: no two neighbouring sentences, or fewer than four sentences.
    """
    lengths = [len(run) for run in runs if len(run) > 1]
    if sum(lengths) < 4 or not lengths:
        raise UserError("This text has too few sentences in a row; give running text of four sentences or more.")
    tokenizer = model.tokenizer
    limit = min(MAX_SIDE, model.model.config.max_position_embeddings // 2)
    sentences = tokenise([s for run in runs if len(run) > 1 for s in run], tokenizer, max_length=limit)
    asked = pairs_of(lengths, seed=seed, shares=(1.0, 0.0, 0.0))
    rng = np.random.default_rng(seed)
    asked = asked[np.sort(rng.permutation(len(asked))[:most])]
    others = asked.copy()
    n = len(sentences)
    others[:, 1] = (asked[:, 0] + rng.integers(2, n - 1, len(asked))) % n  # neither itself nor a neighbour of it
    others[:, 2] = OTHER
    swapped = np.stack([asked[:, 1], asked[:, 0], np.full(len(asked), SWAPPED)], axis=1)
    rows = np.concatenate([asked, others, swapped])
    order = np.argsort(sentences.lengths[rows[:, 0]] + sentences.lengths[rows[:, 1]], kind="stable")
    values: list[Tensor] = []
    for part in follows(reader(model), sentences, rows[order], pad_id=tokenizer.pad_token_id):
        values.append(part)
        if progress:
            progress(sum(map(len, values)) / len(rows))
    found = shares(torch.cat(values).numpy(), rows[order])
    right = {name: found[name] for name in KINDS}
    return {
        "n_pairs": len(asked),
        "accuracy": (right["next"] + right["random"]) / 2,
        "accuracy_swapped": (right["next"] + right["swapped"]) / 2,
        "right": right,
        "intervals": {name: accuracy_interval(share, len(asked)) for name, share in right.items()},
    }


# files --------------------------------------------------------------------------------------------------------------


def save(model: NextSentenceBert, path: Path) -> None:
    """Write what the head adds to its model, in half precision, whole or not at all."""
    from safetensors.torch import save_file

    kept = {name: value for name, value in model.model.named_parameters() if value.requires_grad}
    temporary = path.with_name(f".{path.name}.saving")
    save_file({name: value.detach().cpu().half().contiguous() for name, value in kept.items()}, temporary)
    temporary.chmod(0o644)
    os.replace(temporary, path)


@torch.no_grad()
def apply(model: Any, path: Path) -> Any:
    """Give a model, as `read_next_sentence` returns it, the head of a file.

    Raises:
        UserError: the file can't be read, or is of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = {key: value.float() for key, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} can't be read as a next-sentence head ({error}); restore the file.") from error
    own, mark = dict(model.named_parameters()), ".parametrizations.weight.0."
    try:
        for key, value in tensors.items():
            if mark in key:
                name, _, part = key.partition(mark)
                if part == "b":
                    own[f"{name}.weight"].add_(value @ tensors[f"{name}{mark}a"])
            else:
                own[key].copy_(value)
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{path} is the next-sentence head of another model; restore the file.") from error
    return model


def _of_head(name: str) -> bool:
    return "pooler" in name or name.startswith("cls.")


def _matrices(model: Any) -> list[nn.Linear]:
    """The matrices of all layers."""
    layers = [module for name, module in model.named_modules() if ".encoder." in f".{name}."]
    return [module for module in layers if isinstance(module, nn.Linear)]
