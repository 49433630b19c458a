"""Models that read from the left: what they may see, how they are kept, and what they are asked."""

import json
import math

import pytest
import tinytext
import torch
from transformers import AutoModelForCausalLM

from sslviz.errors import UserError
from sslviz.language import begin, evaluation, explain, next_word, predict, recurrent
from sslviz.language import model as language
from sslviz.language.causal import CausalBert, CausalConfig

TEXT = "The river runs through the town and under three bridges."


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("left")
    return {kind: tinytext.write(kind, root / kind) for kind in ("bert", "left", "gru")}


@pytest.fixture(scope="module", params=["left", "gru"])
def causal(request, places):
    return language.load_causal(places[request.param])


def test_nothing_that_comes_later_is_seen(causal):
    ids = torch.tensor([predict.prefix_ids(causal, TEXT)])
    other = ids.clone()
    other[:, 5:] = ids.flip(1)[:, 5:]
    with torch.no_grad():
        first, second = (causal.model(input_ids=rows).logits for rows in (ids, other))
    torch.testing.assert_close(first[:, :5], second[:, :5])
    assert not torch.allclose(first[:, 5:], second[:, 5:])


def test_a_twin_begins_with_the_weights_of_the_masked_model_and_loads_anywhere(places, tmp_path):
    twin = CausalBert.begin(CausalConfig(base=str(places["bert"])), seed=0)
    assert torch.equal(twin.model.cls.predictions.bias, language.load(places["bert"]).model.cls.predictions.bias)
    twin.write_files(tmp_path)
    found = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert found.config.is_decoder and torch.equal(found.cls.predictions.bias, twin.model.cls.predictions.bias)
    with pytest.raises(UserError, match="begin with the folder of a BERT"):
        begin.read_causal(places["gru"])


def test_a_recurrent_model_is_kept_and_a_damaged_one_refused(places, tmp_path):
    model = language.load_causal(places["gru"])
    recurrent.save(model, tmp_path, compact=True)
    small = language.load_causal(tmp_path)
    torch.testing.assert_close(small.model.embedding.weight, model.model.embedding.weight, rtol=0.07, atol=0.01)
    content = json.loads((tmp_path / "config.json").read_text())
    for bad in ({"hidden": 17}, {"hidden": -1}, {"hidden": "many"}):
        (tmp_path / "config.json").write_text(json.dumps(content | bad))
        with pytest.raises(UserError):
            language.load_causal(tmp_path)


def test_gaps_are_filled_as_by_hand(causal, places):
    """One word after another, each gap with the model's own first answer in it for those behind."""
    masked = language.load(places["bert"])
    texts = list(tinytext.TEXTS)
    spans = evaluation.masked_spans(masked, texts, seed=0, rate=0.4)
    found = next_word.gap_hits(causal, texts, spans, batch_size=3)
    for text, gaps, hits in zip(texts, spans, found, strict=True):
        encoded = causal.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        rows, read, last = list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)), [2], 0  # [CLS]
        for (start, end), hit in zip(gaps, hits, strict=True):
            read += [id for id, (a, b) in rows if last <= a and b <= start]
            word = [id for id, (a, b) in rows if start <= a and b <= end]
            inputs = [torch.tensor([[*read, *word[:n]]]) for n in range(len(word))]
            own = [int(causal.model(input_ids=ids).logits[0, -1].argmax()) for ids in inputs]
            assert hit == (own == word)
            read, last = [*read, own[0]], end


def test_growth_ends_at_the_probability_given_everything(causal):
    before, word = "The river runs through the", "town"
    found = next_word.growth(causal, before, word)
    assert len(found) == 6 and all(0 <= p <= 1 for p in found)
    ids = predict.prefix_ids(causal, before)
    target = predict.prefix_ids(causal, f"{before} {word}")[len(ids) :]
    total = 0.0
    with torch.no_grad():
        for n, id in enumerate(target):
            row = causal.model(input_ids=torch.tensor([[*ids, *target[:n]]])).logits[0, -1]
            total += float(row.double().log_softmax(0)[id])
    assert found[-1] == pytest.approx(math.exp(total), rel=1e-5)
    with pytest.raises(UserError, match="no tokens for"):
        next_word.growth(causal, before, "☃")


def test_a_text_is_written_on_from_a_seed(causal):
    first, second = (predict.write_on(causal, "The river", words=3, seed=1) for _ in range(2))
    assert first == second and first.startswith("The river") and "[" not in first
    with pytest.raises(UserError, match="no text to go on from"):
        predict.write_on(causal, " ")
    tokens = [p.token for p in predict.next_word(causal, "The river", top_k=200)]
    assert "(end)" in tokens and "[CLS]" not in tokens[:50]


def test_sentences_have_vectors(causal):
    h = explain.sentence_vectors(causal, tinytext.TEXTS[:4])
    assert h.shape == (4, 16 if isinstance(causal.model, recurrent.GRUModel) else 32)
    ids = torch.tensor([predict.prefix_ids(causal, tinytext.TEXTS[0])])
    with torch.no_grad():
        states = explain.states_of(causal, ids, torch.ones_like(ids), all_layers=False)[-1][0, 1:]
    torch.testing.assert_close(torch.from_numpy(h[0]), states.mean(0), rtol=1e-4, atol=1e-5)
