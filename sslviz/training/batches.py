"""What a run trains on: batches of images or of sentences, in an order that the seed and the epoch give."""

import os
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from sslviz.data.images import load_images, to_float
from sslviz.errors import UserError
from sslviz.language import evaluation, next_word, pairs
from sslviz.language import model as language
from sslviz.language.batches import bucketed, tokenise
from sslviz.language.text import hold_out, read_runs, read_sentences
from sslviz.methods.base import Method
from sslviz.paths import expand
from sslviz.training import monitor
from sslviz.training.config import TrainConfig

MASKED, ASKED = 1000, 200  # held-out sentences of the online evaluation of a masked, and of a left-to-right model
WATCHED = 2000  # pairs of sentences of the online evaluation


class Batches(Protocol):
    """What the loop needs of its data.

    Attributes:
        name, source: of the data, for the card.
        things: what a batch is made of, in words.
    """

    name: str
    source: str
    things: str

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> "Batches":
        """The same, with what a step reads on a device."""
        ...

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> Any:
        """What `Method.training_step` takes: this process's part of a step's batch."""
        ...

    def labels(self, epoch: int, position: int, *, rank: int, share: int) -> Tensor | None:
        """int64 (share,), the labels of that batch."""
        ...

    def monitor(self, model: Method) -> dict[str, float]:
        """How the model stands on held-out data; it never changes the run."""
        ...


def batches_for(config: TrainConfig) -> "ImageBatches | TextBatches | PairBatches":
    """The data of a run.

    Raises:
        UserError: it can't be read, or is too small for a batch.
    """
    text = PairBatches if config.about.pairs else TextBatches
    data = ImageBatches(config) if config.about.kind == "image" else text(config)
    if len(data) < config.batch_size:
        raise UserError(
            f"A batch of {config.batch_size:,} {data.things} is larger than the {len(data):,} training {data.things}; "
            "choose another --batch-size."
        )
    if config.about.labels:
        _check_labels(config, getattr(data.train, "class_names", ()))
    return data


def _check_labels(config: TrainConfig, class_names: tuple[str, ...]) -> None:
    """A method that learns from labels needs some of two classes or more, and a model that has all of them."""
    if refusal := config.about.label_refusal(class_names):
        raise UserError(refusal)
    classes = getattr(config.model, "classes", len(class_names))
    if classes < len(class_names):
        raise UserError(
            f"The labels name {len(class_names):,} classes, and the model has {classes:,}: leave --model.classes out."
        )


class ImageBatches:
    """Every training image once an epoch, in random order."""

    things = "images"

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.train, self.test = load_images(config.dataset, "train"), load_images(config.dataset, "test")
        self.name, self.source = self.train.name, self.train.source
        self._x, self._y = self.train.x, self.train.y
        self._order, self._order_epoch = torch.empty(0), -1

    def __len__(self) -> int:
        return len(self.train)

    def to(self, device: torch.device) -> "ImageBatches":
        self._x, self._y = self.train.x.to(device), self.train.y.to(device)  # uint8; a batch becomes float
        self._order_epoch = -1
        return self

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> Tensor:
        """Images (share, C, H, W) in [0, 1], channels last, which convolutions are faster on."""
        x = self._x[self._rows(epoch, position, rank, share)]
        return to_float(x).contiguous(memory_format=torch.channels_last)

    def labels(self, epoch: int, position: int, *, rank: int, share: int) -> Tensor:
        return self._y[self._rows(epoch, position, rank, share)]

    def _rows(self, epoch: int, position: int, rank: int, share: int) -> Tensor:
        if epoch != self._order_epoch:
            order = torch.randperm(len(self.train), generator=generator_for(self.config.seed, epoch, stream=0))
            self._order, self._order_epoch = order.to(self._x.device), epoch
        first = position * self.config.batch_size + rank * share
        return self._order[first : first + share]

    def monitor(self, model: Method) -> dict[str, float]:
        return monitor.watch(model, self.train, self.test, seed=self.config.seed)


class _OnHost:
    """What text has in common: batches stay on the CPU until a step takes them, nothing has a label."""

    def __init__(self) -> None:
        # every batch of text has a shape of its own; oneDNN would keep kernels for a thousand: 1 GB more in bf16
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

    def to(self, device: torch.device) -> Self:
        return self

    def labels(self, epoch: int, position: int, *, rank: int, share: int) -> None:
        return None


class TextBatches(_OnHost):
    """Sentences of a text file in batches of like length; the file's last ones are only watched."""

    things = "sentences"

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config, path = config, expand(config.dataset)
        settings: Any = config.model
        texts, heldout = hold_out(read_sentences(path), settings.heldout)
        self.tokenizer = language.load_tokenizer(settings.base)
        self._pad_id = self.tokenizer.pad_token_id
        self.train = tokenise(texts, self.tokenizer, max_length=settings.max_length)
        self.heldout = heldout[:MASKED]
        self.name, self.source = path.stem, f"{path.name}: {len(self.train):,} sentences"
        self._batches, self._batches_epoch = np.empty((0, 0)), -1

    def __len__(self) -> int:
        return len(self.train)

    def frequencies(self) -> Tensor:
        """How often each token stands in the text (V,)."""
        return torch.from_numpy(np.bincount(self.train.ids, minlength=len(self.tokenizer)))

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> tuple[Tensor, Tensor]:
        """Tokens and their words, int64 (share, L), on the CPU."""
        if epoch != self._batches_epoch:
            seed = generator_for(self.config.seed, epoch, stream=0).initial_seed()
            self._batches = bucketed(self.train.lengths, batch_size=self.config.batch_size, seed=seed)
            self._batches_epoch = epoch
        rows = self._batches[position][rank * share : (rank + 1) * share]
        return self.train.batch(rows, pad_id=self._pad_id)

    def monitor(self, model: Method) -> dict[str, float]:
        """Top-1 and top-5 of whole words, masked ones or the next, in sentences that are not trained on."""
        if isinstance(model, language.MaskedLM):
            found = evaluation.evaluate_masked(model, self.heldout, seed=self.config.seed)
        else:
            network: Any = model
            training = model.training
            causal = language.CausalLM(network.model.eval(), self.tokenizer, self.name)
            found = next_word.evaluate_causal(causal, self.heldout[:ASKED])
            model.train(training)
        return {key: found[key] for key in ("top1", "top5")}


class PairBatches(_OnHost):
    """Pairs of neighbouring sentences of running text beside pairs that are none; the last runs are only watched."""

    things = "pairs"

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config, path = config, expand(config.dataset)
        settings: Any = config.model
        runs, heldout = hold_out(read_runs(path), settings.heldout)
        self.tokenizer = language.load_tokenizer(settings.base)
        self._pad_id = self.tokenizer.pad_token_id
        self._lengths = [len(run) for run in runs]
        self.train = tokenise([s for run in runs for s in run], self.tokenizer, max_length=settings.max_length)
        self.heldout = tokenise([s for run in heldout for s in run], self.tokenizer, max_length=settings.max_length)
        self._watched = pairs.pairs_of([len(run) for run in heldout], seed=config.seed)[:WATCHED]
        self.name, self.source = path.stem, f"{path.name}: {len(self):,} pairs of sentences of {len(runs):,} paragraphs"
        self._pairs, self._batches, self._epoch = np.empty((0, 3), np.int64), np.empty((0, 0), np.int64), -1

    def __len__(self) -> int:
        return sum(self._lengths) - len(self._lengths)

    def batch(self, epoch: int, position: int, *, rank: int, share: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens, types, what is not padded (share, L), and kinds (share,), on the CPU; see `pairs.join`."""
        if epoch != self._epoch:
            seed = generator_for(self.config.seed, epoch, stream=0).initial_seed()
            self._pairs = pairs.pairs_of(self._lengths, seed=seed)
            lengths = self.train.lengths[self._pairs[:, 0]] + self.train.lengths[self._pairs[:, 1]]
            self._batches = bucketed(lengths, batch_size=self.config.batch_size, seed=seed)
            self._epoch = epoch
        rows = self._batches[position][rank * share : (rank + 1) * share]
        return pairs.join(self.train, self._pairs[rows], pad_id=self._pad_id)

    def monitor(self, model: Method) -> dict[str, float]:
        """Accuracy of pairs that are not trained on, and of each kind."""

        def on_device(*parts: Tensor) -> Tensor:
            return model(*(part.to(model.device) for part in parts))

        training = model.training
        model.eval()
        found = torch.cat(list(pairs.follows(on_device, self.heldout, self._watched, pad_id=self._pad_id)))
        model.train(training)
        return pairs.shares(found.numpy(), self._watched)


def generator_for(seed: int, index: int, *, stream: int) -> torch.Generator:
    """The random numbers of one step (stream 1 + rank) or of one epoch's order (stream 0), whatever came before."""
    words = np.random.SeedSequence([seed, stream, index]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))
