"""What a server says to the phones of a class: a light page for `?room=CODE`, and answers of some hundred bytes.

A phone costs no page of the app: no session, no script run, no websocket. `Phones` is ASGI middleware that takes the
few addresses of rooms and hands everything else on.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sslviz.errors import UserError
from sslviz.jobs.rooms import NoRoom, Rooms, Standing, shared

LARGEST = 2048  # bytes that a phone may send
SECONDS = 10.0  # in which it must have sent them
_ROOM = re.compile(r"(?:^|/)room/([^/]{1,16})/(state|join|answer)$")
_FILES = Path(__file__).parent / "ui" / "review"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


class Phones:
    """ASGI middleware: rooms of a class, for phones.

    Args:
        app: what answers everything else.
        rooms: of the server, by default those that its pages know.
        pages: paths whose address may carry `?room=`.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        rooms: Callable[[], Rooms] = shared,
        pages: tuple[str, ...] = ("", "review"),
    ) -> None:
        self.app, self.rooms, self.pages = app, rooms, pages

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, method = scope.get("path", ""), scope.get("method", "GET")
        if method == "POST" and (found := _ROOM.search(path)):
            return await self._answer(found[1], found[2], receive, send)
        if method == "GET" and path.rpartition("/")[2] in self.pages and _asks_for_a_room(scope):
            return await _send(send, page().encode(), "text/html; charset=utf-8")
        return await self.app(scope, receive, send)

    async def _answer(self, code: str, what: str, receive: Any, send: Any) -> None:
        try:
            found = _told(self.rooms(), code, what, await _body(receive))
            answer, status = {"ok": True} | found, 200
        except NoRoom as error:
            answer, status = {"ok": False, "gone": True, "said": str(error)}, 404
        except UserError as error:
            answer, status = {"ok": False, "gone": False, "said": str(error)}, 400
        await _send(send, json.dumps(answer, ensure_ascii=False).encode(), "application/json", status)


def _asks_for_a_room(scope: dict[str, Any]) -> bool:
    query = scope.get("query_string", b"")
    return b"room=" in query[:LARGEST] and "room" in parse_qs(query[:LARGEST].decode("latin-1"), keep_blank_values=True)


def _told(rooms: Rooms, code: str, what: str, sent: dict[str, Any]) -> dict[str, Any]:
    """What a phone is told."""
    token = sent.get("token", "")
    token = token if isinstance(token, str) else ""
    if what == "join":
        token = rooms.join(code, name if isinstance(name := sent.get("name", ""), str) else "", token)
        return _seen(rooms.seen(code, token)) | {"token": token}
    if what == "state":
        return _seen(rooms.seen(code, token))
    number, choice = sent.get("number"), sent.get("choice")
    if type(number) is not int or type(choice) is not int:
        raise UserError("This answer can't be read: choose one of those that are shown.")
    return _seen(rooms.answer(code, token, number, choice))


def _seen(standing: Standing) -> dict[str, Any]:
    """Without what only the host sees."""
    return {key: value for key, value in asdict(standing).items() if key not in ("names", "phones", "answered")}


async def _body(receive: Any) -> dict[str, Any]:
    """The JSON object of a request, bounded in bytes and time.

    Raises:
        UserError: it is too long, too slow, or something else.
    """
    refused = UserError("This can't be read: load the page again.")
    content = b""

    async def read() -> None:
        nonlocal content
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise refused
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > LARGEST:
                raise refused

    try:
        await asyncio.wait_for(read(), SECONDS)
        sent = json.loads(content or b"{}")
    except (TimeoutError, ValueError, RecursionError):
        raise refused from None
    if not isinstance(sent, dict):
        raise refused
    return sent


@lru_cache(maxsize=1)
def page() -> str:
    """The page of a phone, with everything that it needs."""
    parts = {kind: (_FILES / f"phone.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Predict, then reveal</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{parts['css']}</style></head><body>{parts['html']}<script>{parts['js']}</script></body></html>"
    )


async def _send(send: Any, content: bytes, kind: str, status: int = 200) -> None:
    headers = {
        "content-type": kind, "content-length": str(len(content)), "cache-control": "no-store",
        "content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    }  # fmt: skip
    named = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": content})
