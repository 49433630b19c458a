"""The example sentences: which of them the bundled model gets right, and why in the case of the first."""

import numpy as np
import pytest

from sslviz.bundled.examples import DEFAULT, EXAMPLES
from sslviz.language import explain, predict
from sslviz.language import model as language


@pytest.fixture(scope="module")
def model():
    return language.load("bert-mini")


def margin(model, text, words):
    """By how much the first answer leads where it is the word of the text, else minus what the answer has more."""
    (mask,) = predict.fill(model, text, words=words, top_k=2)
    first, second = mask.predictions
    return first.probability - (second.probability if mask.rank == 1 else 2 * first.probability - mask.probability)


def test_the_first_sentence_is_right_by_the_widest_margin(model):
    assert "Paris is the capital of France." in EXAMPLES and next(iter(EXAMPLES)) == DEFAULT[0]
    margins = {text: margin(model, text, words) for text, words in EXAMPLES.items() if len(words) == 1}
    assert max(margins, key=margins.get) == DEFAULT[0]
    assert margins[DEFAULT[0]] > 0.5
    assert sum(value > 0 for value in margins.values()) >= 5  # most are right, and one that is not stays


def test_why_the_first_sentence_is_right_is_seen_in_layers_and_attention(model):
    text, words = DEFAULT
    lens = explain.logit_lens(model, text, words=words)
    assert lens[0][0].rank > 10 and lens[-1][0].rank == 1  # the embeddings do not know it, the last layer does
    weights, tokens = explain.attention(model, text, words=words)
    row = weights[:, :, tokens.index("[MASK]")]  # (layers, heads, L)
    assert max(row[:, :, tokens.index(word)].max() for word in ("sailed", "sea")) > 0.3
    (left,) = predict.fill(model, "The [MASK].")
    assert left.predictions[0].token != "ship"  # from the left alone nobody could know
    assert np.isclose(row.sum(-1), 1, atol=1e-4).all()
