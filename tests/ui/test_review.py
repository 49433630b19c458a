"""The sheet as HTML: figures only from what was computed, formulas without scripts, what is missing said, bars "
"escaped."""

import re
import xml.dom.minidom
from html import unescape

import pytest
from tinyreview import figures

from sslviz.bundled.review import SUBJECTS, subject
from sslviz.jobs.rooms import Standing
from sslviz.ui.review import room
from sslviz.ui.review.mathml import mathml
from sslviz.ui.review.sheet import document, sheet


def numbers(html):
    """Numbers in what is marked as a figure, but for those of scripts' lengths, which are counted."""
    found = re.findall(r'class="rv-figure">(.*?)</(?:span|td)>', html, re.S)
    return [number for text in found for number in re.findall(r"\d+(?:[.,]\d+)*", unescape(text))]


def test_no_figure_of_the_sheet_is_a_constant():
    """Other figures in, other figures out: a number that stays is typed, but for the lengths of scripts."""
    before, after = (numbers(sheet(figures(factor))) for factor in (1, 3))
    lengths = {str(len(each.script.read_text().splitlines())) for each in SUBJECTS}
    assert len(before) == len(after) > 60
    assert {a for a, b in zip(before, after, strict=True) if a == b} <= lengths


def test_the_sheet_stands_before_its_figures_and_says_so():
    html = sheet(None)
    assert 'data-whole="false"' in html and html.count("This part is being computed.") == len(SUBJECTS) + 1
    assert all(each.name in unescape(html) for each in SUBJECTS) and "<math" in html


def test_a_model_that_is_missing_is_said_and_its_row_is_there_when_it_is():
    known = figures()
    known["subjects"]["clm"] = {"missing": subject("clm").missing, "model": "", "values": {}, "pictures": {}}
    known["rows"] = [row for row in known["rows"] if row["key"] != "clm"]
    html = unescape(sheet(known))
    assert "sslviz train clm TEXT" in html and html.count('name="rv-clm"') == 0
    assert sheet(figures()).count('name="rv-clm"') == 4


def test_the_file_needs_nothing_else_and_escapes_what_it_is_told():
    html = document(figures(), title="Revised", said="<now>")
    assert "<script" not in html and "http" not in re.sub(r"http://www\.w3\.org", "", html) and "&lt;now&gt;" in html
    assert "url(" not in html and "<b>ocean" not in html and "&lt;b&gt;" in html
    assert html.count("<pre>") == len(SUBJECTS)


@pytest.mark.parametrize("each", SUBJECTS, ids=lambda each: each.key)
def test_formulas_become_mathml(each):
    for latex in (each.about.latex, *(tied.symbol for tied in each.tied)):
        xml.dom.minidom.parseString(mathml(latex, block=True))


def test_mathml_knows_fractions_limits_and_what_it_does_not_know():
    text = mathml(r"\frac{1}{N}\sum_{i=1}^{N} z_i'", block=True)
    assert "<mfrac><mrow><mn>1</mn></mrow>" in text and "<munderover><mo>∑</mo>" in text and "<msub><mi>z</mi>" in text
    for bad in (r"\unknown", "{a", "a}", r"\frac{a}"):
        with pytest.raises(ValueError):
            mathml(bad)


def test_bars_of_a_room_escape_names_and_mark_the_answer():
    names = ("<img src=x onerror=alert(1)>", *[f"n{i}" for i in range(20)])
    standing = Standing("ABCDE", 1, "What <b>?", ("yes", "no"), False, (3, 1), 0, "so", 4, 5, names)
    html = room.bars_of(standing)
    assert "<img" not in html and "&lt;img" in html and "and 9 more" in html and "What &lt;b&gt;?" in html
    assert html.count("rv-count-right") == 1 and "4 of 5 have answered; closed" in html


def test_the_address_of_a_room_is_that_of_the_app():
    assert room.address_of("ABCDE", "http://host:8501/review?x=1") == "http://host:8501/?room=ABCDE"
    assert room.address_of("ABCDE", "https://host/app/review") == "https://host/app/?room=ABCDE"
