"""The page of language models: how long a warm answer takes, and what the page holds in memory.

    python tests/benchmarks/words.py

Starts the app on a free port of this machine, opens the page as a browser does, types one sentence after another, each
with a mask, and waits for the page with its answer. The exit status is 1 where the page takes longer or holds more than
it may.
"""

import asyncio
import random
import statistics
import sys
from typing import Any

import tyro
from load import Findings, Session, enter, resident_mb, serve

THINGS = ("dog", "book", "river", "teacher", "machine", "garden", "letter", "song", "king", "window")
FRAMES = (
    "The {} was very [MASK].", "She put the {} on the [MASK].", "Every {} needs some [MASK].",
    "A {} is a kind of [MASK] that people like.", "He could not [MASK] the {} in time.",
)  # fmt: skip


class Reader(Session):
    """A person who sees whether an answer is on show."""

    answered = False

    def _see(self, element: Any) -> None:
        super()._see(element)
        self.answered |= element.WhichOneof("type") == "markdown" and "first with" in element.markdown.body


async def read(port: int, count: int, found: Findings) -> list[float]:
    """Seconds of each answer but the first, which loads the model."""
    async with enter(port) as stream:
        person = Reader(0, stream, found)
        await person.go("language")
        texts = [frame.format(thing) for thing in THINGS for frame in FRAMES]
        random.shuffle(texts)
        person.answered = False  # what it opens with is stored, and stands before the model is loaded
        while not person.answered:
            await person.ask("loading", typed=texts[-1])
            await asyncio.sleep(0.5)
        for text in texts[: count + 1]:
            person.answered = False
            await person.ask("answer", typed=text)
            if not person.answered:
                found.complaints.append(f"no answer to {text!r}")
    return found.waits["answer"][1:]


def main(*, count: int = 40, most_seconds: float = 0.5, most_mb: float = 1000.0) -> int:
    """Type sentences, and print the median and the 95th percentile of the answers and the memory of the server.

    Args:
        count: sentences.
        most_seconds: that the 95th percentile may take.
        most_mb: that the server may hold, resident.
    """
    random.seed(0)
    found = Findings()
    with serve() as (port, server):
        waits = sorted(asyncio.run(read(port, count, found)))
        memory = resident_mb(server.pid)
    p50, p95 = statistics.median(waits), waits[int(0.95 * len(waits))]
    print(f"{len(waits)} sentences, warm: p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms; {memory:.0f} MB resident")
    for complaint in found.complaints:
        print(f"  ! {complaint}")
    return int(bool(found.complaints) or p95 > most_seconds or memory > most_mb)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
