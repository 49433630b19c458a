"""The example sentences: which of them the bundled model gets right, and why in the case of the first."""

import pytest

from sslviz.bundled.examples import DEFAULT, EXAMPLES
from sslviz.language import explain, predict
from sslviz.language import model as language


@pytest.fixture(scope="module")
def model():
    return language.load("bert-sslviz")


def margin(model, text, words):
    """By how much the first answer leads where it is the word of the text, else minus what the answer has more."""
    (mask,) = predict.fill(model, text, words=words, top_k=2)
    first, second = mask.predictions
    return first.probability - (second.probability if mask.rank == 1 else 2 * first.probability - mask.probability)


def test_the_first_sentence_is_right_by_a_wide_margin(model):
    assert next(iter(EXAMPLES)) == DEFAULT[0]
    margins = {text: margin(model, text, words) for text, words in EXAMPLES.items() if len(words) == 1}
    assert margins[DEFAULT[0]] > 0.3
    assert sum(value > 0 for value in margins.values()) >= 5  # most are right, and one that is not stays


def test_why_the_first_sentence_is_right_is_seen_in_layers_and_attention(model):
    """It leads before the last layer, where the embeddings do not know it, and heads look at the words that decide."""
    text, words = DEFAULT
    ranks = [layer[0].rank for layer in explain.logit_lens(model, text, words=words)]
    assert ranks[0] > 1000 and ranks[-2:] == [1, 1]
    weights, tokens = explain.attention(model, text, words=words)
    row = weights[:, :, tokens.index("[MASK]")]  # (layers, heads, L)
    assert min(row[:, :, tokens.index(word)].max() for word in ("paris", "capital")) > 0.5


def test_an_example_is_right_by_what_stands_behind_the_gap(model):
    text = "The ship sailed across the sea to a distant island."
    assert margin(model, text, EXAMPLES[text]) > 0.5
    assert predict.fill(model, "The [MASK].")[0].predictions[0].token != "ship"
