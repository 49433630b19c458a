"""Rooms: who may do what, what counts once, what is bounded, and what goes by itself."""

import threading

import pytest

from sslviz.errors import UserError
from sslviz.jobs.rooms import LETTERS, Bounds, NoRoom, Rooms, plain_name

CHOICES = ("worse", "the same", "better")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def rooms():
    return Rooms(Bounds(rooms=3, phones=4, age=100), clock=Clock())


def test_a_question_is_asked_answered_and_shown(rooms):
    code = rooms.open("host")
    assert len(code) == 5 and set(code) <= set(LETTERS) and rooms.open("host") == code == rooms.of_host("host")
    first, second = rooms.join(code, "Ada"), rooms.join(code.lower())
    assert rooms.seen(code, first).number == 0
    assert rooms.ask(code, "host", "What happens to the bound?", CHOICES) == 1
    assert rooms.answer(code, first, 1, 0).own == 0
    seen = rooms.seen(code, second)
    assert (
        seen.choices == CHOICES and seen.open and seen.counts is None and seen.own is None
    )  # no bars before all chose
    rooms.answer(code, first, 1, 2)  # twice: the last one counts, once
    rooms.answer(code, second, 1, 0)
    shown = rooms.shown(code, "host")
    assert shown.counts == (1, 0, 1) and (shown.answered, shown.phones, shown.names) == (2, 2, ("Ada",))
    rooms.reveal(code, "host", 0, "27 nats worse")
    late = rooms.join(code)
    seen = rooms.seen(code, late)
    assert seen.counts == (1, 0, 1) and seen.right == 0 and seen.result == "27 nats worse" and seen.own is None
    with pytest.raises(UserError, match="closed: wait for the next"):
        rooms.answer(code, late, 1, 0)
    assert rooms.ask(code, "host", "And the probe?", CHOICES) == 2 and rooms.shown(code, "host").counts == (0, 0, 0)
    with pytest.raises(UserError, match="closed"):
        rooms.answer(code, late, 1, 0)  # a phone that still shows the question before
    with pytest.raises(UserError, match="no such answer"):
        rooms.answer(code, late, 2, 3)


def test_nobody_but_the_host_asks_shows_or_closes(rooms):
    code = rooms.open("host")
    for act in (
        lambda: rooms.ask(code, "other", "?", CHOICES),
        lambda: rooms.reveal(code, "other", 0, ""),
        lambda: rooms.shown(code, "other"),
    ):
        with pytest.raises(NoRoom, match="has gone"):
            act()
    rooms.close(code, "other")
    assert rooms.of_host("host") == code
    rooms.close(code, "host")
    with pytest.raises(NoRoom, match="no such room"):
        rooms.join(code)


def test_rooms_and_phones_are_bounded(rooms):
    codes = [rooms.open(host) for host in "abc"]
    with pytest.raises(UserError, match="no more fit"):
        rooms.open("d")
    tokens = [rooms.join(codes[0]) for _ in range(4)]
    with pytest.raises(UserError, match="full: 4 phones"):
        rooms.join(codes[0])
    assert rooms.join(codes[0], token=tokens[1]) == tokens[1]  # who is in stays in
    with pytest.raises(UserError, match="2 to 6 choices"):
        rooms.ask(codes[0], "a", "?", ("one",))
    with pytest.raises(UserError, match="400 characters"):
        rooms.ask(codes[0], "a", "?" * 401, CHOICES)
    for bad in ("", "nowhere", "x" * 10_000, "<b>"):
        with pytest.raises(NoRoom):
            rooms.join(bad)
    with pytest.raises(NoRoom, match="not in the room any more"):
        rooms.answer(codes[0], "somebody", 0, 0)


def test_a_room_that_was_left_alone_goes_however_many_look(rooms):
    code = rooms.open("host")
    token = rooms.join(code)
    rooms._clock.now = 90
    rooms.ask(code, "host", "?", CHOICES)
    rooms._clock.now = 180
    assert rooms.seen(code, token).open
    rooms._clock.now = 7 * 24 * 3600
    with pytest.raises(NoRoom, match="no such room"):
        rooms.seen(code, token)
    assert rooms.of_host("host") is None and not rooms._rooms


def test_a_server_that_was_started_anew_says_so(rooms):
    code = rooms.open("host")
    token, other = rooms.join(code), Rooms()
    with pytest.raises(NoRoom, match="look at the code again, or ask for a new one"):
        other.seen(code, token)
    with pytest.raises(NoRoom, match="started anew"):
        other.shown(code, "host")


@pytest.mark.parametrize(
    ("name", "kept"),
    [("<img src=x onerror=alert(1)>", "<img src=x onerror=alert"), ("  A\n da ", "A da"), ("\u202eAda\x00", "Ada")],
)
def test_a_name_is_short_and_on_one_line(name, kept):
    assert plain_name(name) == kept


def test_many_at_once_are_each_counted_once():
    rooms = Rooms()
    code = rooms.open("host")
    rooms.ask(code, "host", "?", CHOICES)

    def phone(i):
        token = rooms.join(code)
        for choice in (0, i % 3):
            rooms.answer(code, token, 1, choice)

    threads = [threading.Thread(target=phone, args=(i,)) for i in range(90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rooms.shown(code, "host").counts == (30, 30, 30)
