"""Rooms of a class: a question is asked, phones answer, the bars are shown, then the result. All of it in memory.

A room is a code that its host shows. Phones join with a token that they are given, and answer the question that is
open; the last answer of a phone counts, and once. Nothing is written, and a room that its host has left alone for some
hours goes by itself. Imports neither streamlit nor torch: the server answers phones without a page.
"""

from __future__ import annotations

import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sslviz.errors import UserError

LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # no two of them look alike, and they spell no word
LENGTH = 5  # of a code
LONGEST_NAME = 24  # characters


@dataclass(frozen=True)
class Bounds:
    """What rooms may take of a server.

    Attributes:
        rooms: open at once.
        phones: in a room.
        age: seconds that a room is kept after its host last did something.
        choices: of a question.
        text: characters of a question or a choice.
    """

    rooms: int = 24
    phones: int = 400
    age: float = 4 * 3600.0
    choices: int = 6
    text: int = 400


class NoRoom(UserError):
    """There is no room of this code, or not any more."""


@dataclass(frozen=True)
class Standing:
    """What is known of a room at a moment.

    Attributes:
        code: of the room.
        number: of the question, from 1; 0 before the first.
        question, choices: in words; "" and () before the first.
        open: whether answers are taken.
        counts: how many chose each; None for phones until the result is shown.
        right: which choice the figure bears out, None until the result is shown.
        result: the figure, in words.
        answered, phones: how many of how many.
        names: of those who gave one, the newest first.
        own: what this phone has chosen, or None.
    """

    code: str
    number: int = 0
    question: str = ""
    choices: tuple[str, ...] = ()
    open: bool = False
    counts: tuple[int, ...] | None = None
    right: int | None = None
    result: str = ""
    answered: int = 0
    phones: int = 0
    names: tuple[str, ...] = ()
    own: int | None = None


@dataclass
class _Room:
    host: str
    touched: float
    phones: dict[str, str] = field(default_factory=dict)  # token -> name
    answers: dict[str, int] = field(default_factory=dict)  # token -> choice, of the question that stands
    number: int = 0
    question: str = ""
    choices: tuple[str, ...] = ()
    open: bool = False
    right: int | None = None
    result: str = ""


class Rooms:
    """The rooms of a server; safe to use from several threads."""

    def __init__(self, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without rooms.

        Args:
            bounds: what they may take.
            clock: seconds that never go back.
        """
        self.bounds = bounds or Bounds()
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()

    # the host's side --------------------------------------------------------------------------------------------------

    def open(self, host: str) -> str:
        """Open a room, or find the one that this host has open already; returns its code.

        Raises:
            UserError: there are as many rooms as there may be.
        """
        with self._lock:
            self._sweep()
            if own := self._of(host):
                return own
            if len(self._rooms) >= self.bounds.rooms:
                raise UserError(f"{len(self._rooms)} rooms are open here, and no more fit: close one, or wait a while.")
            code = next(code for code in iter(_new_code, "") if code not in self._rooms)
            self._rooms[code] = _Room(host, self._clock())
            return code

    def of_host(self, host: str) -> str | None:
        """The code of the room that a host has open, or None."""
        with self._lock:
            self._sweep()
            return self._of(host)

    def ask(self, code: str, host: str, question: str, choices: Sequence[str]) -> int:
        """Ask the next question; answers to the one before are forgotten. Returns its number.

        Raises:
            NoRoom: the host has no such room.
            UserError: a question that is too long, or with too few or too many choices.
        """
        most = self.bounds
        if not 2 <= len(choices) <= most.choices or any(len(text) > most.text for text in (question, *choices)):
            raise UserError(f"A question has 2 to {most.choices} choices, of at most {most.text} characters each.")
        with self._lock:
            room = self._touched(code, host)
            room.number += 1
            room.question, room.choices = question, tuple(choices)
            room.open, room.right, room.result, room.answers = True, None, "", {}
            return room.number

    def reveal(self, code: str, host: str, right: int | None, result: str) -> None:
        """Take no more answers, and show what was chosen beside the result; right is None where nothing decides.

        Raises:
            NoRoom: the host has no such room.
        """
        with self._lock:
            room = self._touched(code, host)
            room.open, room.right, room.result = False, right, result[: self.bounds.text]

    def close(self, code: str, host: str) -> None:
        """Close a room and forget it; nothing happens where it has gone."""
        with self._lock:
            if code in self._rooms and self._rooms[code].host == host:
                del self._rooms[code]

    def shown(self, code: str, host: str) -> Standing:
        """How the host's room stands, counts and names included.

        Raises:
            NoRoom: the host has no such room.
        """
        with self._lock:
            return _standing(code, self._own(code, host), host=True)

    # the phones' side -------------------------------------------------------------------------------------------------

    def join(self, code: str, name: str = "", token: str = "") -> str:
        """Join a room; returns the token that this phone answers with. One that is in the room already stays.

        Args:
            code: of the room, in whichever case.
            name: to be seen by the host, or "".
            token: that this phone was given before, or "".

        Raises:
            NoRoom: there is no such room.
            UserError: it is full.
        """
        with self._lock:
            room = self._room(code)
            if token not in room.phones:
                if len(room.phones) >= self.bounds.phones:
                    raise UserError(f"The room is full: {len(room.phones)} phones are in it.")
                token = secrets.token_urlsafe(9)
            room.phones[token] = plain_name(name) or room.phones.get(token, "")
            return token

    def answer(self, code: str, token: str, number: int, choice: int) -> Standing:
        """Take a phone's answer; a second one to the same question takes the place of the first.

        Args:
            code, token: as `join` was given and has given.
            number: of the question.
            choice: from 0.

        Raises:
            NoRoom: there is no such room, or this phone is not in it.
            UserError: the question is not open any more, or has no such choice.
        """
        with self._lock:
            room = self._joined(code, token)
            if number != room.number or not room.open:
                raise UserError("This question is closed: wait for the next one.")
            if not 0 <= choice < len(room.choices):
                raise UserError("There is no such answer: choose one of those that are shown.")
            room.answers[token] = choice
            return _standing(code, room, token=token)

    def seen(self, code: str, token: str) -> Standing:
        """What a phone sees: counts and result once they are shown, and its own answer.

        Raises:
            NoRoom: there is no such room, or this phone is not in it.
        """
        with self._lock:
            room = self._joined(code, token)
            return _standing(code.upper(), room, token=token)

    # ------------------------------------------------------------------------------------------------------------------

    def _room(self, code: str) -> _Room:
        self._sweep()
        room = self._rooms.get(code.strip().upper()) if len(code) <= 2 * LENGTH else None
        if room is None:
            raise NoRoom("There is no such room: look at the code again, or ask for a new one.")
        return room

    def _joined(self, code: str, token: str) -> _Room:
        room = self._room(code)
        if token not in room.phones:
            raise NoRoom("This phone is not in the room any more: join it again.")
        return room

    def _own(self, code: str, host: str) -> _Room:
        self._sweep()
        room = self._rooms.get(code)
        if room is None or room.host != host:
            raise NoRoom("This room has gone: it was closed, left alone for long, or the server was started anew.")
        return room

    def _touched(self, code: str, host: str) -> _Room:
        room = self._own(code, host)
        room.touched = self._clock()
        return room

    def _of(self, host: str) -> str | None:
        return next((code for code, room in self._rooms.items() if room.host == host), None)

    def _sweep(self) -> None:
        """Forget rooms whose host has done nothing for long, however many phones still look."""
        now = self._clock()
        for code in [code for code, room in self._rooms.items() if now - room.touched > self.bounds.age]:
            del self._rooms[code]


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def _standing(code: str, room: _Room, *, token: str = "", host: bool = False) -> Standing:
    counts = [0] * len(room.choices)
    for choice in room.answers.values():
        counts[choice] += 1
    names = tuple(name for name in reversed(room.phones.values()) if name) if host else ()
    told = tuple(counts) if host or not room.open else None
    return Standing(
        code, room.number, room.question, room.choices, room.open, told, room.right, room.result, len(room.answers),
        len(room.phones), names, room.answers.get(token),
    )  # fmt: skip


def plain_name(name: Any) -> str:
    """A name in a few printable characters on one line; whoever shows it still has to escape it."""
    text = unicodedata.normalize("NFC", str(name))[:200]
    kept = "".join(c for c in text if c == " " or unicodedata.category(c)[0] not in "CZ")
    return " ".join(kept.split())[:LONGEST_NAME]


@lru_cache(maxsize=1)
def shared() -> Rooms:
    """The rooms of this server."""
    return Rooms()
