"""Many people at once: sessions that speak a browser's protocol to a server of their own, some of them training.

    python tests/benchmarks/load.py --sessions 20 --trainers 5 --seconds 120

Starts the app on a free port of this machine, with an empty folder of own models, and stops it again, whatever happens.
Each session walks from page to page, moves a slider where there is one, and follows what refreshes itself, as a browser
does; the trainers press Train and watch. Prints the median and the 95th percentile of what they waited for, and the
peak of the memory that the server and its workers hold (resident sets, summed; Linux), after a line that names the
machine, without which the times say nothing. The exit status is 1 where
a page failed or did not answer, more runs went on than the queue allows, a session was shown another's run, a process
outlived its server, or the memory passed its limit.
"""

import asyncio
import itertools
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import tyro
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("home", "vae", "embeddings", "probe", "train")
ANSWER = 120.0  # seconds after which a page counts as one that does not answer
LOAD_BEFORE = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # of the last minute
OUTLIVE = 60.0  # seconds in which a worker must have noticed that its server has gone


class Unanswered(Exception):
    """A page took longer than anyone waits; the session ends there."""


@dataclass
class Findings:
    """What all sessions have seen together."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # kind -> seconds
    complaints: list[str] = field(default_factory=list)
    runs: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))  # session -> ids of runs it was shown
    cold: float = 0.0  # seconds of the very first visit to every page
    rss_mb: float = 0.0  # peak
    workers: int = 0  # most training processes at once
    samples: int = 0


@dataclass
class Session:
    """One browser tab, as far as the server can tell."""

    number: int
    socket: ClientConnection
    found: Findings
    page: str = "home"
    query: str = ""
    button: str = ""  # id of the button that starts a training
    box: str = ""  # id of the sentence
    slider: tuple[str, float, float, float] | None = None  # id, least, most, step
    refresh: dict[str, float] = field(default_factory=dict)  # fragment -> seconds between its runs

    async def ask(
        self, kind: str, *, fragment: str = "", press: str = "", slide: bool = False, typed: str = ""
    ) -> None:
        """Send what a browser sends for one rerun, and wait until the server is done with it."""
        message = BackMsg()
        state = message.rerun_script
        state.page_name, state.query_string, state.fragment_id = self.page, self.query, fragment
        state.is_auto_rerun = bool(fragment)
        if press:
            state.widget_states.widgets.add(id=press, trigger_value=True)
        if typed:
            state.widget_states.widgets.add(id=self.box, string_value=typed)
        if slide and self.slider:
            name, low, high, step = self.slider
            moved = state.widget_states.widgets.add(id=name)
            moved.double_array_value.data.append(low + step * random.randint(0, round((high - low) / step)))
        started = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        try:
            async with asyncio.timeout(ANSWER):
                await self._listen()
        except TimeoutError:
            raise Unanswered(f"session {self.number}: {self.page} did not answer within {ANSWER:.0f} s") from None
        self.found.waits[kind].append(time.perf_counter() - started)

    async def _listen(self) -> None:
        """Take messages until a run of the script or of a fragment is complete."""
        while True:
            message = ForwardMsg()
            message.ParseFromString(await self.socket.recv())
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.found.complaints.append(f"session {self.number}: {self.page} does not compile")
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return
            elif kind == "new_session" and not message.metadata.run.fragment_ids:
                self.button, self.slider, self.refresh = "", None, {}  # the whole page is drawn anew
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._see(message.delta.new_element)
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
                self.found.runs[self.number] |= set(parse_qs(self.query).get("run", []))
            elif kind == "auto_rerun":
                self.refresh[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self.refresh.pop(fragment, None)

    def _see(self, element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.found.complaints.append(f"session {self.number}: {self.page} raised {element.exception.type}")
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.found.complaints.append(f"session {self.number}: {self.page} says: {element.alert.body}")
        elif kind == "button" and element.button.label == "Train":
            self.button = element.button.id
        elif kind == "text_input" and element.text_input.label.startswith("A sentence"):
            self.box = element.text_input.id
        elif kind == "slider" and element.slider.step > 0 and not element.slider.options:
            self.slider = (element.slider.id, element.slider.min, element.slider.max, element.slider.step)

    async def linger(self, seconds: float) -> None:
        """Stay on a page, and refresh what asks for it."""
        end, due = time.monotonic() + seconds, {}
        while (now := time.monotonic()) < end:
            due = {name: due.get(name, now + interval) for name, interval in self.refresh.items()}
            if not due:
                await asyncio.sleep(end - now)
                return
            name = min(due, key=due.get)
            await asyncio.sleep(max(0.0, min(due[name], end) - now))
            if due[name] <= time.monotonic():
                await self.ask("refresh of a part", fragment=name)
                due.pop(name)

    async def go(self, page: str) -> None:
        self.page, self.query = page, ""
        await self.ask("page, another")


def enter(port: int) -> connect:
    return connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None)


async def warm(port: int, found: Findings) -> None:
    """The first visitor of a server that has just started, to every page: what is imported once is not in the waits."""
    first = Findings()
    started = time.perf_counter()
    async with enter(port) as stream:
        person = Session(-1, stream, first)
        for page in PAGES:
            await person.go(page)
    found.cold = time.perf_counter() - started
    found.complaints += first.complaints


async def visit(number: int, port: int, *, trains: bool, think: float, end: float, found: Findings) -> None:
    """A person: comes in, looks round, and, if that is what they are here for, trains."""
    with suppress(ConnectionClosed):
        async with enter(port) as stream:
            person = Session(number, stream, found, page="train" if trains else PAGES[number % len(PAGES)])
            await person.ask("page, the first")
            if trains:
                await person.ask("page, same again", press=person.button)
            for page in itertools.cycle(PAGES[number % len(PAGES) :] + PAGES[: number % len(PAGES)]):
                for _ in range(1000 if trains else 3):
                    await person.linger(think * random.uniform(0.5, 1.5))
                    if time.monotonic() > end:
                        return
                    await person.ask("page, same again", slide=True)
                await person.go(page)
    if time.monotonic() < end:
        found.complaints.append(f"session {number}: the connection was closed")


# the server and its memory ------------------------------------------------------------------------------------------


@contextmanager
def serve() -> Iterator[tuple[int, subprocess.Popen]]:
    """The app on a free port, in a process group of its own that ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options, "--server.fileWatcherType=none"]
    with tempfile.TemporaryDirectory(prefix="sslviz-load-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "server.log"
        with log.open("w") as out:
            environment = os.environ | {"SSLVIZ_MODELS": str(Path(folder) / "models"), "OMP_NUM_THREADS": "1"}
            server = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                for _ in range(600):
                    with suppress(OSError):
                        urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                        break
                    if server.poll() is not None:
                        raise SystemExit(log.read_text())
                    time.sleep(0.2)
                yield port, server
            finally:
                if "Traceback" in (text := log.read_text()):
                    print(text[text.index("Traceback") :][:2000])
                server.terminate()
                try:
                    server.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(server.pid, signal.SIGKILL)
                    server.wait()


def machine() -> str:
    """The processor, its cores that this process may use, the memory, and how busy it was with other things."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = f"; load before it began {LOAD_BEFORE:.1f}" if LOAD_BEFORE is not None else ""
    return f"{models[0] if models else platform.machine()}, {cores} cores, {memory:.0f} GiB{busy}"


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                children[int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])].append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children[parent]
    return found


def resident_mb(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def trains(pid: int) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"train" in words and b"--control" in words
    return False


async def watch(server: subprocess.Popen, found: Findings) -> None:
    """Twice a second: what is resident, and how many processes train."""
    while True:
        processes = family(server.pid)
        found.rss_mb = max(found.rss_mb, sum(map(resident_mb, processes)))
        found.workers = max(found.workers, sum(map(trains, processes)))
        found.samples += 1
        await asyncio.sleep(0.5)


# the whole ----------------------------------------------------------------------------------------------------------


async def drive(port: int, server: subprocess.Popen, found: Findings, **kwargs: float) -> list[int]:
    """All sessions at once, come in over five seconds; returns the processes of the server at the end."""
    sessions, trainers, seconds, think = (kwargs[key] for key in ("sessions", "trainers", "seconds", "think"))
    watcher = asyncio.create_task(watch(server, found))
    await warm(port, found)
    end = time.monotonic() + seconds

    async def person(number: int) -> None:
        await asyncio.sleep(5 * number / sessions)
        await visit(number, port, trains=number < trainers, think=think, end=end, found=found)

    people = [asyncio.create_task(person(number)) for number in range(int(sessions))]
    _, late = await asyncio.wait(people, timeout=seconds + ANSWER)
    for task in late:
        task.cancel()
    for task in people:
        if task.done() and not task.cancelled() and task.exception():
            found.complaints.append(str(task.exception()) or repr(task.exception()))
    if late:
        found.complaints.append(f"{len(late)} sessions had to be broken off")
    watcher.cancel()
    return family(server.pid)[1:]


def main(
    *, sessions: int = 20, trainers: int = 5, seconds: float = 120.0, think: float = 3.0, most_mb: float = 2500.0
) -> int:
    """Drive the app with many sessions, and print what they waited for.

    Args:
        sessions: people at once.
        trainers: how many of them train.
        seconds: how long.
        think: seconds between two things that a person does, on average.
        most_mb: memory limit of the server and its workers.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server is stopped on the way out
    random.seed(0)
    found = Findings()
    with serve() as (port, server):
        left = asyncio.run(
            drive(port, server, found, sessions=sessions, trainers=trainers, seconds=seconds, think=think)
        )
    ended = time.monotonic()
    while any(map(trains, left)) and time.monotonic() < ended + OUTLIVE:
        time.sleep(0.2)
    ended = time.monotonic() - ended
    running = int(os.environ.get("SSLVIZ_TRAIN_RUNNING", 1))
    outlived = [pid for pid in left if trains(pid)]
    shown = [identity for runs in found.runs.values() for identity in runs]
    asked = sum(1 for number in range(trainers) if found.runs[number])
    print(f"{machine()}")
    print(f"{sessions} sessions, {trainers} of them training, {seconds:.0f} s, {think:g} s between two things")
    print(f"  the very first visit to every page took {found.cold:.1f} s in all")
    for kind, waits in sorted(found.waits.items()):
        p50, p95 = np.percentile(waits, [50, 95]) * 1000
        print(f"  {kind:18} p50 {p50:7.0f} ms   p95 {p95:7.0f} ms   n {len(waits):5}")
    print(f"  peak memory        {found.rss_mb:7.0f} MB of {most_mb:.0f} ({found.samples} samples)")
    print(f"  training           {asked} of {trainers} got a run, at most {found.workers} at once")
    print(f"  last worker ended  {ended:7.1f} s after its server")
    checks = {
        "a page failed, or did not answer": bool(found.complaints),
        "more processes train than the queue allows": found.workers > running,
        "a run was shown to two sessions, or to one that has none": len(shown) != len(set(shown)) or any(
            found.runs[number] for number in range(trainers, sessions)
        ),
        "a trainer got no run": asked < trainers,
        "a process outlived its server": bool(outlived),
        "too much memory": found.rss_mb > most_mb,
    }  # fmt: skip
    for complaint, count in list(zip(*np.unique(found.complaints, return_counts=True), strict=True))[:20]:
        print(f"  ! {complaint} ({count} times)")
    for what, failed in checks.items():
        if failed:
            print(f"  failed: {what}")
    for pid in outlived:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return int(any(checks.values()))


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
