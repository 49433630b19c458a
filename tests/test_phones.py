"""What phones are told: a light page, short answers, sentences for bad input, and everything else handed on."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sslviz import phones
from sslviz.jobs.rooms import Bounds, Rooms


class Site:
    """The app behind, which notes what reached it."""

    def __init__(self):
        self.paths = []

    async def __call__(self, scope, receive, send):
        self.paths.append(scope["path"])


@pytest.fixture
def server():
    site, rooms = Site(), Rooms(Bounds(phones=3))
    app = phones.Phones(site, lambda: rooms)
    app.site, app.own = site, rooms
    return app


def ask(app, path, sent=None, *, method="POST", query=b"", body=None):
    """Status and body of an answer; (None, b"") where the app behind was asked."""
    told = []

    async def receive():
        content = body if body is not None else json.dumps(sent or {}).encode()
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message):
        told.append(message)

    scope = {"type": "http", "path": path, "method": method, "query_string": query}
    asyncio.run(app(scope, receive, send))
    return (told[0]["status"], told[1]["body"]) if told else (None, b"")


def test_a_phone_joins_answers_and_sees_the_result(server):
    code = server.own.open("host")
    status, content = ask(server, f"/room/{code}/join", {"name": "Ada"})
    token = json.loads(content)["token"]
    assert status == 200 and json.loads(content)["number"] == 0
    server.own.ask(code, "host", "Which?", ("a", "b"))
    status, content = ask(server, f"/room/{code}/answer", {"token": token, "number": 1, "choice": 1})
    told = json.loads(content)
    assert status == 200 and told["own"] == 1 and told["counts"] is None and "names" not in told
    server.own.reveal(code, "host", 1, "b is")
    told = json.loads(ask(server, f"/app/room/{code}/state", {"token": token})[1])
    assert told["counts"] == [0, 1] and told["right"] == 1 and told["result"] == "b is"


@pytest.mark.parametrize(
    ("path", "sent", "body"),
    [
        ("join", None, b"[1]"),
        ("join", None, b"{" * 1000),
        ("join", None, b"x" * 5000),
        ("answer", {"number": "1", "choice": 0}, None),
        ("answer", {"number": True, "choice": 0}, None),
        ("state", {"token": 5}, None),
    ],
)
def test_bad_input_gets_a_sentence(server, path, sent, body):
    code = server.own.open("host")
    status, content = ask(server, f"/room/{code}/{path}", sent, body=body)
    told = json.loads(content)
    assert status in (400, 404) and not told["ok"] and told["said"].endswith(".")


def test_no_room_a_full_room_and_a_server_that_began_anew(server):
    status, content = ask(server, "/room/NOWHERE/join")
    assert status == 404 and json.loads(content)["gone"]
    code = server.own.open("host")
    tokens = [json.loads(ask(server, f"/room/{code}/join")[1])["token"] for _ in range(3)]
    status, content = ask(server, f"/room/{code}/join")
    assert status == 400 and "full" in json.loads(content)["said"]
    server.own._rooms.clear()
    status, content = ask(server, f"/room/{code}/answer", {"token": tokens[0], "number": 1, "choice": 0})
    assert status == 404 and "ask for a new one" in json.loads(content)["said"]


def test_the_light_page_and_what_is_handed_on(server):
    for path in ("/", "/review", "/app/"):
        status, content = ask(server, path, method="GET", query=b"room=ABCDE")
        assert status == 200 and b"<form" in content and b"ABCDE" not in content and len(content) < 16_000
    for path, method, query in (("/", "GET", b"data=mnist"), ("/vae", "GET", b"room=x"), ("/room/A/state", "GET", b"")):
        assert ask(server, path, method=method, query=query)[0] is None
    assert server.site.paths == ["/", "/vae", "/room/A/state"]


@pytest.mark.slow
def test_two_hundred_phones_over_loopback_wait_little_and_memory_stays_flat():
    script = Path(__file__).parent / "benchmarks" / "rooms.py"
    command = [sys.executable, str(script), "--phones=200", "--seconds=8", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(run.stdout)
    assert found["requests"] > 800 and found["answers"] > 300
    assert found["p95"] < 1.0 and found["grown"] < 8
