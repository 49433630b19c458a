"""Events and commands: what is told is what is heard, and what is neither is refused."""

import ast
import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslviz.errors import ErrorCode, UserError
from sslviz.jobs import protocol
from sslviz.jobs.protocol import EVENTS, Failed, Monitored, ProtocolError, Stepped, parse_command, parse_event

WORDS = st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = {
    "int": st.integers(0, 10**9),
    "float": NUMBERS,
    "float | None": st.none() | NUMBERS,
    "str": WORDS,
    "str | None": st.none() | st.text(min_size=1, max_size=20),
    "dict[str, float]": st.dictionaries(WORDS, NUMBERS, max_size=3),
    "dict[str, Any]": st.dictionaries(WORDS, WORDS | NUMBERS | st.booleans(), max_size=3),
    "ErrorCode": st.sampled_from(ErrorCode),
}


@st.composite
def events(draw):
    kind = draw(st.sampled_from(sorted(EVENTS)))
    return EVENTS[kind](**{f.name: draw(FIELDS[f.type]) for f in dataclasses.fields(EVENTS[kind])})


@given(events())
def test_what_is_told_is_what_is_heard(event):
    assert parse_event(event.to_line()) == event and "\n" not in event.to_line()


def test_a_line_is_json_of_the_strict_kind():
    event = Stepped(3, 0.5, 96, 1.0, 0.1, losses={"loss": math.inf, "kl": 2.0})
    content = json.loads(event.to_line(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert content["losses"] == {"loss": None, "kl": 2.0} and "lr" not in content
    assert math.isnan(parse_event(event.to_line()).losses["loss"])


@pytest.mark.parametrize(
    "line",
    [
        "", "hello", "[]", "3", "null", '{"event": "nothing"}', '{"event": ["step"]}', '{"event": "step"}',
        '{"event": "step", "step": "a", "epoch": 1, "images": 1, "seconds": 1, "progress": 1}',
        '{"event": "error", "code": "unheard of", "message": "x"}', '{"event": "stored"}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(line):
    with pytest.raises(ProtocolError):
        parse_event(line)


def test_a_word_that_a_newer_process_adds_is_passed_over():
    assert parse_event('{"event": "storing", "map": "umap", "new": 1}') == protocol.Storing("umap")


def test_commands_are_words():
    for command in protocol.COMMANDS.values():
        assert parse_command(command.to_line() + "\n") is command
    for line in ("", "stop now", "PAUSE", "rm -rf /"):
        with pytest.raises(ProtocolError):
            parse_command(line)


def test_an_error_keeps_its_reason_across_the_process():
    told = Failed.of(UserError("Too much: take less.", code=ErrorCode.MEMORY)).to_line()
    with pytest.raises(UserError, match="take less") as caught:
        raise parse_event(told).raised()
    assert caught.value.code is ErrorCode.MEMORY
    assert UserError("x").code is ErrorCode.REFUSED


def test_the_protocol_needs_neither_torch_nor_our_other_modules():
    tree = ast.parse(Path(protocol.__file__).read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in names if name.startswith("sslviz")} == {"sslviz.errors"}
    assert Monitored(1, 0.1, 8, 1.0, 0.1).event == "monitor"
