"""What training may take of a machine that many share, and who counts as one guest."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from sslviz.errors import UserError


@dataclass(frozen=True)
class Guest:
    """Who asks. Tabs and sessions of one browser are one guest; an address is what guests of one network share.

    Attributes:
        owner: of a session: who may start one run at a time.
        client: of a browser, where it says who it is; "" where nothing is known.
        address: of the network, "" where the server is asked from its own machine.
    """

    owner: str
    client: str = field(default="", compare=False)
    address: str = field(default="", compare=False)

    @property
    def share(self) -> str:
        """Whose turn it is in the queue: guests of one address share, so that nobody gains by more browsers."""
        return self.address or self.client or self.owner

    def same_as(self, other: Guest) -> bool:
        """Whether both are one person, as far as can be known."""
        return self.owner == other.owner or bool(self.client and self.client == other.client)


@dataclass(frozen=True)
class Limits:
    """What training may take.

    Attributes:
        running: runs at once.
        waiting: runs that may wait.
        waiting_minutes: budgets of all runs that wait or work, together.
        share_minutes: the same, of guests of one address.
        kept: ended runs that are remembered.
        unfinished: runs on disk that could be resumed; the oldest go first.
        minutes: largest budget of a run.
        overtime: a run may take so many times its budget, evaluations and a busy machine included.
        steps: of a run.
        grace: seconds for which a run goes on, or waits, when nobody has its page open any more.
        idle: seconds that a run may pause.
        patience: seconds that a stopped process has before it is killed.
    """

    running: int = 1
    waiting: int = 8
    waiting_minutes: float = 120.0
    share_minutes: float = 90.0
    kept: int = 24
    unfinished: int = 12
    minutes: float = 60.0
    overtime: float = 3.0
    steps: int = 500_000
    grace: float = 600.0
    idle: float = 600.0
    patience: float = 4.0

    @classmethod
    def here(cls) -> Limits:
        """The limits that the environment sets: `SSLVIZ_TRAIN_RUNNING` and `SSLVIZ_TRAIN_MINUTES`.

        Raises:
            UserError: a setting that is no number above 0.
        """
        found: dict[str, Any] = {}
        for name, kind in (("running", int), ("minutes", float)):
            text = os.environ.get(f"SSLVIZ_TRAIN_{name.upper()}")
            if text is not None:
                try:
                    found[name] = kind(text)
                except ValueError:
                    found[name] = 0
                if not 0 < found[name] < 10_000:
                    raise UserError(f"SSLVIZ_TRAIN_{name.upper()} is {text!r}: set it to a number above 0.")
        limits = cls(**found)
        most = limits.minutes * limits.running  # where longer runs are allowed, so is a queue that holds some
        return cls(
            **found,
            waiting_minutes=max(limits.waiting_minutes, 2 * most),
            share_minutes=max(limits.share_minutes, 1.5 * most),
        )
