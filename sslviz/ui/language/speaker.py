"""Who answers on the page of language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Speaker:
    """A language model that answers on the page.

    Attributes:
        name: as it was chosen.
        key: what tells its answers from those of others in a cache.
        model: a `MaskedLM`, shared by all sessions unless it is a copy; `StoredAnswers` while it is being loaded.
        card: its card, or {}.
        trained: whether it is this session's own trained copy.
    """

    name: str
    key: tuple
    model: Any
    card: dict
    trained: bool = False
