"""Pairs of sentences: how they are drawn and joined, and the head that is trained on them, kept and read again."""

import dataclasses

import numpy as np
import pytest
import tinytext
import torch

from sslviz.errors import UserError
from sslviz.language import begin, pairs
from sslviz.language import model as language
from sslviz.language.batches import tokenise
from sslviz.methods.base import StepContext

RUNS = [list(tinytext.TEXTS[:4]), list(tinytext.TEXTS[4:6]), list(tinytext.TEXTS[6:])]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tinytext.write("bert", tmp_path_factory.mktemp("pairs") / "bert")


def test_pairs_are_neighbours_strangers_or_neighbours_swapped():
    lengths = [3, 5, 2] * 40
    found = pairs.pairs_of(lengths, seed=0)
    run = np.repeat(np.arange(len(lengths)), lengths)
    first, second, kinds = found.T
    assert len(found) == sum(lengths) - len(lengths)
    for kind, step in ((pairs.NEXT, 1), (pairs.SWAPPED, -1)):
        some = kinds == kind
        assert (second[some] - first[some] == step).all() and (run[first[some]] == run[second[some]]).all()
    strangers = kinds == pairs.OTHER
    assert (np.abs(first - second)[strangers] > 1).all()
    assert np.allclose(np.bincount(kinds) / len(kinds), pairs.SHARES, atol=0.1)
    assert (found == pairs.pairs_of(lengths, seed=0)).all() and (found != pairs.pairs_of(lengths, seed=1)).any()


def test_joined_pairs_are_what_the_tokenizer_makes_of_them():
    tokenizer = tinytext.wordpiece()
    asked = np.array([[0, 1, 0], [3, 2, 2], [4, 9, 1]])
    ids, types, seen, kinds = pairs.join(tokenise(tinytext.TEXTS, tokenizer), asked, pad_id=tokenizer.pad_token_id)
    texts = [[tinytext.TEXTS[row] for row in asked[:, side]] for side in (0, 1)]
    expected = tokenizer(*texts, padding=True, return_tensors="pt", return_token_type_ids=True)
    assert torch.equal(ids, expected["input_ids"]) and torch.equal(types, expected["token_type_ids"])
    assert torch.equal(seen, expected["attention_mask"].bool()) and kinds.tolist() == [0, 2, 1]


def test_what_was_trained_is_what_is_read_again(bert, tmp_path):
    config = pairs.NextSentenceConfig(base=str(bert), rank=2)
    model = pairs.NextSentenceBert.begin(config, seed=0)
    frozen = language.load(bert).model.bert.encoder.layer[0].output.dense.weight
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    sentences = tokenise([s for run in RUNS for s in run], model.tokenizer)
    batch = pairs.join(
        sentences, pairs.pairs_of([len(run) for run in RUNS], seed=0), pad_id=model.tokenizer.pad_token_id
    )
    context, losses = StepContext(forward=model), []
    for _ in range(12):
        loss = model.training_step(batch, torch.Generator(), context)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    place = tinytext.write("bert", tmp_path / "m")
    assert torch.equal(frozen, language.load(place).model.bert.encoder.layer[0].output.dense.weight)
    pairs.save(model, place / language.HEAD)
    assert language.has_next_sentence(place)
    again = language.load_next_sentence(place)
    with torch.no_grad():
        mine, its = model(*batch[:3]), again.model(batch[0], token_type_ids=batch[1], attention_mask=batch[2]).logits
    torch.testing.assert_close(mine, its, rtol=0.01, atol=0.01)  # half precision
    assert torch.equal(frozen, language.load(place).model.bert.encoder.layer[0].output.dense.weight)


def test_a_head_of_another_model_is_refused(bert, tmp_path):
    small = pairs.NextSentenceBert.begin(pairs.NextSentenceConfig(base=str(bert), rank=1), seed=0)
    pairs.save(small, tmp_path / language.HEAD)
    other = begin.read_next_sentence(bert)
    other.bert.pooler.dense = torch.nn.Linear(8, 8)
    with pytest.raises(UserError, match="of another model"):
        pairs.apply(other, tmp_path / language.HEAD)
    (tmp_path / language.HEAD).write_bytes(b"nothing")
    with pytest.raises(UserError, match="can't be read"):
        pairs.apply(other, tmp_path / language.HEAD)


def test_each_neighbour_is_asked_in_three_ways(bert):
    model = language.load_next_sentence(bert)
    found = pairs.evaluate(model, RUNS, seed=0)
    assert found["n_pairs"] == 7 and found["right"].keys() == {"next", "random", "swapped"}
    assert found["accuracy"] == pytest.approx((found["right"]["next"] + found["right"]["random"]) / 2)

    class Sure(torch.nn.Module):
        """Says that everything follows."""

        config = model.model.config

        def forward(self, input_ids, token_type_ids, attention_mask):
            return type("Out", (), {"logits": torch.tensor([[9.0, 0.0]]).expand(len(input_ids), -1)})

    sure = pairs.evaluate(dataclasses.replace(model, model=Sure()), RUNS, seed=0)
    assert sure["right"] == {"next": 1.0, "random": 0.0, "swapped": 0.0} and sure["accuracy"] == 0.5
    with pytest.raises(UserError, match="too few sentences"):
        pairs.evaluate(model, [["One sentence."], ["Another one."]], seed=0)
