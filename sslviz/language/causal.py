"""The left-to-right twin of a masked language model: the same layers under a causal mask, which predict the next token.

Radford et al. 2018, "Improving language understanding by generative pre-training".
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from sslviz.language import begin
from sslviz.language import model as language
from sslviz.language.batches import moved
from sslviz.methods.base import Losses, Method, StepContext
from sslviz.methods.config import Bounds, MethodConfig
from sslviz.methods.losses import masked_cross_entropy


@dataclass(frozen=True)
class CausalConfig(MethodConfig):
    """How a left-to-right language model is trained.

    Attributes:
        base: folder of the masked model whose weights, shape and tokenizer it begins with.
        max_length: tokens of a sentence, what is longer is cut.
        heldout: share of the sentences that are only watched, the last ones of the file.
    """

    method = "clm"
    base: str = language.BUNDLED_MASKED
    max_length: Annotated[int, Bounds(3, 512)] = 64
    heldout: Annotated[float, Bounds(0, 0.9)] = 0.01


class NextToken(Method):
    """What left-to-right models share: at each place of a sentence, the cross-entropy of the token that comes next.

    A subclass says in `states` what it makes of the tokens, and in `head` how that becomes logits.
    """

    model: Any
    tokenizer: Any

    def states(self, ids: Tensor) -> Tensor:
        """Tokens, int64 (B, L), padded at the end -> hidden states (B, L, D), each of the tokens up to it alone."""
        raise NotImplementedError

    def head(self, h: Tensor) -> Tensor:
        """Hidden states (M, D) -> logits (M, V)."""
        raise NotImplementedError

    def forward(self, ids: Tensor, places: Tensor) -> Tensor:
        """Logits (M, V) after some places, int64 (M,), of the flattened tokens, int64 (B, L)."""
        return self.head(self.states(ids).flatten(0, 1)[places])

    def training_step(self, batch: tuple[Tensor, Tensor], generator: torch.Generator, context: StepContext) -> Losses:
        """Predict each token of a batch, (ids, words) int64 (B, L) each on the CPU, from those before it."""
        ids, _ = batch
        comes = torch.zeros_like(ids, dtype=torch.bool)  # whether a token comes next
        comes[:, :-1] = ids[:, 1:] != self.tokenizer.pad_token_id
        places = comes.flatten().nonzero()[:, 0]
        targets = moved(ids.flatten()[places + 1], self.device)
        logits = context.forward(moved(ids, self.device), moved(places, self.device))  # (M, V)
        loss = masked_cross_entropy(logits, targets)
        return {"loss": loss, "accuracy": (logits.detach().argmax(1) == targets).float().mean()}


class CausalBert(NextToken):
    """A BERT with a causal mask, begun with the weights of a masked one."""

    Config = CausalConfig

    def __init__(self, model: nn.Module, tokenizer: Any, config: CausalConfig) -> None:
        super().__init__()
        self.model, self.tokenizer, self.config = model, tokenizer, config

    @classmethod
    def begin(cls, config: CausalConfig, *, seed: int, data: Any = None) -> "CausalBert":
        """The model of `config.base` under a causal mask; `seed` is not used, as nothing is new in it."""
        return cls(begin.read_causal(config.base), language.load_tokenizer(config.base), config)

    def states(self, ids: Tensor) -> Tensor:
        # what is padded lies behind all that is asked for, so the causal mask alone is enough
        return self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state

    def head(self, h: Tensor) -> Tensor:
        return language.head_of(self.model)(h)

    def write_files(self, folder: Path) -> bool:
        language.save(self, folder)
        return True
