"""Definitions of WordNet's nouns, sorted by what kind of thing they define: the text behind `topics`."""

import re
from collections.abc import Iterator
from pathlib import Path

from sslviz.bundled.sentences import OFFENSIVE, key
from sslviz.errors import UserError

CLASSES = {  # name: number of the lexicographer file (lexnames(5WN)), which is the label
    "animal": 5, "artifact": 6, "body": 8, "communication": 10, "food": 13, "location": 15, "person": 18, "plant": 20,
}  # fmt: skip
WORDS = (5, 25)  # fewest and most in a sentence
_NAMES = re.compile(rf"\b(?:{'|'.join(CLASSES)}|bodies|food ?stuff)s?\b|\bcommunicat", re.I)  # the label itself
_LABELLED = re.compile(r"\b(?:slurs?|offensive|derogatory|disparag\w*|obscen\w*|vulgar\w*|ethnic|contemptuous)\b", re.I)
_SAD = re.compile(r"\b(?:sex\w*|murder\w*|torture\w*|homosexual\w*|lesbian|whores?|genital\w*|Nazis?)\b", re.I)
_PLAIN = re.compile(r"[A-Za-z ,'-]+")


def read_glosses(dict_dir: Path) -> dict[str, list[str]]:
    """The definitions of each class that read as a sentence and give no label away, in WordNet's order.

    Left out: what holds a word of the synset itself or the name of a class, what the screen for slurs and the like
    finds, what has other signs than letters, and of definitions that differ in case and punctuation alone all but the
    first.

    Args:
        dict_dir: WordNet 3.0's folder, in which data.noun is.

    Raises:
        UserError: there is no data.noun, or it is not WordNet's.
    """
    found: dict[str, list[str]] = {name: [] for name in CLASSES}
    names, seen = {number: name for name, number in CLASSES.items()}, set[str]()
    for number, lemmas, gloss in _synsets(Path(dict_dir) / "data.noun"):
        sentence = _sentence(gloss)
        if number in names and _good(sentence, gloss, lemmas) and key(sentence) not in seen:
            seen.add(key(sentence))
            found[names[number]].append(sentence)
    return found


def _synsets(path: Path) -> Iterator[tuple[int, list[str], str]]:
    """Lexicographer file, lemmas and gloss of each synset (wndb(5WN))."""
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("  "):  # the licence
                head, _, gloss = line.partition(" | ")
                fields = head.split()
                count = int(fields[3], 16)
                yield int(fields[1]), [lemma.replace("_", " ") for lemma in fields[4 : 4 + 2 * count : 2]], gloss
    except (OSError, ValueError, IndexError) as error:
        raise UserError(
            f"{path} can't be read as WordNet's nouns ({error}); give the folder of WordNet 3.0."
        ) from error


def _sentence(gloss: str) -> str:
    """The first definition of a gloss as a sentence, without notes in brackets and examples."""
    text = re.sub(r"\s*\([^()]*\)\s*", " ", gloss).partition('"')[0].partition(";")[0]
    text = re.sub(r"\s+", " ", text).strip(" :,.-")
    return text[:1].upper() + text[1:] + "."


def _good(sentence: str, gloss: str, lemmas: list[str]) -> bool:
    own = {word for lemma in lemmas for word in re.findall(r"[a-z]{3,}", lemma.lower())}
    words = sentence[:-1].split()
    return (
        WORDS[0] <= len(words) <= WORDS[1]
        and bool(_PLAIN.fullmatch(sentence[:-1]))
        and not any(pattern.search(gloss) for pattern in (OFFENSIVE, _LABELLED, _SAD))
        and not _NAMES.search(sentence)
        and not any(word in sentence.lower() for word in own)
    )
