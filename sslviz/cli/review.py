"""`sslviz review`: compute the figures of the page of revision, and keep them where it shows them at once."""

from __future__ import annotations

import shlex
from collections import deque
from typing import Any

from sslviz.cli.output import answer, progress_line


def review(*, store: bool = False, json: bool = False) -> None:
    """Compute what the page Review shows: each method's pretext figure, its probe, and what goes wrong most often.

    Args:
        store: keep the figures in the assets, where the page shows them at once as long as models and code are these.
        json: print one JSON object, pictures included.
    """
    from sslviz.bundled.review import stored
    from sslviz.bundled.review.figures import Sizes, each_subject

    line = None if json else progress_line()

    def tell(stage: str, fraction: float) -> None:
        if line:
            line("review", stage, fraction)

    (found,) = deque(each_subject(tell, Sizes()), maxlen=1)  # the last one has them all
    if store:
        stored.write(found, command=shlex.join(["sslviz", "review", "--store"]))
    answer(found, json, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    for key, each in found["subjects"].items():
        row = each["values"].get("row", {})
        told = [f"{name}: {row[name]}" for name in ("pretext", "transfer", "baseline", "protocol") if row.get(name)]
        print(f"{key} ({each['model'] or 'no model'}): {each['missing'] or '; '.join(told)}")
    print(f"In brackets: {found['interval']}.")
