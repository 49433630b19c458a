"""What commands print: one JSON object or lines for people, and progress on stderr."""

import json as json_
import math
import sys
from collections.abc import Callable
from typing import Any

from sslviz.jobs.protocol import Done, Event, Monitored, Started, Stepped


def answer(result: dict[str, Any], json: bool, show: Callable[[], None] | None = None) -> None:
    """Print a command's result: by `show`, or as one line of JSON."""
    if json or show is None:
        print(json_.dumps(strict(result), allow_nan=False), flush=True)
    else:
        show()


def strict(value: Any) -> Any:
    """A value that every reader of JSON takes: null for a number that is not finite."""
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tell(event: Event) -> None:
    """Print an event as a line of JSON."""
    print(event.to_line(), flush=True)


def show_progress(events: Any) -> None:
    """A progress bar with the newest losses, and a line for each thing that stays."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("starting", total=1.0)
        for event in events:
            bar.update(task, completed=event.progress)
            if isinstance(event, Started):
                info = event.info
                bar.print(
                    f"{info['method']} on {info['dataset']} ({info['source']}), {info['parameters']:,} parameters"
                )
            elif isinstance(event, Stepped):
                text = ", ".join(f"{key} {value:.3f}" for key, value in event.losses.items())
                bar.update(task, description=f"step {event.step}, {event.images_per_second:,.0f} images/s: {text}")
            elif isinstance(event, Monitored):
                bar.print(f"epoch {event.epoch:.2f}: {', '.join(f'{k} {v:.3f}' for k, v in event.monitor.items())}")
            elif isinstance(event, Done):
                bar.print(f"done in {event.seconds / 60:.1f} min: {event.path}")


def bar(share: float) -> str:
    """A bar of up to 40 characters, of blocks where the terminal has them."""
    block = "█"
    try:
        block.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        block = "#"
    return block * round(40 * share)


def fetching(name: str) -> Callable[[float], None]:
    """Progress of a download on one line of stderr."""

    def show(share: float) -> None:
        print(f"\rfetching {name}: {share:4.0%}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)

    return show


def progress_line() -> Callable[[str, str, float], None]:
    """Progress of an evaluation on one line of stderr: whose, what is done, how far."""

    def show(name: str, stage: str, fraction: float) -> None:
        text = f"{fraction:4.0%} {name}: {stage}"
        print(f"\r{text:60}", end="" if fraction < 1 else "\n", file=sys.stderr, flush=True)

    return show
