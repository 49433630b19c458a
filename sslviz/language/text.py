"""Text of any script: files read with care, accents composed, split into sentences. Needs no torch."""

import re
import shlex
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import regex

from sslviz.errors import UserError
from sslviz.paths import expand

T = TypeVar("T")
MAX_BYTES = 500_000_000  # larger text files are refused
# What ends a sentence (Unicode's Sentence_Terminal and the ellipsis), closing marks, and what may begin the next one.
# A terminal of a script with capitals, or one that abbreviations use too, needs a space and a beginning behind it; the
# others (Chinese, Japanese, Hindi, Urdu, ...) end a sentence by themselves.
_CLOSING = r"[\p{Pe}\p{Pf}\"'”’]*"
LONGEST_ABBREVIATION = 12  # characters
_BOUNDARY = regex.compile(
    rf"(?<=[.!?…]){_CLOSING}\s+(?=[\p{{Ps}}\p{{Pi}}\"'¿¡„]*[\p{{Lu}}\p{{Lt}}\p{{Lo}}])"
    rf"|(?<=[\p{{Sentence_Terminal}}--[.!?…]]){_CLOSING}(?![\p{{Pe}}\p{{Pf}}\p{{Sentence_Terminal}}])(?:\s+|(?=\S)(?!と|って|[，、,]))",
    regex.V1,
)
_ABBREVIATION = regex.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Col|Capt|Lt|Sen|Rep|Gov|Hon|Rev|Jr|Sr|No|vs|etc|Inc|Corp|Co|Ltd|approx|esp|cf|"
    r"e\.g|i\.e|Nr|bzw|z\.\s?B|d\.\s?h|Mme|Mlle|г|гг|др|им|ул|т\.\s?е|т\.\s?д|т\.\s?п|[A-Za-z]|\p{Lu})\.$"
)


def composed(text: str) -> str:
    """Text with each accent and its letter as one character (Unicode's NFC), as vocabularies have it."""
    return unicodedata.normalize("NFC", text)


def read_sentences(path: Path) -> list[str]:
    """The sentences of a UTF-8 text file, blank ones left out, accents composed.

    Args:
        path: a regular file; a "~" stands for the home folder.

    Raises:
        UserError: no such file or none that can be read whole, not UTF-8 text, larger than 500 MB, without a sentence.
    """
    sentences = split_sentences(_read(path))
    if not sentences:
        raise UserError(f"{path} has no sentence in it; give a text file with some.")
    return sentences


def _read(path: Path) -> str:
    """The text of a file; raises what `read_sentences` does."""
    path = expand(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device may never end
            raise UserError(f"{path} is no file; give the path of a text file.")
        if found.st_size > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES / 1e6:.0f} MB; give a part of it.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start:,}); save it as UTF-8, or convert it: "
            f"iconv -f latin1 -t utf-8 {shlex.quote(str(path))} > new.txt."
        ) from error
    except OSError as error:
        raise UserError(f"Can't read {path}: {error.strerror}; give the path of a text file.") from error
    except ValueError as error:  # a zero byte in the path
        raise UserError(f"{str(path)!r} is no path; give the path of a text file.") from error
    if "\0" in text:
        raise UserError(f"{path} is not text: it holds zero bytes; give a plain text file.")
    return text.replace("\r\n", "\n")


def split_sentences(text: str) -> list[str]:
    """Running text of any script -> sentences, accents composed.

    A line break ends a sentence. So do . ! ? and … before a space and a capital, or a letter of a script without
    capitals, but not the point of an abbreviation or an initial; and the sentence enders of other scripts (。 । ۔ ...)
    wherever they stand.
    """
    sentences = []
    for line in composed(text).splitlines():
        parts, start = [], 0
        for boundary in _BOUNDARY.finditer(line):
            closed = boundary.group().strip()  # a quote or bracket after the point: no abbreviation
            if closed or not _ABBREVIATION.search(
                line, max(start, boundary.start() - LONGEST_ABBREVIATION), boundary.start()
            ):
                parts.append(line[start : boundary.end()])
                start = boundary.end()
        sentences += [stripped for part in (*parts, line[start:]) if (stripped := part.strip())]
    return sentences


def read_runs(path: Path) -> list[list[str]]:
    """The paragraphs of two sentences or more of a UTF-8 text file, which blank lines part.

    Raises:
        UserError: as `read_sentences`, or no paragraph has two sentences.
    """
    found = [split_sentences(part) for part in re.split(r"\n[ \t]*\n", _read(path))]
    runs = [run for run in found if len(run) > 1]
    if not runs:
        raise UserError(f"No paragraph of {path} has two sentences; give running text, blank lines between paragraphs.")
    return runs


def few_sentences(path: Path, most: int = 200_000) -> int | None:
    """How many sentences of a small text file are trained on, or None where it is larger or can't be read.

    Args:
        path: of the file.
        most: bytes that are worth reading for it.
    """
    try:
        if not path.is_file() or path.stat().st_size > most:
            return None
        return max(1, len(read_sentences(path)) - 1)
    except (OSError, UserError):
        return None


def hold_out(sentences: Sequence[T], share: float) -> tuple[list[T], list[T]]:
    """Sentences to train on, and the last ones, which are only watched: at least one of each.

    Args:
        sentences: N of them.
        share: to hold out, in (0, 1).

    Raises:
        UserError: fewer than two sentences.
    """
    if len(sentences) < 2:
        raise UserError(
            f"The text has {len(sentences)} sentence, and training takes one to learn from and one to watch; "
            "give a text with more sentences."
        )
    n = min(len(sentences) - 1, max(1, round(len(sentences) * share)))
    return list(sentences[:-n]), list(sentences[-n:])
