"""Filling masks: against transformers' own pipeline, against slow loops, and against closed forms."""

import math

import numpy as np
import pytest
import tinytext
import torch

from sslviz.errors import UserError
from sslviz.language import adapt, evaluation, explain, predict, sentence
from sslviz.language import model as language

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def bert(root):
    return language.load(tinytext.write("bert", root / "bert"))


@pytest.fixture(scope="module")
def roberta(root):
    return language.load(tinytext.write("roberta", root / "roberta"))


@pytest.fixture(params=["bert", "roberta"])
def model(request):
    return request.getfixturevalue(request.param)


def pipeline(model, text, top_k=7):
    """transformers' answer: for each mask a list of candidates."""
    from transformers import FillMaskPipeline

    found = FillMaskPipeline(model=model.model, tokenizer=model.tokenizer)(
        text.replace("[MASK]", model.tokenizer.mask_token), top_k=top_k
    )
    return found if isinstance(found[0], list) else [found]


@pytest.mark.parametrize("text", ["The cat sat on the [MASK].", "[MASK] is the [MASK] of France.", "Why? [MASK]"])
def test_the_pipeline_of_transformers_says_the_same(model, text):
    masks = predict.fill(model, text, top_k=7)
    expected = pipeline(model, text)
    assert len(masks) == len(expected) == text.count("[MASK]")
    for mask, candidates in zip(masks, expected, strict=True):
        assert [p.id for p in mask.predictions] == [c["token"] for c in candidates]
        np.testing.assert_allclose(
            [p.probability for p in mask.predictions], [c["score"] for c in candidates], atol=1e-4
        )
        assert mask.original is mask.rank is mask.probability is None


def test_either_way_of_writing_a_mask_is_understood(model):
    assert (
        predict.fill(model, "The [MASK] sat.")
        == predict.fill(model, "The <mask> sat.")
        == predict.fill(model, "The [mask] sat.")
    )


def test_a_word_that_is_clicked_is_masked_with_all_its_tokens(model):
    text = "He doesn't know why the transformers failed."
    words = [text[slice(*span)] for span in sentence.word_spans(text)]
    assert words == ["He", "doesn't", "know", "why", "the", "transformers", "failed"]
    own = [p for p in sentence.tokens_of(model, text) if p.word == 5]
    assert len(own) > 1 and own[0].start == text.index("transformers") and own[-1].end == own[0].start + 12
    masked = sentence.mask_text(model, text, [5])
    assert masked.positions == tuple(p.position for p in own) and masked.groups == (0,) * len(own)
    assert masked.originals == tuple(p.token for p in own)
    assert {i for i, id in enumerate(masked.ids) if id == model.tokenizer.mask_token_id} == set(masked.positions)
    assert masked.text.count(model.tokenizer.mask_token) == len(own)
    again = sentence.mask_text(model, masked.text)  # the text with masks reads the same
    assert again.ids == masked.ids and again.positions == masked.positions
    for mask in predict.fill(model, text, words=[5]):
        everything = predict.fill(model, text, words=[5], top_k=10_000)[
            masked.positions.index(mask.position)
        ].predictions
        place = [p.id for p in everything].index(masked.original_ids[mask.position])
        assert mask.rank == place + 1 and mask.probability == pytest.approx(everything[place].probability)
        assert math.fsum(p.probability for p in everything) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.14, isn’t it?", ["It's", "3.14", "isn’t", "it"]),
        ("A well-known [MASK][MASK] <mask>-a", ["A", "well", "known", "[MASK]", "[MASK]", "<mask>", "a"]),
        ("巴黎 is Paris; straße, हिन्दी 🙂 e\u0301t", ["巴", "黎", "is", "Paris", "straße", "हिन्दी", "e\u0301t"]),
        ("... !", []),
    ],
)
def test_words_to_click(text, words):
    assert [text[slice(*span)] for span in sentence.word_spans(text)] == words


def test_tokens_stand_where_they_say(model):
    text = "She wrote,  [MASK] a LONG letter to 巴黎 — the baker's."
    found = sentence.tokens_of(model, text)
    assert [p.position for p in found] == list(range(len(found)))
    assert [p.special for p in found] == [True] + [False] * (len(found) - 2) + [True]
    spans = sentence.word_spans(text)
    for token in found[1:-1]:
        assert 0 <= token.start < token.end <= len(text)
        inside = [i for i, (start, end) in enumerate(spans) if start < token.end and token.start < end]
        assert inside == ([] if token.word is None else [token.word])
    mask = next(p for p in found if p.id == model.tokenizer.mask_token_id)
    assert text[mask.start : mask.end] == "[MASK]"
    assert not any(mark in p.token for p in found for mark in "Ġ▁")


def test_temperature_and_entropy(bert):
    logits = bert.model(**bert.tokenizer("The cat [MASK].", return_tensors="pt")).logits[0, 3].double()
    for temperature in (0.5, 1.0, 3.0):
        p = (logits / temperature).softmax(0)
        mask = predict.fill(bert, "The cat [MASK].", temperature=temperature, top_k=3)[0]
        np.testing.assert_allclose([x.probability for x in mask.predictions], p.topk(3).values, rtol=1e-4)
        assert mask.entropy == pytest.approx(-float((p * p.log()).sum()), rel=1e-5)


def test_one_after_the_other_the_most_certain_first(model):
    text, words = "[MASK] cat sat [MASK] the mat.", [5]
    steps = predict.fill_in_turn(model, text, words=words)
    ids = list(sentence.mask_text(model, text, words).ids)
    mask_id, expected = model.tokenizer.mask_token_id, []
    while mask_id in ids:  # a slow loop through the whole model
        p = model.model(input_ids=torch.tensor([ids])).logits[0].softmax(-1)
        place = max((i for i, id in enumerate(ids) if id == mask_id), key=lambda i: float(p[i].max()))
        expected.append((place, float(p[place].max())))
        ids[place] = int(p[place].argmax())
    assert [step.position for step in steps] == [place for place, _ in expected]
    np.testing.assert_allclose([step.probability for step in steps], [p for _, p in expected], atol=1e-5)
    assert model.tokenizer.mask_token not in steps[-1].text_after


def test_put():
    assert sentence.put("The [MASK] sat on <mask>.", 1, "mats") == "The [MASK] sat on mats."
    assert sentence.put("play [MASK] now", 0, "##ing") == "playing now"
    with pytest.raises(UserError, match="1 masks"):
        sentence.put("one [MASK]", 1, "x")


def test_the_score_of_a_word_of_one_piece_is_its_prediction(model):
    text = "The cat sat on the [MASK]."
    token = " the" if model.tokenizer.mask_token == "<mask>" else "the"
    id = model.tokenizer(token, add_special_tokens=False)["input_ids"]
    everything = predict.fill(model, text, top_k=10_000)[0].predictions
    place = [p.id for p in everything].index(id[0])
    for found in (
        predict.score(model, text, "the"),
        predict.score(model, "The cat sat on the mat.", " the ", words=[5]),
    ):
        assert found.tokens == ("the",) and found.rank == place + 1
        assert found.probability == pytest.approx(everything[place].probability, rel=1e-4)


def test_the_score_of_a_split_word_is_filled_left_to_right(model):
    text, mask_id = "Nobody knows [MASK] why [MASK] failed.", model.tokenizer.mask_token_id
    whole = sentence.tokens_of(model, text.replace("[MASK]", "transformers", 1))
    target = [p for p in whole if p.word == 2]
    ids = [mask_id if p.word == 2 else p.id for p in whole]
    assert ids.count(mask_id) == len(target) + 1  # the second mask stays
    total = 1.0
    for token in target:
        logits = model.model(input_ids=torch.tensor([ids])).logits[0, token.position]
        total *= float(logits.softmax(-1)[token.id])
        ids[token.position] = token.id
    for found in (
        predict.score(model, text, "transformers"),
        predict.score(model, "Nobody knows me why it failed.", "transformers", words=[4, 2]),
    ):
        assert found.tokens == tuple(p.token for p in target) and len(target) > 1 and found.rank is None
        assert found.probability == pytest.approx(total, rel=1e-4)


def test_pseudo_log_likelihood_is_a_loop_over_masks(model):
    text = "He doesn't know."
    found = predict.pseudo_log_likelihood(model, text, batch_size=2)
    ids = model.tokenizer(text)["input_ids"]
    expected = []
    for i in range(1, len(ids) - 1):
        row = [*ids[:i], model.tokenizer.mask_token_id, *ids[i + 1 :]]
        expected.append(float(model.model(input_ids=torch.tensor([row])).logits[0, i].log_softmax(-1)[ids[i]]))
    np.testing.assert_allclose(found.log_probabilities, expected, atol=1e-4)
    assert found.total == pytest.approx(sum(expected), rel=1e-5)
    of_words = [sum(e for e, p in zip(expected, found.tokens, strict=True) if p.word == i) for i in range(3)]
    np.testing.assert_allclose(found.words, of_words, atol=1e-4)
    value, n = evaluation.pseudo_perplexity(model, [text, "[MASK]", text], seed=0)
    assert n == 2 and value == pytest.approx(math.exp(-sum(expected) / len(expected)), rel=1e-4)


def test_the_last_layer_of_the_lens_is_the_answer(model):
    layers = explain.logit_lens(model, TEXT, words=[1, 3], top_k=4)
    assert len(layers) == 4
    for seen, answer in zip(layers[-1], predict.fill(model, TEXT, words=[1, 3], top_k=4), strict=True):
        assert [p.id for p in seen.predictions] == [p.id for p in answer.predictions]
        assert seen.entropy == pytest.approx(answer.entropy, abs=1e-5) and seen.rank == answer.rank
    states = model.model.base_model(
        input_ids=torch.tensor([sentence.mask_text(model, TEXT, [1]).ids]), output_hidden_states=True
    ).hidden_states
    position = sentence.mask_text(model, TEXT, [1]).positions[0]
    for layer, h in zip(explain.logit_lens(model, TEXT, words=[1]), states, strict=True):
        assert layer[0].predictions[0].id == int(model.head(h[0, position]).argmax())


@pytest.mark.parametrize("kind", ["distilbert", "albert", "modernbert"])
def test_other_kinds_show_their_layers_and_attention(kind, root):
    model = language.load(tinytext.write(kind, root / kind))
    layers = explain.logit_lens(model, TEXT, words=[1])
    assert layers[-1][0].predictions[0].id == predict.fill(model, TEXT, words=[1])[0].predictions[0].id
    weights, tokens = explain.attention(model, TEXT)
    assert weights.shape == (3, 4, len(tokens), len(tokens))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_attention_is_that_of_the_first_layer_by_hand(bert):
    weights, tokens = explain.attention(bert, TEXT, words=[1])
    assert weights.dtype == np.float32 and tokens[0] == "[CLS]" and tokens[2] == "[MASK]"
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    body = bert.model.bert
    h = body.embeddings(input_ids=torch.tensor([sentence.mask_text(bert, TEXT, [1]).ids]))[0]  # (L, D)
    attention = body.encoder.layer[0].attention.self
    q, k = (f(h).view(len(h), 4, 8).transpose(0, 1) for f in (attention.query, attention.key))  # (heads, L, 8)
    np.testing.assert_allclose(weights[0], (q @ k.transpose(1, 2) / math.sqrt(8)).softmax(-1).numpy(), atol=1e-5)
    assert explain.attention(bert, TEXT)[1][2] != "[MASK]"


def test_rollout_is_a_product_of_mixed_layers(bert):
    weights, _ = explain.attention(bert, TEXT)
    n = weights.shape[-1]
    flow = [[float(i == j) for j in range(n)] for i in range(n)]
    for layer in weights:
        mixed = [
            [0.5 * sum(head[i][j] for head in layer) / len(layer) + 0.5 * (i == j) for j in range(n)] for i in range(n)
        ]
        flow = [[sum(mixed[i][k] * flow[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(explain.rollout(weights), flow, atol=1e-5)
    np.testing.assert_allclose(explain.rollout(weights).sum(1), 1, atol=1e-5)


def test_losses_at_random_masks(model):
    text = " ".join(tinytext.TEXTS[:3])
    rows = adapt.masked_losses(model, text, seed=3, rate=0.5)
    assert (
        rows == adapt.masked_losses(model, text, seed=3, rate=0.5) != adapt.masked_losses(model, text, seed=4, rate=0.5)
    )
    found, mask = sentence.tokens_of(model, text), model.tokenizer.mask_token
    assert [r.original for r in rows] == [found[r.position].token for r in rows]
    words = [found[r.position].word for r in rows]
    assert all(p.position in {r.position for r in rows} for p in found if p.word in words and p.word is not None)
    kinds = {"mask" if r.shown == mask else "kept" if r.shown == r.original else "random" for r in rows}
    assert "mask" in kinds
    ids = [p.id for p in found]
    vocabulary = {sentence.readable(model.tokenizer, i): i for i in reversed(range(len(model.tokenizer)))}
    if all(vocabulary[r.shown] in (model.tokenizer.mask_token_id, ids[r.position]) for r in rows):
        for r in rows:
            ids[r.position] = vocabulary[r.shown]
        log_p = model.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        for r in rows:
            assert r.loss == pytest.approx(-float(log_p[r.position, found[r.position].id]), rel=1e-4)


@pytest.mark.slow
def test_a_copy_learns_and_the_model_does_not(bert):
    before = {key: value.clone() for key, value in bert.model.state_dict().items()}
    run, losses = adapt.adapt(bert, tinytext.TEXTS[:4], steps=60, lr=5e-3, seed=0), []
    while True:
        try:
            losses.append(next(run))
        except StopIteration as end:
            copy = end.value
            break
    assert [step for step, _ in losses] == list(range(1, 61))
    values = [loss for _, loss in losses]
    assert np.mean(values[-10:]) < np.mean(values[:10]) - 1
    for key, value in bert.model.state_dict().items():
        assert torch.equal(value, before[key])
    assert not bert.training and not copy.training and not any(p.requires_grad for p in copy.parameters())
    rank = predict.fill(copy, TEXT, words=[1])[0].rank
    assert rank < predict.fill(bert, TEXT, words=[1])[0].rank
    assert next(adapt.adapt(bert, tinytext.TEXTS[:4], steps=60, lr=5e-3, seed=0)) == losses[0]


def test_sentence_vectors_are_means_over_tokens(model):
    texts = [tinytext.TEXTS[4], tinytext.TEXTS[0], tinytext.TEXTS[5]]
    for layer in (-1, 0, 2):
        found = explain.sentence_vectors(model, texts, layer=layer, batch_size=2)
        for text, vector in zip(texts, found, strict=True):
            output = model.model.base_model(**model.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            np.testing.assert_allclose(vector, output.hidden_states[layer][0, 1:-1].mean(0).numpy(), atol=1e-4)


def test_sentence_vectors_of_all_layers_are_those_of_each(model):
    told: list[float] = []
    found = explain.sentence_vectors(model, tinytext.TEXTS, layer=None, batch_size=4, progress=told.append)
    n_layers = model.model.config.num_hidden_layers
    assert found.shape[:2] == (n_layers + 1, len(tinytext.TEXTS))
    for layer in range(n_layers + 1):
        one = explain.sentence_vectors(model, tinytext.TEXTS, layer=layer, batch_size=4)
        np.testing.assert_allclose(found[layer], one, atol=1e-5)
    np.testing.assert_allclose(found[-1], explain.sentence_vectors(model, tinytext.TEXTS, batch_size=4), atol=1e-5)
    assert told == sorted(told) and told[-1] == 1


def test_next_word(root):
    causal = language.load_causal(tinytext.write("gpt2", root / "gpt2"))
    ids = torch.tensor([[causal.tokenizer.bos_token_id, *causal.tokenizer("The cat")["input_ids"]]])
    p = (causal.model(input_ids=ids).logits[0, -1].detach().double() / 2).softmax(0)
    found = predict.next_word(causal, "The cat ", top_k=5, temperature=2.0)
    assert [x.id for x in found] == p.topk(5).indices.tolist()
    np.testing.assert_allclose([x.probability for x in found], p.topk(5).values, rtol=1e-4)
    for prefix, reason in (("", "no text"), ("cat " * 100, "tokens")):
        with pytest.raises(UserError, match=reason):
            predict.next_word(causal, prefix)


def test_next_sentence(root, bert):
    model = language.load_next_sentence(root / "bert")
    a, b = tinytext.TEXTS[0], tinytext.TEXTS[3]
    body = model.model.bert(**model.tokenizer(a, b, return_tensors="pt", return_token_type_ids=True))
    expected = model.model.cls.seq_relationship(body.pooler_output).softmax(-1)[0, 0]
    assert predict.next_sentence(model, a, b) == pytest.approx(float(expected), rel=1e-4)
    assert predict.next_sentence(model, b, a) != predict.next_sentence(model, a, b)
    with pytest.raises(UserError, match="Two sentences"):
        predict.next_sentence(model, a, " ")
    with pytest.raises(UserError, match="tokens"):
        predict.next_sentence(model, a * 5, b * 5)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda m: predict.fill(m, " \n"), "no text"),
        (lambda m: predict.fill(m, TEXT), "Nothing is masked"),
        (lambda m: predict.fill(m, TEXT, words=[17]), "6 words"),
        (lambda m: predict.fill(m, TEXT, words=[0], top_k=0), "at least 1"),
        (lambda m: predict.fill(m, TEXT, words=[0], temperature=0), "temperature"),
        (lambda m: predict.fill(m, "[MASK] " + TEXT * 12), r"tokens, and the model reads at most 64"),
        (lambda m: predict.score(m, "[MASK]", "  "), "no word"),
        (lambda m: predict.pseudo_log_likelihood(m, "A [MASK]."), "mask"),
        (lambda m: next(adapt.adapt(m, ["  "])), "no sentence"),
        (lambda m: next(adapt.adapt(m, [TEXT], steps=10**6)), "at most"),
        (lambda m: adapt.masked_losses(m, "...", seed=0), "no word"),
        (lambda m: explain.sentence_vectors(m, []), "empty"),
    ],
)
def test_what_can_not_be_done_is_said(call, reason, model):
    with pytest.raises(UserError, match=reason):
        call(model)


def test_unknown_symbols(bert):
    with pytest.raises(UserError, match="none of these symbols"):
        sentence.tokens_of(bert, "🙂 ☃ ♞")
    with pytest.raises(UserError, match="no tokens"):
        predict.score(bert, "The [MASK].", "☃")
    assert [p.token for p in sentence.tokens_of(bert, "cat ☃")].count("[UNK]") == 1


def test_a_long_text_is_cut_to_what_the_model_reads(model):
    text = TEXT * 12
    short = sentence.cut(model, text)
    assert text.startswith(short) and len(sentence.tokens_of(model, short)) == 64
    assert sentence.cut(model, TEXT) == TEXT


def test_letters_that_touch_a_mask_go_on_its_word(bert, roberta):
    """A mask stands for one token: "[MASK]ing" is not a mask and a word "ing"."""
    found = sentence.tokens_of(bert, "The [MASK]s sat, un[MASK]s.")
    assert [p.token for p in found[1:-1]][:4] == ["the", "[MASK]", "##s", "sat"]
    assert [p.token for p in found if p.token.startswith("##s")] == ["##s", "##s"]
    ids = torch.tensor([bert.tokenizer.convert_tokens_to_ids([p.token for p in found])])
    assert ids[0].tolist() == [p.id for p in found]
    with torch.no_grad():
        row = bert.model(input_ids=ids).logits[0, 2].softmax(-1)
    best = predict.fill(bert, "The [MASK]s sat, un[MASK]s.", top_k=3)[0].predictions
    assert [p.probability for p in best] == pytest.approx(row.topk(3).values.tolist(), rel=1e-4)
    text = "The [MASK]s sat."
    assert [text[p.start : p.end] for p in sentence.tokens_of(bert, text)[1:-1]] == ["The", "[MASK]", "s", "sat", "."]
    assert [p.token for p in sentence.tokens_of(bert, "The [MASK] s.")][3] == "s"  # a word of its own
    assert sentence.mask_text(bert, text, [3]).text == "The [MASK]s [MASK]."
    assert [p.token for p in sentence.tokens_of(roberta, "The <mask>s.")][3] == "s"
    assert [p.token for p in sentence.tokens_of(bert, "[MASK]☃☃x")][2:-1]  # no token for it: unknown, not a crash


def test_accents_are_read_alike_however_they_are_written(model):
    """A letter and its accent, as one character or as two."""
    one, two = "The café [MASK] on the mat.", "The cafe\u0301 [MASK] on the mat."
    assert predict.fill(model, one) == predict.fill(model, two)
    assert sentence.tokens_of(model, one) == sentence.tokens_of(model, two)
    assert len(sentence.word_spans(one)) == len(sentence.word_spans(two))
    assert sentence.mask_text(model, two, [1]).text == sentence.mask_text(model, one, [1]).text
    np.testing.assert_array_equal(explain.sentence_vectors(model, [one]), explain.sentence_vectors(model, [two]))


def test_the_number_of_masks_has_a_limit(model):
    """Filling them in turn is a pass over the sentence for each."""
    most = sentence.MAX_MASKS
    assert len(predict.fill(model, "[MASK] " * most, top_k=1)) == most
    for call in (predict.fill, predict.fill_in_turn, explain.logit_lens, explain.attention):
        with pytest.raises(UserError, match=f"at most {most}"):
            call(model, "[MASK] " * (most + 1))
