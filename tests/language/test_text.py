"""Text of any script: files and sentences."""

import os
import time
from pathlib import Path

import pytest

from sslviz.errors import UserError
from sslviz.language import text


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Who met Mr. J. Smith. He left.", ["Dr. Who met Mr. J. Smith.", "He left."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("It cost 3.50 today. she paid", ["It cost 3.50 today. she paid"]),
        ("a\n\n  b  \r\nc", ["a", "b", "c"]),
        ("  \n ", []),
        ("Really?! Yes… No.", ["Really?!", "Yes…", "No."]),
        ("Кошка сидит. Она спит? А. С. Пушкин, г. Москва.", ["Кошка сидит.", "Она спит?", "А. С. Пушкин, г. Москва."]),
        ("Das kostet z. B. Geld. Äpfel sind rot.", ["Das kostet z. B. Geld.", "Äpfel sind rot."]),
        ("¿Cómo estás? ¡Bien! Él vino.", ["¿Cómo estás?", "¡Bien!", "Él vino."]),
        ("你好。我是学生！你呢？？好的", ["你好。", "我是学生！", "你呢？？", "好的"]),
        ("彼は「そうか。」と言った。そして帰った。", ["彼は「そうか。」と言った。", "そして帰った。"]),
        ("यह एक वाक्य है। दूसरा वाक्य है।", ["यह एक वाक्य है।", "दूसरा वाक्य है।"]),
        ("هل أنت بخير؟ نعم أنا بخير. شكرا لك.", ["هل أنت بخير؟", "نعم أنا بخير.", "شكرا لك."]),
        ("یہ ایک جملہ ہے۔ دوسرا جملہ۔", ["یہ ایک جملہ ہے۔", "دوسرا جملہ۔"]),
        ("안녕하세요. 반갑습니다.", ["안녕하세요.", "반갑습니다."]),
        ("Դու գնացի՞ր։ Այո։", ["Դու գնացի՞ր։", "Այո։"]),
        ("ሰላም። ደህና።", ["ሰላም።", "ደህና።"]),
    ],
)
def test_sentences_end_where_a_reader_would_say(line, sentences):
    assert text.split_sentences(line) == sentences


def test_a_paragraph_of_another_script_is_not_one_sentence():
    """120 Russian sentences on one line."""
    three = "Кошка сидит на столе. Собака спит под деревом. Мы идём домой после школы. "
    assert len(text.split_sentences(three * 40)) == 120


def test_accents_that_stand_apart_are_composed(tmp_path):
    apart = "Cafe\u0301 au lait. Zwei Gru\u0308ße."
    assert text.split_sentences(apart) == ["Café au lait.", "Zwei Grüße."]
    path = tmp_path / "nfd.txt"
    path.write_text(apart, encoding="utf-8")
    assert text.read_sentences(path) == ["Café au lait.", "Zwei Grüße."]


@pytest.mark.slow
def test_long_lines_take_a_time_that_grows_with_their_length():
    for line in ("A. " * 200_000, "." * 500_000, ". " * 200_000, "。」" * 200_000):
        started = time.perf_counter()
        text.split_sentences(line)
        assert time.perf_counter() - started < 10


def test_one_sentence_is_too_few_to_train_on():
    with pytest.raises(UserError, match="more sentences"):
        text.hold_out(["One sentence only."], 0.01)
    assert text.hold_out(["a", "b"], 0.9) == (["a"], ["b"])
    assert text.hold_out(["a", "b", "c"], 0.01) == (["a", "b"], ["c"])
    assert [len(part) for part in text.hold_out(["a"] * 1000, 0.01)] == [990, 10]


def test_what_is_no_file_is_not_read(tmp_path, monkeypatch):
    """A pipe or a device would be read for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="is no file"):
            text.read_sentences(path)
    (tmp_path / "mine.txt").write_text("One. Two.")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert text.read_sentences(Path("~/mine.txt")) == ["One.", "Two."]
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Grüße.".encode("latin-1"))
    with pytest.raises(UserError, match=r"iconv -f latin1 -t utf-8 .*latin\.txt"):
        text.read_sentences(latin)
    latin.write_bytes(b"\xef\xbb\xbfOne. Two.")  # with a byte order mark
    assert text.read_sentences(latin) == ["One.", "Two."]


def test_files_that_are_no_text_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text("Grüße. Zwei.\n", encoding="utf-8")
    assert text.read_sentences(path) == ["Grüße.", "Zwei."]
    for content, reason in ((b"\xff\xfe\x00", "UTF-8"), (b"a\0b", "zero bytes"), (b" \n", "no sentence")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=reason):
            text.read_sentences(path)
    with pytest.raises(UserError, match="Can't read"):
        text.read_sentences(tmp_path / "none.txt")
    monkeypatch.setattr(text, "MAX_BYTES", 1)
    with pytest.raises(UserError, match="larger than"):
        text.read_sentences(path)
