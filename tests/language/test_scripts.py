"""Sentences of other scripts, and accents that stand apart: split into words, masked and shown as they stand."""

import unicodedata

import pytest

from sslviz import cli
from sslviz.errors import UserError
from sslviz.language import model as language
from sslviz.language import predict, sentence
from sslviz.language.text import composed

SCRIPTS = {
    "Greek": ("Η γάτα κάθεται στο χαλί.", ["Η", "γάτα", "κάθεται", "στο", "χαλί"]),
    "Cyrillic": ("Кошка сидит на ковре.", ["Кошка", "сидит", "на", "ковре"]),
    "Devanagari": ("बिल्ली चटाई पर बैठी है।", ["बिल्ली", "चटाई", "पर", "बैठी", "है"]),
    "Chinese": ("猫坐在地上。", ["猫", "坐", "在", "地", "上"]),
    "Arabic": ("القطة تجلس على الأرض.", ["القطة", "تجلس", "على", "الأرض"]),
    "Korean": ("고양이가 의자 위에 앉아 있다.", ["고양이가", "의자", "위에", "앉아", "있다"]),
    "German, accents apart": (unicodedata.normalize("NFD", "Die Mütze ist schön."), ["Die", "Mütze", "ist", "schön"]),
}


@pytest.fixture(scope="module")
def model():
    return language.load("bert-sslviz")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_word_of_any_script_is_masked_whole_and_where_it_stands(script, model):
    given, words = SCRIPTS[script]
    text = composed(given)
    spans = sentence.word_spans(text)
    assert [text[a:b] for a, b in spans] == words
    found = sentence.tokens_of(model, given)
    for number, (start, end) in enumerate(spans):
        own = [p for p in found if p.word == number]
        assert own and (own[0].start, max(p.end for p in own)) == (start, end)
        masked = sentence.mask_text(model, given, (number,))
        assert masked.positions == tuple(p.position for p in own)
        before, after = masked.text.split("[MASK]")[0], masked.text.split("[MASK]")[-1]
        assert before.rstrip() == text[:start].rstrip() and after == text[end:]
        mask = predict.fill(model, given, words=(number,))[0]
        assert mask.rank is not None and 0 < mask.probability <= 1


def test_a_mask_inside_a_word_and_two_sentences_get_a_sentence_each(model, capsys):
    assert cli.main(["fill", "He was [MASK]ing. They were late."]) == 0
    said = capsys.readouterr().out
    assert "“[MASK]ing” is one word to the model: a mask for one token at its beginning, and “##ing”" in said
    assert "These are 2 sentences" in said
    assert cli.main(["fill", "He was [MASK]."]) == 0
    assert "one word to the model" not in (said := capsys.readouterr().out) and "sentences" not in said
    assert cli.main(["fill", "The 🦜🦩 is a [MASK]."]) == 0
    assert "unknown to the model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [("the " * 600 + "[MASK]", "603 tokens, and the model reads at most 512"), ("", "no text"), ("... !", "no words")],
)
def test_what_can_not_be_filled_says_why(text, reason, model, capsys):
    with pytest.raises(UserError, match=reason):
        predict.fill(model, text)
    assert cli.main(["fill", text]) == 1
    assert reason in capsys.readouterr().err
