"""Phones of a class at once in one room, over loopback: how long they wait for an answer, and whether memory grows.

    python tests/benchmarks/rooms.py [--phones 200] [--seconds 20] [--json]

The server is uvicorn with the middleware that answers phones, in this process; the phones are another one. All join in
the same moment, then look every second and a half, answer each question, and change their answer once.
"""

import argparse
import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ASK_EVERY, LOOK_EVERY = 2.0, 1.5  # seconds


def memory() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


async def nothing(scope, receive, send):
    """The app behind the phones: no page is asked for here."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def serve(port: int):
    """The server, running in a thread."""
    import uvicorn

    from sslviz.phones import Phones

    config = uvicorn.Config(Phones(nothing), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server


async def ask(streams, path: str, sent: dict, waits: list[float]) -> dict:
    """One request on a connection that is kept."""
    reader, writer = streams
    body, began = json.dumps(sent).encode(), time.perf_counter()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(headers.split("content-length:")[1].split("\r\n")[0])
    content = json.loads(await reader.readexactly(length))
    waits.append(time.perf_counter() - began)
    return content


async def phone(number: int, port: int, code: str, end: float, waits: list[float]) -> int:
    """One phone; returns how many answers it gave."""
    streams, given, done = await asyncio.open_connection("127.0.0.1", port), 0, 0
    token = (await ask(streams, f"/room/{code}/join", {"name": f"phone {number}"}, waits))["token"]
    while time.monotonic() < end:
        told = await ask(streams, f"/room/{code}/state", {"token": token}, waits)
        if told["open"] and told["number"] != done:
            done = told["number"]
            for choice in (0, number % len(told["choices"])):
                sent = {"token": token, "number": done, "choice": choice}
                given += (await ask(streams, f"/room/{code}/answer", sent, waits))["ok"]
        await asyncio.sleep(LOOK_EVERY * (0.8 + 0.4 * random.random()))
    streams[1].close()
    return given


async def class_of(phones: int, port: int, code: str, seconds: float) -> dict:
    waits: list[float] = []
    end = time.monotonic() + seconds
    given = await asyncio.gather(*(phone(i, port, code, end, waits) for i in range(phones)))
    cuts = statistics.quantiles(waits, n=100)
    return {"requests": len(waits), "answers": sum(given), "p50": cuts[49], "p95": cuts[94], "worst": max(waits)}


def measure(phones: int, seconds: float) -> dict:
    """Run the class, and ask questions meanwhile."""
    from sslviz.jobs.rooms import shared

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server, rooms = serve(port), shared()
    code = rooms.open("host")
    command = [sys.executable, __file__, "--client", str(port), code, f"--phones={phones}", f"--seconds={seconds}"]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    marks, questions = [], 0
    while client.poll() is None:
        rooms.ask(code, "host", f"Question {questions}?", ("a", "b", "c"))
        questions += 1
        time.sleep(ASK_EVERY)
        marks.append(memory())
        rooms.reveal(code, "host", 0, "a")
    server.should_exit = True
    found = json.loads(client.stdout.read())
    settled = marks[len(marks) // 3 :] or marks  # after all have joined
    return found | {"phones": phones, "questions": questions, "memory": settled[-1], "grown": settled[-1] - settled[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--phones", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", nargs=2)
    asked = parser.parse_args()
    if asked.client:
        port, code = asked.client
        print(json.dumps(asyncio.run(class_of(asked.phones, int(port), code, asked.seconds))))
        sys.exit()
    found = measure(asked.phones, asked.seconds)
    if asked.json:
        print(json.dumps(found))
    else:
        print(
            f"{found['phones']} phones, {found['requests']:,} requests, {found['answers']:,} answers to "
            f"{found['questions']} questions: median {1000 * found['p50']:.1f} ms, 95 % within "
            f"{1000 * found['p95']:.1f} ms, worst {1000 * found['worst']:.0f} ms (target 1,000 for 95 %); memory "
            f"{found['memory']:.0f} MB, {found['grown']:+.1f} MB since all had joined"
        )
