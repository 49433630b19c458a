"""From the files of unpacked packages to documents: name and paragraphs."""

import gzip
import html
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslviz.bundled.sentences import END, key

Document = tuple[str, list[str]]  # name and paragraphs


def wordnet(root: Path) -> Iterator[Document]:
    """A document a synset: its definition as a sentence, and its examples. Equal definitions share a name."""
    first: dict[str, str] = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in _read(root / f"usr/share/wordnet/data.{part}").splitlines():
            if line.startswith(" ") or re.search(r"\b(?:slur|offensive|derogatory|disparag|obscene|vulgar)", line):
                continue
            head, _, gloss = line.partition(" | ")
            offset, kind, _, _, lemma = head.split()[:5]
            lemma = re.sub(r"\(\w+\)$", "", lemma).replace("_", " ")
            definition, quote, examples = re.sub(r"\s*\([^()]*\)\s*", " ", gloss).partition('"')
            definition = definition.strip(" ;:.,-")
            name = first.setdefault(key(definition), f"{part} {offset}")
            texts = [define(lemma, part, definition, kind)] if len(definition.split()) > 2 else []
            found = re.findall(r'"([^"]{8,})"(?!\s*-)', quote + examples)
            yield name, texts + [_sentence(example.strip(" ;,'.")) for example in found]


def define(lemma: str, part: str, definition: str, kind: str) -> str:
    """A definition as a sentence; `kind` is the number of WordNet's lexicographer file."""
    if part == "verb":
        return f"To {lemma} is to {definition.removeprefix('to ')}."
    if part != "noun":
        return _sentence(f"{lemma} means {definition}")
    first = definition.split()[0]
    mass = kind in ("07", "12", "13", "19", "22", "26", "27") or lemma.endswith(("ism", "ness", "ity"))
    if not (mass or any(word[0].isupper() for word in lemma.split())):
        if first in ("a", "an", "someone", "one"):
            return f"{_article(lemma).capitalize()} {lemma} is {definition}."
        if first == "the" and kind not in ("04", "09", "10"):
            return f"The {lemma} is {definition}."
    if first in ("a", "an", "the", "any", "that", "someone", "one"):
        return _sentence(f"{lemma} is {definition}")
    if kind == "18" and lemma[0].isupper() and re.search(r" who | and |\d", definition):
        return _sentence(f"{lemma} was {_article(definition)} {definition}")
    return _sentence(f"{lemma}: {definition}")


def foldoc(root: Path) -> Iterator[Document]:
    """A document an entry; its headwords stand at the edge, its paragraphs do not."""
    name, texts = "", list[str]()
    for paragraph in _dictd(root, "foldoc").split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if not any(line.startswith((" ", "\t")) for line in lines) and max(map(len, lines)) < 60:
            yield name, texts
            name, texts = lines[0], []
        elif not re.match(r"\s*[\[(]", paragraph):
            texts.append(_unbracket(paragraph))
    yield name, texts


def jargon(root: Path) -> Iterator[Document]:
    """A document an entry."""
    for entry in re.split(r"\n\n(?=\S)", _dictd(root, "jargon")):
        yield entry.partition("\n")[0], [_unbracket(paragraph) for paragraph in entry.split("\n\n")[1:]]


def fortunes(root: Path) -> Iterator[Document]:
    """A document a file, of those that are prose; the offensive ones are another package."""
    names = (
        "computers cookie education food fortunes goedel humorists kids law literature medicine miscellaneous news "
        "paradoxum people pets platitudes politics riddles science wisdom work"
    )
    for name in names.split():
        cookies = re.split(r"\n%\n", _read(root / "usr/share/games/fortunes" / name))
        cookies = [re.sub(r"\n\s+-- .*", "", cookie, flags=re.S) for cookie in cookies]
        yield name, [cookie for cookie in cookies if not re.search(r"\n\s{6,}|\t\S*\t|(?:^|\n)\S*[:>]\s", cookie)]


def austen(root: Path) -> Iterator[Document]:
    """A document a novel: R keeps each as a compressed vector of lines."""
    block = (root / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    while len(block) > 4:
        stream = zlib.decompressobj()
        data, block = stream.decompress(block[4:]), stream.unused_data
        at = data.index(b"UTF-8") + 13  # past the kind and the number of the lines
        lines = []
        while at < len(data):
            (length,) = struct.unpack_from(">i", data, at + 4)
            lines.append(data[at + 8 : at + 8 + length].decode())
            at += 8 + length
        yield lines[0].title(), "\n".join(lines).split("\n\n")


def gcide(root: Path) -> Iterator[Document]:
    """A document a headword, with the senses of its entries, but for a first one that runs on from the etymology."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n\n(?=\S)", _dictd(root, "gcide")):
        head, _, text = entry.partition("\\")
        text = re.sub(r"\A[^\n]*(?:\n {3}[^\n]*)*\]\n", "", text)
        senses = re.split(r"\n\s*\n|\n(?=\s+\d+\. )", text)
        own = [sense for sense in senses if not re.search(r"--\s?[A-Z]|\[WordNet", sense)]  # not a poet's, nor held out
        found.setdefault(head.strip(), []).extend(re.sub(r"^\s*\d+\.", "", _unbracket(sense)) for sense in own)
    yield from found.items()


def quoted(root: Path, pattern: str, string: str) -> Iterator[Document]:
    """A document a file: what it has to say stands between marks, in that group of `string` which matches."""
    for path in sorted(root.rglob(pattern)):
        found = ("".join(match.groups("")) for match in re.finditer(string, _read(path), re.S))
        yield path.stem, [text.replace("\\n", " ").replace('""', '"').replace('\\"', '"') for text in found]


def records(root: Path, pattern: str = "**/json/**/*.json") -> Iterator[Document]:
    """A document a file of JSON: all texts in it."""
    for path in sorted(root.glob(pattern)):
        yield path.stem, list(_texts(json.loads(_read(path))))


def pages(root: Path, pattern: str) -> Iterator[Document]:
    """A document a page: its paragraphs."""
    for path in sorted(root.glob(pattern)):
        texts = re.findall(r"<p(?:\s[^>]*)?>(.*?)</p>", _read(path), re.S | re.I)
        yield path.stem, [_untag(text) for text in texts]


def files(root: Path, pattern: str, first: str = "", last: str = "~") -> Iterator[Document]:
    """A document a file, of those between two names."""
    for path in sorted((root / "package/data").glob(pattern)):
        if first <= path.stem <= last:
            yield path.stem, _read(path).split("\n\n")


def handbook(root: Path) -> Iterator[Document]:
    """A document a page, named after the chapter above it."""
    for path in sorted((root / "usr/share/doc/debian-handbook/html/en-US").glob("*.html")):
        text = _read(path)
        above = re.search(r'<link rel="up" href="([^"#]+)', text)
        texts = re.findall(r'<div class="para">(.*?)(?=</div>|<div|<pre|<ul)', text, re.S)
        name = path.name if above is None or above[1] == "index.html" else above[1]
        yield name, [_untag(t) for t in texts]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _untag(text: str) -> str:
    """HTML -> plain text."""
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def _texts(value: Any) -> Iterator[str]:
    """The strings in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _dictd(root: Path, name: str) -> str:
    return gzip.decompress((root / f"usr/share/dictd/{name}.dict.dz").read_bytes()).decode(errors="replace")


def _unbracket(text: str) -> str:
    """Without <fields>, [notes], (labels) and the braces of links."""
    text = re.sub(r"[{}]|^\s*<[^>]*>", "", text)
    for _ in range(3):  # they nest
        text = re.sub(r"\[[^\[\]]*\]|\([^()]*\)", "", text)
    return text


def _sentence(text: str) -> str:
    """With a capital first, and a full stop last when there is no stop."""
    return text[:1].upper() + text[1:] + ("" if END.search(text) else ".")


def _article(word: str) -> str:
    return "an" if re.match(r"(?!uni|use|usu|eu|one\b)[aeiou]|hono|hour", word, re.I) else "a"


def scripture(root: Path, name: str) -> Iterator[Document]:
    """A document a chapter of a module of the SWORD project: compressed blocks of OSIS text, which an index lists."""
    for index in sorted(root.glob(f"usr/share/sword/modules/**/{name}/*t.?zs"), reverse=True):
        blocks, at = index.with_suffix(index.suffix[:-1] + "z").read_bytes(), index.read_bytes()
        places = struct.iter_unpack("<III", at[: len(at) // 12 * 12])  # where, how long, and how long unpacked
        packed = [blocks[first : first + size] for first, size, _ in places if size]
        text = b"".join(map(zlib.decompress, packed)).decode(errors="replace")
        text = re.sub(r"<note\b.*?</note>|<title\b.*?</title>", "", text, flags=re.S)
        text = re.sub(r"<hi type=\"bold\">Verses? [^<]*</hi>", "", text)
        for n, chapter in enumerate(re.split(r"<chapter [^>]*sID=[^>]*>", text)):
            paragraphs = re.split(r"<(?:div|lg?)\b[^>]*>", chapter)
            yield f"{index.stem} {n}", [_untag(paragraph) for paragraph in paragraphs]


def plain(root: Path, pattern: str, mark: str = r"\n[ \t]*\n", indented: bool = False) -> Iterator[Document]:
    """A document a text file, packed or not; paragraphs stand between marks; those indented may be left out."""
    for path in sorted(root.glob(pattern)):
        text = gzip.decompress(path.read_bytes()).decode(errors="replace") if path.suffix == ".gz" else _read(path)
        parts = re.split(mark, text.replace("\r", ""))
        yield path.name, [part.replace("`", "'") for part in parts if indented or not part.startswith((" ", "\t"))]


def manual(root: Path) -> Iterator[Document]:
    """A document a page in Perl's own markup, whose letters before angle brackets say how a word is set."""
    for name, texts in plain(root, "usr/share/perl/*/pod/*.pod"):
        kept = [text for text in texts if not text.startswith("=")]
        yield name, [re.sub(r"\b[BCFIL]<([^<>|]*)(?:\|[^<>]*)?>", r"\1", text) for text in kept]


def devil(root: Path) -> Iterator[Document]:
    """A document an entry of the Devil's Dictionary, without its headword."""
    for entry in re.split(r"\n\n(?=\S)", _dictd(root, "devil")):
        yield entry.partition(",")[0], re.sub(r"\A\S[^\n]*?, [a-z.]+\s+", "", entry).split("\n\n")


def messages(root: Path) -> Iterator[Document]:
    """A document a place of a game: what is read there, between marks, but for its makers' notes."""
    for path in sorted(root.glob("usr/share/games/crossfire/maps/**/*")):
        if path.is_file() and path.suffix not in (".py", ".png"):
            found = re.findall(r"^msg\n(.*?)^endmsg", _read(path), re.S | re.M)
            yield path.name, [text for text in found if "Created:" not in text and "Modified:" not in text]
