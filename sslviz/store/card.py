"""The card of a model that comes from someone else: known fields only, each of its own kind, and bounded.

What a card says is a claim. Pages show its texts, count with its numbers and offer its command to be copied, so that
what could break or mislead them is refused or left out here, and whoever shows a text still escapes it.
"""

import json
import math
import re
import shlex
from collections.abc import Callable
from typing import Any, NoReturn

MAX_TEXT = 2000  # characters
MAX_ENTRIES = 40  # of a table in a card
PLAIN = re.compile(r"\w[\w .,()+&'-]*")  # a dataset's name
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")  # of a row in such a table


class Damaged(ValueError):
    """What a file is or has that it must not; reads on after "This file …"."""


Reader = Callable[[str, Any], Any]  # name of a field, what stands there -> what is kept


def read_card(raw: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a card from elsewhere: the known fields, checked; others are left out.

    The dataset is a known name, or the name of images that are not here, or "" where that could be taken for a path.

    Raises:
        Damaged: name or dataset are missing, or a known field is not what it must be.
    """
    name, dataset = _text("name", raw.get("name")), _text("dataset", raw.get("dataset"))
    for key, text in (("name", name), ("dataset", dataset)):
        if not 0 < len(text) <= 64 or text.startswith(".") or "/" in text or "\\" in text:
            raise Damaged(f"has a card whose {key} is not a name")
    return {"name": raw["name"], "dataset": dataset if PLAIN.fullmatch(dataset) else ""} | read_fields(raw)


def read_fields(raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of a card that are known and more than its names, each checked.

    Raises:
        Damaged: one is not what it must be.
    """
    return _fields(FIELDS, raw)


def card_to_hand_on(card: dict[str, Any], *, dataset: str) -> dict[str, Any]:
    """A model's card for someone else: what `read_card` keeps, and no path of this machine.

    Args:
        card: of the model.
        dataset: its name for people.
    """
    kept = {key: card[key] for key in FIELDS if key in card}
    if isinstance(kept.get("command"), str):
        try:
            kept["command"] = shlex.join(map(_without_path, shlex.split(kept["command"])))
        except ValueError:
            del kept["command"]
    return {"name": card["name"], "method": card["method"], "dataset": dataset[:64].strip() or "images"} | kept


def _without_path(word: str) -> str:
    """The last part of a word that is a path."""
    return re.split(r"[/\\\\]", word.rstrip("/\\"))[-1] if re.search(r"[/\\\\]|^~", word) else word


def _fields(readers: dict[str, Reader], raw: dict[str, Any]) -> dict[str, Any]:
    found = {key: read(key, raw[key]) for key, read in readers.items() if key in raw}
    return {key: value for key, value in found.items() if value is not None}


def _text(key: str, value: Any) -> str:
    """A text of one line, of characters that can be seen: none that turn the direction of writing, none by halves."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise Damaged(f"has a card whose {key} is not a text of at most {MAX_TEXT:,} characters")
    return "".join(c if c.isprintable() else " " for c in value).strip()


def _command(key: str, value: Any) -> str | None:
    """A command that someone will copy: one of this package, quoted anew word by word; any other is left out."""
    try:
        words = shlex.split(_text(key, value))
    except ValueError:
        return None
    return shlex.join(words) if words[:2] in (["sslviz", "train"], ["sslviz", "models"]) else None


def _number(low: float, high: float, *, whole: bool = False) -> Reader:
    def read(key: str, value: Any) -> float:
        if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise Damaged(f"has a card whose {key} is not {kind} from {low:g} to {high:g}")
        return value

    return read


def _finite(key: str, value: Any) -> float:
    if type(value) not in (int, float) or abs(value) > 1e15 or math.isnan(value):
        raise Damaged(f"has a card whose {key} is not a finite number")
    return value


def _table(read: Reader) -> Reader:
    def read_table(key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_ENTRIES or not all(map(LABEL.fullmatch, value)):
            raise Damaged(f"has a card whose {key} is not a short table")
        return {label: read(f"{key} {label}", entry) for label, entry in value.items()}

    return read_table


def _results(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Damaged(f"has a card whose {key} is not a table")
    return _fields(RESULTS, value)


def _protocol(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Damaged(f"has a card whose {key} is not a table")
    return _fields(PROTOCOL, value)


def _difference(key: str, value: Any) -> dict[str, Any]:
    """A paired difference as `evaluation.intervals.Difference.as_dict` writes it."""
    low_high = value.get("interval_95") if isinstance(value, dict) else None
    if not isinstance(low_high, list) or len(low_high) != 2:
        raise Damaged(f"has a card whose {key} is not a difference with its interval")
    read, count = _number(-1, 1), _number(0, 10**9, whole=True)
    counts = {name: count(f"{key} {name}", value.get(name)) for name in ("n", "only_a", "only_b")}
    low, high = (read(key, end) for end in low_high)
    told = not low <= 0 <= high  # as the interval says, whatever the file claims
    return {"value": read(key, value.get("value")), "interval_95": [low, high], "told": told} | counts


_share, _amount, _count = _number(0, 1), _number(0, 1e12), _number(0, 10**18, whole=True)
PROTOCOL: dict[str, Reader] = {
    "train_source": _text, "n_train": _count, "n_test": _count, "seed": _count, "linear": _text, "knn": _text,
}  # fmt: skip
RESULTS: dict[str, Reader] = {
    "losses": _table(_finite), "monitor": _table(_finite), "linear_probe": _share, "knn": _share,
    "baselines": _table(_share), "differences": _table(_difference),
    "recon": _finite, "kl": _finite, "negative_elbo": _finite,
    "n_test": _number(1, 10**9, whole=True),
    "protocol": _protocol,
    "top1": _share, "top5": _share, "n_masked": _count, "n_sentences": _count, "pseudo_perplexity": _finite,
    "n_pseudo": _count, "trigram_top1": _share, "trigram_left_top1": _share, "trigram_counts": _text,
    "trigram_pruned": _table(_share),
}  # fmt: skip
FIELDS: dict[str, Reader] = {
    "source": _text, "labels": _text, "n_train": _count, "parameters": _count, "hardware": _text, "command": _command,
    "seed": _count, "steps": _count, "epochs": _amount, "minutes": _amount, "batch_size": _count, "git_revision": _text,
    "created": _text, "versions": _table(_text), "precision": _text, "results": _results,
}  # fmt: skip


def parse(text: str, what: str) -> dict[str, Any]:
    """A JSON object without a key twice and without numbers that are none; `what` it is, for the sentence.

    Raises:
        Damaged: it is anything else.
    """
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except RecursionError as error:
        raise Damaged(f"has a {what} that is nested too deeply") from error
    except ValueError as error:
        raise Damaged(f"has a {what} that can't be read ({error!s:.100})") from error
    if not isinstance(content, dict):
        raise Damaged(f"has a {what} that is not a JSON object")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands there twice")
    return content


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
