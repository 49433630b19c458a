"""The trigram model against a slow one written from the formulas, and its small file against the whole."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
import tinytext

from sslviz.errors import UserError
from sslviz.language import trigram

SMALL = ("the cat sat on the mat", "the cat sat on the chair", "the dog sat on the mat", "a dog ran", "the cat ran on")


class Slow:
    """P by absolute discounting, interpolated, one number at a time; words that stand there once are unknown."""

    def __init__(self, texts):
        counts = Counter(word for text in texts for word in text.split())
        self.words = sorted(word for word, n in counts.items() if n > 1)
        self.n = Counter()
        for text in texts:
            line = ["<s>", *(w if counts[w] > 1 else "?" for w in text.split()), "</s>"]
            for i in range(len(line)):
                for length in (1, 2, 3):
                    if i + length <= len(line):
                        self.n[tuple(line[i : i + length])] += 1
        self.total = sum(n for gram, n in self.n.items() if len(gram) == 1 and gram != ("<s>",))

    def p(self, word, *context):
        if not context:
            return 0.0 if word == "<s>" else self.n[(word,)] / self.total
        if not self.n[context]:
            return self.p(word, *context[1:])
        followers = [n for gram, n in self.n.items() if len(gram) == len(context) + 1 and gram[:-1] == context]
        left = self.n[context] - sum(n - 0.75 for n in followers)
        own = max(self.n[(*context, word)] - 0.75, 0)
        return (own + left * self.p(word, *context[1:])) / self.n[context]

    def score(self, words, gap, *, right=True):
        a, b, _, c, d = [None, "<s>", *words, "</s>", None][gap : gap + 5]
        known = [x if x is None or x in ("<s>", "</s>") or x in self.words else "?" for x in (a, b, c, d)]
        a, b, c, d = known
        left = () if b is None else (b,) if a is None else (a, b)
        scores = {}
        for w in self.words:
            scores[w] = self.p(w, *left)
            if right and c is not None:
                scores[w] *= self.p(c, *(() if b is None else (b,)), w)
                if d is not None and c != "</s>":
                    scores[w] *= self.p(d, w, c)
        return scores


@pytest.mark.parametrize(
    ("text", "gaps"),
    [("the cat sat on the mat", [2]), ("the dog sat", [0]), ("a cat ran on", [3]), ("the unicorn sat on the mat", [4]),
     ("the cat sat on the mat", [1, 2]), ("the cat sat on the mat", [1, 3]), ("cat", [0])],
)  # fmt: skip
def test_the_scores_are_those_of_the_slow_model(text, gaps):
    model, slow = trigram.fit(SMALL), Slow(SMALL)
    words = [None if i in gaps else word for i, word in enumerate(text.split())]
    for gap, right in product(gaps, (True, False)):
        found = dict(zip(model.vocabulary, model.scores(words, gap, right=right), strict=True))
        expected = slow.score(words, gap, right=right)
        assert set(expected) == set(model.vocabulary[3:])
        for word, p in expected.items():
            assert found[word] == pytest.approx(p, rel=1e-9)
        best = model.predict(words, gap, right=right)
        assert expected[best] == pytest.approx(max(expected.values()))


def test_what_follows_sums_to_one():
    model = trigram.fit(SMALL)
    number = {word: i for i, word in enumerate(model.vocabulary)}
    for a, b in (("the", "cat"), ("on", "the"), ("sat", "sat")):
        assert model._after(number[a], number[b]).sum() == pytest.approx(1)
    assert Slow(SMALL).p("mat", "the") == pytest.approx(model._after(None, number["the"])[number["mat"]])


def test_top1_counts_the_places_that_are_asked_for():
    model = trigram.fit(SMALL * 3)
    texts = ["The cat SAT on the mat", "the cat sat", "Xyzzy"]
    spans = [[(8, 11), (12, 14)], [(4, 7)], [(0, 5)]]
    right = [model.predict(["the", "cat", None, None, "the", "mat"], i) for i in (2, 3)]
    expected = sum(a == b for a, b in zip(right, ["sat", "on"], strict=True)) + (
        model.predict(["the", None, "sat"], 1) == "cat"
    )
    assert model.top1(texts, spans) == expected / 4 and expected >= 2
    lefts = [model.predict(["the", "cat", None, None], i, right=False) for i in (2, 3)]
    expected = sum(a == b for a, b in zip(lefts, ["sat", "on"], strict=True)) + (
        model.predict(["the", None], 1, right=False) == "cat"
    )
    assert model.top1(texts, spans, right=False) == expected / 4 and expected >= 1
    assert model.top1([], []) == 0


def random_texts(n, seed=0):
    """Sentences of a made-up language with a grammar of pairs."""
    rng = np.random.default_rng(seed)
    follows = rng.integers(0, 300, (300, 4))
    texts = []
    for _ in range(n):
        word, line = int(rng.integers(300)), []
        for _ in range(12):
            line.append(f"w{word}")
            word = int(follows[word][min(3, int(rng.exponential(1.0)))])
        texts.append(" ".join(line))
    return texts


def test_the_small_file_keeps_what_helps_most(tmp_path):
    texts = random_texts(3000)
    whole, held = trigram.fit(texts[:2800]), texts[2800:]
    spans = [[(text.index(" ", 12) + 1, text.index(" ", text.index(" ", 12) + 1))] for text in held]
    path = tmp_path / "trigrams.npz"
    kept = trigram.write_small(whole, path, max_bytes=9_000)
    assert path.stat().st_size <= 9_000 and len(kept.trigrams) < len(whole.trigrams)
    again = trigram.load(path)
    for name in ("unigrams", "bigrams", "trigrams"):
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
    assert again.vocabulary == kept.vocabulary
    full, small = whole.top1(held, spans), again.top1(held, spans)
    assert full > 0.5 and small > full - 0.1
    pairs = {tuple(row) for row in kept.bigrams[:, :2]}
    assert all((a, b) in pairs for a, b in kept.trigrams[:, :2])
    counts = {tuple(whole.vocabulary[i] for i in row[:3]): row[3] for row in whole.trigrams}
    assert all(counts[tuple(kept.vocabulary[i] for i in row[:3])] == row[3] for row in kept.trigrams)


def test_a_file_with_room_keeps_all(tmp_path):
    whole = trigram.fit(tinytext.TEXTS * 3)
    trigram.write_small(whole, tmp_path / "t.npz")
    again = trigram.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(again.trigrams, whole.trigrams)
    assert again.predict("the cat sat on the _ .".replace("_", "?").split(), 5) == "mat"
    with pytest.raises(UserError, match="allow more"):
        trigram.write_small(whole, tmp_path / "t.npz", max_bytes=100)
    assert not (tmp_path / "t.npz").exists()


def test_damage_and_emptiness_are_said(tmp_path):
    with pytest.raises(UserError, match="can't be read"):
        trigram.load(tmp_path / "none.npz")
    path = trigram.fit(tinytext.TEXTS * 3).save(tmp_path / "t.npz")
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(path, **arrays | {"unigrams": arrays["unigrams"][:-1]})
    with pytest.raises(UserError, match="fit together"):
        trigram.load(path)
    path.write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(UserError, match="can't be read"):
        trigram.load(path)
    for texts in ((), ("",), ("one two three",)):
        with pytest.raises(UserError, match="no word"):
            trigram.fit(texts)


def test_probabilities_are_finite_whatever_the_words():
    model = trigram.fit(SMALL)
    for words in (["?", None, "?"], [None, None, None], [None]):
        p = model.scores(words, words.index(None))
        assert np.isfinite(p).all() and (p[3:] >= 0).all() and math.isfinite(p.sum())
