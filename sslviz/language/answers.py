"""What a language model's answers are, and those that are stored beside a bundled model for its example sentences.

A page shows stored answers at once, while torch and the model are still loading. Needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.files import atomic
from sslviz.language.sentence import Token

FILE = "answers.json"
WEIGHTS = "model.safetensors"
END = "(end)"  # what is shown where a left-to-right model ends a text


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
        position: of the mask among the tokens.
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
    """How probable a word is: of all its tokens, each given those before it; the rank (1 is first) of one token."""

    tokens: tuple[str, ...]
    probability: float
    rank: int | None


@dataclass(frozen=True)
class PLL:
    """Pseudo-log-likelihood of a sentence in nats (Salazar et al. 2020, arXiv:1910.14659).

    Attributes:
        total: the sum over all tokens.
        tokens: those that are scored, without the special ones at the ends.
        log_probabilities: of each token given all others (n_tokens,).
        words: for each word of `word_spans` the sum over its tokens.
    """

    total: float
    tokens: tuple[Token, ...]
    log_probabilities: np.ndarray
    words: tuple[float, ...]


@dataclass(frozen=True)
class Places:
    """What is expected in one place of two sentences.

    Attributes:
        tokens: candidates that are among the best of either, by their mean probability.
        first, second: probability of each in the place of the first and of the second sentence, float64 (K,).
        moved: share of all probability that is elsewhere in the second, in [0, 1]: half the sum of the differences
            over the whole vocabulary (total variation).
    """

    tokens: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    moved: float


# stored answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredTokenizer:
    """What a page needs to know of a tokenizer."""

    mask_token: str = "[MASK]"
    mask_token_id: int = -1
    unk_token_id: int = -1


class StoredAnswers:
    """Answers to some questions, in place of a model that is not loaded yet.

    Attributes:
        tokenizer: see `StoredTokenizer`.
    """

    def __init__(self, tokenizer: StoredTokenizer, found: Mapping[str, Any]) -> None:
        self.tokenizer, self._found = tokenizer, found

    def find(self, question: str, given: tuple, options: Mapping[str, Any]) -> Any:
        """The answer to a question, or None where it is not stored.

        Args:
            question: "tokens_of", "fill" or "fill_in_turn".
            given: its arguments behind the model.
            options: its keyword arguments.
        """
        rows = self._found.get(_key(question, given, options))
        return None if rows is None else tuple(_READ[question](row) for row in rows)


NOTHING = StoredAnswers(StoredTokenizer(), {})


def write(folder: Path, tokenizer: Any, answers: list[tuple[str, tuple, dict[str, Any], tuple]]) -> None:
    """Store answers beside a model's weights, whose digest they carry.

    Args:
        folder: of the model.
        tokenizer: of the model.
        answers: (question, its arguments, its options, the answer: dataclasses of this module or tokens) each.
    """
    ids = {key: getattr(tokenizer, key) for key in StoredTokenizer.__dataclass_fields__}
    found = {
        _key(question, given, options): [asdict(row) for row in rows] for question, given, options, rows in answers
    }
    content = {"weights": _digest(folder / WEIGHTS), "tokenizer": ids, "answers": found}
    with atomic(folder / FILE) as path:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")


def read(folder: Path) -> StoredAnswers:
    """The answers that are stored beside a model; `NOTHING` where there are none, or they are of other weights."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if content["weights"] == _digest(folder / WEIGHTS):
            return StoredAnswers(StoredTokenizer(**content["tokenizer"]), content["answers"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return NOTHING


def _key(question: str, given: tuple, options: Mapping[str, Any]) -> str:
    return json.dumps([question, given, dict(sorted(options.items()))], ensure_ascii=False)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mask(row: dict[str, Any]) -> Mask:
    return Mask(**row | {"predictions": tuple(Prediction(**one) for one in row["predictions"])})


def _made(kind: type, row: dict[str, Any]) -> Any:
    return kind(**row)


_READ: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tokens_of": partial(_made, Token),
    "fill": _mask,
    "fill_in_turn": partial(_made, Step),
}
