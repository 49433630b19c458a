"""The next word and the gap: what each filler finds, against slow counting; the command on a tiny model."""

import json
import math

import numpy as np
import pytest
import tinytext
import torch

from sslviz import cli
from sslviz.errors import UserError
from sslviz.language import evaluation, next_word, trigram
from sslviz.language import model as language

TEXTS = [*tinytext.TEXTS, "Hello.", "The cat doesn't know it."]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return tinytext.write("gpt2", tmp_path_factory.mktemp("causal") / "gpt2")


def test_each_word_but_the_first_is_asked_for():
    asked = [TEXTS[0][a:b] for a, b in next_word.asked_words(TEXTS[0])]
    assert asked == ["cat", "sat", "on", "the", "mat"]
    assert next_word.asked_words("Hello.") == [] and len(next_word.asked_words("It costs 12 or 13.")) == 2


def test_a_left_to_right_model_is_asked_word_by_word(gpt2):
    model = language.load_causal(gpt2)
    found = next_word.evaluate_causal(model, TEXTS)
    right, costs = 0, []
    for text in TEXTS:
        for start, end in next_word.asked_words(text):
            encoded = model.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
            first, cost = True, 0.0
            for i, (a, b) in enumerate(encoded["offset_mapping"]):
                if a < end and b > start:
                    before = [model.tokenizer.bos_token_id, *encoded["input_ids"][:i]]
                    logits = model.model(input_ids=torch.tensor([before])).logits[0, -1]
                    first &= int(logits.argmax()) == encoded["input_ids"][i]
                    cost -= float(logits.double().log_softmax(-1)[encoded["input_ids"][i]])
            right += first
            costs.append(cost)
    assert found["n_words"] == len(costs) and found["n_sentences"] == len(TEXTS) - 1
    assert found["top1"] == pytest.approx(right / len(costs))
    assert found["perplexity"] == pytest.approx(math.exp(np.mean(costs)), rel=1e-4)
    low, high = found["top1_interval"]
    assert low - 1e-9 <= found["top1"] <= high and high - low < 0.2


def test_trigrams_that_know_a_text_find_its_words():
    counts = trigram.fit(["the cat sat on the mat"] * 5, min_count=1)
    found = next_word.evaluate_trigrams(counts, ["The cat sat on the mat.", "The unicorn sat."])
    assert found["n_words"] == 7  # after "on the" either of two words is as likely
    assert found["top1"] >= 4 / 7 and found["top5"] == pytest.approx(6 / 7)  # all but the unicorn
    p = counts.distribution(["the", "cat", None], 2, right=False)
    assert p.sum() == pytest.approx(1) and counts.vocabulary[int(p.argmax())] == "sat" and not p[:3].any()


def test_a_sentence_is_won_by_whoever_finds_more_words_of_it():
    found = evaluation.wins({
        "a": [[True, True], [False], [], [True]],
        "b": [[True, False], [False], [], [True]],
        "c": [[False, False], [False], [], [False]],
    })  # fmt: skip
    assert found["n_sentences"] == 3 and found["n_masked"] == 4
    assert found["wins"] == {"a": pytest.approx(1 / 3), "b": 0, "c": 0} and found["ties"] == pytest.approx(2 / 3)
    assert found["top1"] == {"a": 0.75, "b": 0.5, "c": 0}


def test_ranks_are_of_the_words_that_are_masked(tmp_path):
    model = language.load(tinytext.write("bert", tmp_path / "bert"))
    ranks = evaluation.masked_ranks(model, TEXTS, seed=3)
    spans = evaluation.masked_spans(model, TEXTS, seed=3)
    assert [len(row) for row in ranks] == [len(row) for row in spans]
    flat = [rank for row in ranks for rank in row]
    shares = evaluation.evaluate_masked(model, TEXTS, seed=3)
    assert shares["n_masked"] == len(flat) and shares["top5"] == np.mean(np.array(flat) < 5)


def test_the_command_measures_any_left_to_right_model_beside_trigrams(gpt2, tmp_path, capsys):
    text, corpus = tmp_path / "text.txt", tmp_path / "corpus.txt"
    text.write_text("\n".join(TEXTS), encoding="utf-8")
    corpus.write_text("\n".join(TEXTS * 2), encoding="utf-8")
    command = ["eval", "next-word", str(text), "--model", str(gpt2), "--corpus", str(corpus)]
    assert cli.main([*command, "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert models[str(gpt2)]["n_words"] == models["trigrams"]["n_words"]  # the same words
    assert models["trigrams"]["counts"] == "whole" and models["trigrams"]["top1"] > models[str(gpt2)]["top1"]
    assert cli.main([*command, "--sentences", "3"]) == 0
    assert "words in 3 sentences" in capsys.readouterr().out
    text.write_text("Hello.\n", encoding="utf-8")
    assert cli.main(["eval", "next-word", str(text), "--corpus", str(corpus)]) == 1
    assert "no sentence of two words" in capsys.readouterr().err


def test_a_masked_model_is_refused_where_one_is_wanted_that_reads_from_the_left(tmp_path):
    with pytest.raises(UserError, match="does not predict the next word"):
        language.load_causal(tinytext.write("bert", tmp_path / "bert"))
