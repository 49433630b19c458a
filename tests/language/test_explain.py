"""One head step by step: against what the model's own attention hands on."""

import numpy as np
import pytest
import tinytext
import torch

from sslviz.errors import UserError
from sslviz.language import explain
from sslviz.language import model as language

TEXT = "The cat sat on the mat."


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "albert"])
def test_a_head_step_by_step_is_what_the_model_computes(kind, tmp_path):
    model = language.load(tinytext.write(kind, tmp_path / kind))
    into = []  # what is handed to the projection behind the heads, layer by layer

    def behind(path: str) -> bool:
        return path.endswith(("attention.output.dense", "attention.out_lin", "attention.dense"))

    hooks = [
        module.register_forward_hook(lambda m, given, found: into.append(given[0]))
        for path, module in model.model.named_modules()
        if behind(path)
    ]
    weights, tokens = explain.attention(model, TEXT, words=[1])
    for hook in hooks:
        hook.remove()
    assert len(into) == 3
    for layer in range(3):
        for head in range(4):
            steps = explain.attention_head(model, TEXT, words=[1], layer=layer, head=head)
            assert steps.tokens == tokens and steps.q.shape == steps.v.shape == (len(tokens), 8)
            np.testing.assert_allclose(steps.weights, weights[layer, head], atol=1e-5)
            handed_on = into[layer].reshape(len(tokens), 4, 8)[:, head].numpy()
            np.testing.assert_allclose(steps.output, handed_on, atol=1e-4)
            by_hand = [[sum(a * b for a, b in zip(q, k, strict=True)) / 8**0.5 for k in steps.k] for q in steps.q]
            np.testing.assert_allclose(steps.scores, by_hand, atol=1e-3)


def test_attention_of_equal_keys_is_the_mean_and_of_a_large_score_the_one():
    rng = np.random.default_rng(0)
    q, v = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    _, weights, output = explain.attend(q, np.ones((3, 4)), v)
    np.testing.assert_allclose(weights, 1 / 3)
    np.testing.assert_allclose(output, np.tile(v.mean(0), (3, 1)))
    _, weights, output = explain.attend(1000 * np.eye(3), np.eye(3), v[:, :3])
    np.testing.assert_allclose(output, v[:, :3])  # and no overflow
    assert torch.allclose(torch.from_numpy(weights), torch.eye(3, dtype=torch.float64))


def test_heads_that_are_not_there_or_can_not_be_taken_apart_get_words(tmp_path):
    bert = language.load(tinytext.write("bert", tmp_path / "bert"))
    for layer, head in ((3, 0), (0, 4), (-1, 0)):
        with pytest.raises(UserError, match="3 layers of 4 heads"):
            explain.attention_head(bert, TEXT, layer=layer, head=head)
    other = language.load(tinytext.write("modernbert", tmp_path / "modernbert"))
    with pytest.raises(UserError, match="can't be taken apart"):
        explain.attention_head(other, TEXT)
