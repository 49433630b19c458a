"""The corpus on inputs small enough to be read: sentences, parsers, what is held out."""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import zlib

import pytest

from sslviz.bundled import parsers
from sslviz.bundled.corpus import build
from sslviz.bundled.parsers import define
from sslviz.bundled.sentences import clean, good, key, tidy
from sslviz.bundled.sources import SOURCES, Source
from sslviz.errors import UserError
from sslviz.language.text import split_sentences

SYNSETS = """  1 This line is part of the licence.
00001740 05 n 01 dog 0 001 @ 00000001 n 0000 | a domestic animal (usually kept by people); "the dog barked all night"
00001750 05 n 01 hound 0 001 @ 00000001 n 0000 | a domestic animal; "He whistled for the hound"; "as he said"- A. Poet
"""


def pack(folder, package, texts):
    """A package as npm leaves it."""
    with tarfile.open(folder / f"{package}-1.0.0.tgz", "w:gz") as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))


def source(name, **settings):
    def parse(root):
        for path in sorted((root / "package").glob("*.txt")):
            yield path.stem, path.read_text(encoding="utf-8").split("\n")

    return Source(name, (name,), "public domain", parse, **settings)


def dictd(root, name, text):
    folder = root / "usr/share/dictd"
    folder.mkdir(parents=True)
    (folder / f"{name}.dict.dz").write_bytes(gzip.compress(text.encode()))


def sentences(documents):
    return [s for _, texts in documents for text in texts for s in map(tidy, split_sentences(clean(text))) if good(s)]


# sentences ----------------------------------------------------------------------------------------------------------


def test_cleaning_leaves_plain_typography():
    assert clean("“It’s  late”, he said —\n\tor so_ …") == '"It\'s late", he said - or so ...'
    assert clean("Never ---- -- again, _never_ . (Applause.)") == "Never - again, never."
    assert clean("x" + "-" * 5000 + "y") == "x - y"


def test_splitting_knows_abbreviations_initials_and_quotes():
    assert split_sentences('Mr. J. Smith left. "Did he?" she asked. "Yes." It was 5 p.m. then.') == [
        "Mr. J. Smith left.",
        '"Did he?" she asked.',
        '"Yes."',
        "It was 5 p.m. then.",
    ]


@pytest.mark.parametrize(
    ("found", "mended"),
    [
        ('He left at once."', "He left at once."),
        ('"He left at once.', '"He left at once."'),
        ('"Go," he said, "at once.', '"Go," he said, "at once."'),
        ("He left at once).", "He left at once."),
        ('"He left.".', '"He left."'),
    ],
)
def test_lost_partners(found, mended):
    assert tidy(found) == mended


@pytest.mark.parametrize(
    ("sentence", "is_good"),
    [
        ("The dog barked all night.", True),
        ('"Where is it," she asked, "and why?"', True),
        ("The dog barked.", False),  # short
        ("The dog barked all night", False),  # no end
        ("and " * 40 + "so on.", False),  # long
        ("It was built in 1904 for 2,000 or 3,000 of them.", False),  # numbers
        ("It was built in 1904 for the people of the town.", True),
        ("Use the [option] that was shown above.", False),
        ("CHAPTER THE FIRST in which it begins.", False),
        ("And what hath he done for thee?", False),
        ("The act of arriving there. [Obs.]", False),
        ("See the word under the other word.", False),
        ("Straße und Häuser für Bürger überall größer.", False),
        ("It was a lewd thing to say.", False),
    ],
)
def test_good_sentences(sentence, is_good):
    assert good(sentence) is is_good


def test_keys_ignore_case_and_punctuation():
    assert key('"The dog - barked!"') == key("the DOG barked.") != key("the dogs barked")


# parsers ------------------------------------------------------------------------------------------------------------


def test_wordnet_gives_definitions_and_examples(tmp_path):
    folder = tmp_path / "usr/share/wordnet"
    folder.mkdir(parents=True)
    for part in ("noun", "verb", "adj", "adv"):
        (folder / f"data.{part}").write_text(SYNSETS if part == "noun" else "")
    assert list(parsers.wordnet(tmp_path)) == [
        ("noun 00001740", ["A dog is a domestic animal.", "The dog barked all night."]),
        ("noun 00001740", ["A hound is a domestic animal.", "He whistled for the hound."]),  # held out together
    ]


@pytest.mark.parametrize(
    ("lemma", "part", "definition", "kind", "sentence"),
    [
        ("owl", "noun", "a bird of the night", "05", "An owl is a bird of the night."),
        ("head", "noun", "the upper part of the body", "08", "The head is the upper part of the body."),
        ("pacifism", "noun", "the doctrine of peace", "09", "Pacifism is the doctrine of peace."),
        ("red deer", "noun", "common deer of Europe", "05", "Red deer: common deer of Europe."),
        ("Curtiss", "noun", "American who built aircraft", "18", "Curtiss was an American who built aircraft."),
        ("learn", "verb", "gain knowledge", "31", "To learn is to gain knowledge."),
        ("cool", "adj", "marked by calm", "00", "Cool means marked by calm."),
    ],
)
def test_definitions_read_as_sentences(lemma, part, definition, kind, sentence):
    assert define(lemma, part, definition, kind) == sentence


def test_foldoc_and_jargon_give_prose(tmp_path):
    dictd(
        tmp_path / "a",
        "foldoc",
        "bit\nbinary digit\n\n   <unit> (b) The unit of {information}\n   in a computer.\n\n   (2014)\n",
    )
    dictd(
        tmp_path / "b", "jargon", "bit\n n.\n\n    [common] The unit of {information} in a computer. Compare {byte}.\n"
    )
    (_, first), (_, second) = list(parsers.foldoc(tmp_path / "a"))[-1], list(parsers.jargon(tmp_path / "b"))[-1]
    assert sentences([("", first)]) == sentences([("", second)]) == ["The unit of information in a computer."]


def test_gcide_gives_senses_of_a_headword_but_no_poet(tmp_path):
    text = (
        "Bark \\Bark\\ (b[aum]rk), v. i. [AS. beorcan to bark.\n   See {Yelp}.]\n"
        "   1. To make the short noise of a {dog}.\n      [1913 Webster]\n\n"
        "            The dogs did bark at all who came.  --Gay.\n      [1913 Webster]\n\n"
        "   2. To speak in a sharp and angry way.\n      [1913 Webster]\n\n"
        "Bark \\Bark\\, n. [Dan.]\n   The outer layer of the trunk of a tree.\n"
    )
    dictd(tmp_path, "gcide", text)
    ((name, texts),) = (document for document in parsers.gcide(tmp_path) if document[0])
    assert name == "Bark"
    assert sentences([("", texts)]) == [
        "To speak in a sharp and angry way.",
        "The outer layer of the trunk of a tree.",
    ]


GAMES = {source.name: source for source in SOURCES if source.name in ("endless-sky", "naev", "wesnoth")}


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("endless-sky", "a.txt", 'mission "Go"\n\t`The ship landed. "Go on," he said.`\n\tdescription "A ship."'),
        ("naev", "a.lua", 'x = _("The ship landed.\\n\\"Go on,\\" he said.")\ny = [[A ship.]]\nz = "nothing"'),
        ("wesnoth", "a.cfg", 'message= _ "The ship landed. ""Go on,"" he said."\nname= _ "A ship."\nimage="no.png"'),
    ],
)  # fmt: skip
def test_games_tell_their_stories_between_quotes(name, file, text, tmp_path):
    (tmp_path / file).write_text(text)
    ((found, texts),) = GAMES[name].parse(tmp_path)
    assert found == "a" and texts[-2:] == ['The ship landed. "Go on," he said.', "A ship."]


def test_records_give_every_text_of_their_json(tmp_path):
    path = tmp_path / "usr/share/json/items/a.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps([{"name": "ring", "weight": 3, "description": ["A plain ring.", {"more": "It is old."}]}])
    )
    assert list(parsers.records(tmp_path)) == [("a", ["ring", "A plain ring.", "It is old."])]


def test_pages_give_their_paragraphs(tmp_path):
    (tmp_path / "a.html").write_text(
        "<pre>no</pre><p class='x'>Press <b>Enter</b> &amp; go\non.</p><param>no<p>Then wait.</p>"
    )
    assert list(parsers.pages(tmp_path, "*.html")) == [("a", ["Press Enter & go\non.", "Then wait."])]


def test_austen_is_read_from_the_blocks_of_r(tmp_path):
    def block(*lines):
        data = b"X\n" + struct.pack(">5i", 3, 0, 0, 5, 0)[:16] + b"\0\0\0\5UTF-8" + struct.pack(">2i", 16, len(lines))
        data += b"".join(struct.pack(">2i", 0x40009, len(line)) + line.encode() for line in lines)
        return struct.pack(">I", len(data)) + zlib.compress(data)

    path = tmp_path / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(block("EMMA", "", "It was", "late.") + block("PERSUASION", "", "He left."))
    assert list(parsers.austen(tmp_path)) == [
        ("Emma", ["EMMA", "It was\nlate."]),
        ("Persuasion", ["PERSUASION", "He left."]),
    ]


# corpus -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()
    pack(
        folder,
        "first",
        {"a.txt": "The dog barked all night.\nIt was late when he came.", "b.txt": "THE DOG - barked, all night!"},
    )
    pack(folder, "second", {"c.txt": "It was late, when he came.\nNobody knew what it was.\nNobody knew what it was!"})
    return folder


def test_no_held_out_sentence_is_in_train(packages, tmp_path):
    out = tmp_path / "out"
    report = build(packages, out, (source("first", held=lambda name: name == "a", how_held="a"), source("second")))
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in out.glob("*.txt")}
    assert lines["train.txt"] == ["Nobody knew what it was."]
    assert (
        lines["heldout.txt"] == lines["heldout-first.txt"] == ["The dog barked all night.", "It was late when he came."]
    )
    assert "heldout-second.txt" not in lines
    assert report == json.loads((out / "corpus.json").read_text())
    assert report["second"]["train"] == {"sentences": 1, "words": 5, "near_heldout": 0}
    assert report["first"]["heldout"] == {"what": "a", "sentences": 2, "words": 11}
    assert report["first"]["files"] == ["first-1.0.0.tgz"]


def test_running_text_keeps_its_order_and_nothing_near_what_is_held_out(tmp_path):
    near = "He said that the old dog of the house barked all night."
    pack(tmp_path, "first", {"a.txt": f"{near} It was late."})
    book = f"She knew that {near[3:-1]} and more. Nobody asked her why. Late."
    pack(tmp_path, "second", {"b.txt": f"{book}\nIt rained for two days. The river rose to the bridge."})
    held = source("first", held=lambda name: True, running=True)
    report = build(tmp_path, tmp_path / "out", (held, source("second", running=True)))
    assert report["second"]["train"]["near_heldout"] == 1
    kept = (tmp_path / "out/documents.txt").read_text(encoding="utf-8")
    assert kept == "It rained for two days.\nThe river rose to the bridge.\n"


def test_the_same_packages_give_the_same_bytes(packages, tmp_path):
    sources = (source("first"), source("second"))
    for name in ("one", "two"):
        build(packages, tmp_path / name, sources)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two and one["train.txt"].count(b"\n") == 3


def test_a_cap_stops_after_whole_documents(packages, tmp_path):
    report = build(packages, tmp_path / "out", (source("second", cap=1),))
    assert report["second"]["train"]["sentences"] == 2


def test_a_missing_package_is_named(packages, tmp_path):
    with pytest.raises(UserError, match=r"There is no third in .*: fetch it"):
        build(packages, tmp_path / "out", (source("first"), source("third")))
    assert not (tmp_path / "out").exists()


def test_a_damaged_package_is_named(packages, tmp_path):
    (packages / "first-1.0.0.tgz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"Can't read first-1.0.0.tgz"):
        build(packages, tmp_path / "out", (source("first"),))


def test_a_record_that_is_no_json_names_its_package(packages, tmp_path):
    pack(packages, "third", {"json/a.json": '["It ends here'})
    with pytest.raises(UserError, match=r"Can't read third-1.0.0.tgz"):
        build(packages, tmp_path / "out", (Source("third", ("third",), "public domain", parsers.records),))


def test_the_command_line_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "sslviz.bundled.corpus", str(tmp_path), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("There is no wordnet-base in")
