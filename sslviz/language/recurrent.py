"""A recurrent left-to-right language model: a GRU whose state carries all that it keeps of a sentence so far.

Cho et al. 2014, arXiv:1406.1078. The word embeddings are those of the output too (Press & Wolf 2017, arXiv:1608.05859).
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.language import model as language
from sslviz.language.causal import NextToken
from sslviz.methods.config import Bounds, MethodConfig

MAX_WIDTH, MAX_VOCABULARY = 4096, 1_000_000  # of a model that is read


@dataclass(frozen=True)
class RecurrentConfig(MethodConfig):
    """Shape of a recurrent language model, and the text it learns from.

    Attributes:
        base: folder of the model whose tokenizer it takes.
        embedding: width of a word.
        hidden: width of the state.
        max_length: tokens of a sentence, what is longer is cut.
        heldout: share of the sentences that are only watched, the last ones of the file.
    """

    method = "gru"
    base: str = language.BUNDLED_MASKED
    embedding: Annotated[int, Bounds(1, MAX_WIDTH)] = 128
    hidden: Annotated[int, Bounds(1, MAX_WIDTH)] = 640
    max_length: Annotated[int, Bounds(3, 512)] = 64
    heldout: Annotated[float, Bounds(0, 0.9)] = 0.01


class GRUModel(nn.Module):
    """Embedding -> GRU -> projection back to the embedding's width -> logits by the same embedding.

    It is called as the left-to-right models of `transformers` are.
    """

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True)
        self.projection = nn.Linear(hidden, embedding)
        self.norm = nn.LayerNorm(embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        self.config = SimpleNamespace(
            model_type=language.RECURRENT, vocab_size=vocabulary, hidden_size=hidden, max_position_embeddings=512
        )

    def get_input_embeddings(self) -> nn.Embedding:
        """As models of `transformers` have it."""
        return self.embedding

    def fresh(self) -> "GRUModel":
        """One of the same shape with random weights."""
        return GRUModel(self.embedding.num_embeddings, self.embedding.embedding_dim, self.gru.hidden_size)

    def states(self, ids: Tensor) -> Tensor:
        """Tokens, int64 (B, L) -> the GRU's state after each (B, L, H)."""
        x = self.embedding(ids)  # (B, L, E)
        with torch.autocast(
            x.device.type, enabled=False
        ):  # on a GPU autocast takes float16 here, whatever it is set to
            return self.gru(x.float())[0]

    def head(self, h: Tensor) -> Tensor:
        """States (M, H) -> logits (M, V)."""
        return nn.functional.linear(self.norm(self.projection(h)), self.embedding.weight, self.bias)

    def forward(self, input_ids: Tensor, logits_to_keep: int = 0) -> SimpleNamespace:
        """`logits` (B, L, V) of tokens, int64 (B, L); of the last ones only where `logits_to_keep` says so."""
        return SimpleNamespace(logits=self.head(self.states(input_ids)[:, -logits_to_keep:]))


class RecurrentLM(NextToken):
    """A GRU that predicts the next token, with its tokenizer."""

    Config = RecurrentConfig

    def __init__(self, model: GRUModel, tokenizer: Any, config: RecurrentConfig | None = None) -> None:
        super().__init__()
        self.model, self.tokenizer, self.config = model, tokenizer, config or RecurrentConfig()

    @classmethod
    def begin(cls, config: RecurrentConfig, *, seed: int, data: Any = None) -> "RecurrentLM":
        """A new one with random weights; where `data` is given its bias begins as the logarithm of each frequency."""
        tokenizer = language.load_tokenizer(config.base)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = GRUModel(len(tokenizer), config.embedding, config.hidden)
        if data is not None:
            counts = data.frequencies().float() + 0.1
            model.bias.data.copy_((counts / counts.sum()).log())
        return cls(model, tokenizer, config)

    def states(self, ids: Tensor) -> Tensor:
        return self.model.states(ids)

    def head(self, h: Tensor) -> Tensor:
        return self.model.head(h)

    def write_files(self, folder: Path) -> bool:
        save(self, folder)
        return True


def save(model: Any, folder: Path, *, compact: bool = False) -> None:
    """Write weights, shape and tokenizer into a folder, each file whole or not at all; `compact` as `model.save`.

    Args:
        model: what has a GRUModel as `model` and a tokenizer.
        folder: must be there.
    """
    from safetensors.torch import save_file

    network: GRUModel = model.model
    shape = {"vocabulary": network.embedding.num_embeddings, "embedding": network.embedding.embedding_dim}
    shape |= {"hidden": network.gru.hidden_size}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
        place = Path(temporary)
        with language.quiet():
            model.tokenizer.save_pretrained(place)
        save_file({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()},
                  place / "model.safetensors", {"format": "pt"})  # fmt: skip
        if compact:
            language.round_weights(place / "model.safetensors")
            language.list_words(place, folder)
        content = {"model_type": language.RECURRENT, "architectures": [type(network).__name__], **shape}
        (place / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        for path in sorted(place.iterdir(), key=lambda path: path.suffix == ".safetensors"):  # weights last
            path.chmod(0o644)
            os.replace(path, folder / path.name)


def read(folder: Path, config: Mapping[str, Any]) -> GRUModel:
    """The network of a folder, in eval mode and float32.

    Args:
        folder: of the model.
        config: its config.json.

    Raises:
        UserError: its shape is none, or its weights can't be read or don't fit the shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    shape = {key: config.get(key) for key in ("vocabulary", "embedding", "hidden")}
    most = {"vocabulary": MAX_VOCABULARY, "embedding": MAX_WIDTH, "hidden": MAX_WIDTH}
    if not all(type(value) is int and 0 < value <= most[key] for key, value in shape.items()):
        raise UserError(f"{folder / 'config.json'} describes no recurrent model; restore the file.")
    try:
        with torch.device("meta"):
            model = GRUModel(**shape)  # type: ignore[arg-type]
        tensors = {key: value.float() for key, value in load_file(folder / "model.safetensors").items()}
        model.load_state_dict(tensors, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{folder} can't be read as a recurrent model: {str(error).splitlines()[0]}") from error
    if not all(value.isfinite().all() for value in tensors.values()):
        raise UserError(f"{folder} holds values that are not finite; train the model again.")
    return model.eval().requires_grad_(False)
