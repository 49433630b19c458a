"""The page of language models through AppTest, on tiny models and a folder that stands for the Hub's cache."""

import json
import math
import re
import shlex
import shutil
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import tinytext
from streamlit.testing.v1 import AppTest
from visiting import button, check, open_page, param, places, said, until

from sslviz import cli, plots, ui
from sslviz.bundled.examples import EXAMPLES, store_answers
from sslviz.errors import UserError
from sslviz.language import adapt, answers, explain, hub, next_word, predict, trigram
from sslviz.language import model as language
from sslviz.language.sentence import MAX_MASKS, tokens_of, word_spans
from sslviz.paths import assets_dir
from sslviz.ui.language import (
    attention,
    compare,
    followed,
    following,
    loading,
    loss,
    model_picker,
    next_sentence,
    questions,
    sentence_input,
    two_places,
)

VIEWS = ("Answer", "Layers", "Attention", "One token", "Loss", "Compare", "Next")
CARD = {
    "method": "mlm",
    "dataset": "words",
    "parameters": 22_700_000,
    "results": {"n_masked": 4_321, "top1": 0.456, "top5": 0.663, "trigram_top1": 0.212, "trigram_left_top1": 0.134},
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """An own model with both of BERT's heads, and a cache with GPT-2 and a RoBERTa in it."""
    root = tmp_path_factory.mktemp("language")
    bert = tinytext.write("bert", root / "models" / "tiny-bert")
    (bert / "card.json").write_text(json.dumps(CARD), encoding="utf-8")
    for kind, method in (("left", "clm"), ("gru", "gru")):
        place = tinytext.write(kind, root / "models" / f"tiny-{kind}")
        (place / "card.json").write_text(json.dumps({"method": method, "dataset": "words"}), encoding="utf-8")
    tinytext.into_cache(tinytext.write("gpt2", root / "gpt2"), root / "cache", "gpt2")
    tinytext.into_cache(tinytext.write("roberta", root / "roberta"), root / "cache", "some/roberta-tiny")
    (root / "empty").mkdir()
    with places(SSLVIZ_MODELS=root / "models", HF_HUB_CACHE=root / "cache"):
        yield root


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Pages wait for their model, so that a run of the script has an answer in it, and take tiny left-to-right ones."""
    monkeypatch.setattr(loading, "PATIENCE", 120.0)
    monkeypatch.setattr(hub, "TWIN", "tiny-left")
    monkeypatch.setattr(hub, "GRU", "tiny-gru")


@pytest.fixture(scope="module")
def bert(folder):
    return language.load(folder / "models" / "tiny-bert")


def ask(**address: str) -> AppTest:
    return open_page("language", **{"language_model": "tiny-bert"} | address)


def type_in(at: AppTest, text: str) -> AppTest:
    return at.text_input(key="language_text").set_value(text).run()


# --- the sentence ---


def test_a_masked_word_is_answered_before_anyone_presses_anything(bert):
    at = check(ask())
    best = predict.fill(bert, sentence_input.DEFAULT[0], words=sentence_input.DEFAULT[1])[0].predictions[0]
    assert f"tiny-bert puts “{best.token}” first with" in said(at)
    names = [c.proto.component_name for c in at.get("bidi_component")]
    assert names.index("sslviz_sentence_words") < names.index("sslviz_candidates")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_says_what_is_to_be_seen(view):
    at = check(ask(language_view=view, language_text="A dog sleeps under the old table.", language_words="1"))
    assert at.segmented_control(key="language_view").value == view
    assert all(chart.proto.alt for chart in at.get("plotly_chart"))
    assert re.search(r"\d", said(at))
    assert [e.label for e in at.main.expander] == ["The mathematics", "Reproduce", "Input, process, outcome"]


def test_the_card_speaks_for_the_model_and_nothing_else_does():
    facts = list(model_picker.card_sentences(model_picker.Speaker("m", ("m",), None, CARD)))
    assert "23 million parameters, a small model" in facts[0]
    assert "4,321 masked words" in facts[1] and "45.6 %" in facts[1] and "66.3 %" in facts[1] and "21.2 %" in facts[1]
    assert "13.4 %" in facts[1]
    assert list(model_picker.card_sentences(model_picker.Speaker("m", ("m",), None, {}))) == []
    assert facts[1] in [c.value for c in ask().caption]
    based = CARD | {"base": {"model": "some/base: small"}}
    facts = list(model_picker.card_sentences(model_picker.Speaker("m", ("m",), None, based)))
    assert "some/base" in facts[2] and "is not known" in facts[2]  # nobody can call the sentences unseen


def test_several_masks_are_filled_alone_and_one_after_another():
    at = check(ask(language_text="The [MASK] sat on the mat.", language_words="4"))
    rows = at.dataframe[0].value
    assert len(rows) == 2 and set(rows["Step"]) == {1, 2}
    assert "one after another" in said(at).lower() or "One mask after another" in said(at)


def test_a_word_that_is_asked_about_gets_probability_rank_and_tokens(bert):
    at = ask(language_text="The cat sat on the [MASK].", language_words="")
    check(at.text_input(key="language_about").set_value("the").run())
    score = predict.score(bert, "The cat sat on the [MASK].", "the")
    assert f"rank {score.rank:,}" in said(at)
    check(at.text_input(key="language_about").set_value("unhappiest dog").run())
    assert "tokens together" in said(at)
    check(at.text_input(key="language_about").set_value("☃").run())
    assert "no tokens for '☃'" in said(at)


def test_temperature_and_count_change_the_answer():
    at = ask()
    warm = said(at)
    check(at.slider(key="language_temperature").set_value(0.3).run())
    assert said(at) != warm and "at temperature 0.3" in said(at)


def test_the_address_keeps_a_sentence_of_bounded_length_and_its_masks():
    at = ask(language_text="The cat sat on the mat.", language_words="1,5")
    assert at.text_input(key="language_text").value == "The cat sat on the mat."
    assert at.session_state["language_words"] == (1, 5)
    type_in(at, "The dog sat on the mat.")
    assert param(at, "language_text") == "The dog sat on the mat."
    type_in(at, "the mat " * 300)
    assert len(param(at, "language_text")) <= sentence_input.LONGEST


SLOW = [pytest.param(numbers, marks=pytest.mark.slow) for numbers in ("-1", "99999999999", "<b>", "1,,2", "9999")]


@pytest.mark.parametrize("numbers", ["1e9", *SLOW])
def test_a_hostile_address_is_borne(numbers):
    at = ask(language_text="<img src=x> $a$ **b** [c](d)", language_words=numbers, language_view="'; DROP")
    check(at)
    assert at.segmented_control(key="language_view").value == "Answer"
    assert not any("<img" in m.value or "**b**" in m.value for m in at.markdown)


# --- one token ---


def followed_data(at: AppTest) -> dict:
    """What the component of one token is given."""
    found = [c for c in at.get("bidi_component") if c.proto.component_name == "sslviz_followed"]
    return json.loads(found[0].proto.json)["packed"][0]


def test_one_token_is_followed_through_the_head_of_the_address_with_the_models_own_numbers(bert):
    text = "The cat sat on the mat."
    at = check(
        ask(language_view="One token", language_text=text, language_words="1", language_head="6", language_token="3")
    )
    steps = explain.attention_head(bert, text, words=(1,), layer=1, head=2)
    sent = followed_data(at)
    assert sent["followed"] == 3 and [row["token"] for row in sent["rows"]] == list(steps.tokens)
    np.testing.assert_allclose([row["weight"] for row in sent["rows"]], steps.weights[3], atol=1e-6)
    np.testing.assert_allclose(sent["query"], steps.q[3], atol=1e-3)
    np.testing.assert_allclose([row["value"] for row in sent["rows"]], steps.v, atol=1e-3)
    assert [row["score"] for row in sent["rows"]] == [f"{s:.2f}".replace("-", "−") for s in steps.scores[3]]
    best = int(steps.weights[3].argmax())
    assert f"“{steps.tokens[best]}” gets {plots.share(steps.weights[3, best])}" in sent["said"][3]
    assert at.number_input(key="language_layer").value == 2 and at.number_input(key="language_nth").value == 3
    check(at.number_input(key="language_nth").set_value(1).run())
    assert at.session_state["language_head"] == 4
    assert followed_data(at)["query"] != sent["query"]


def test_the_arithmetic_of_a_token_adds_up():
    rng = np.random.default_rng(3)
    q, k, v = (rng.normal(size=(5, 8)).astype(np.float32) for _ in range(3))
    steps = explain.HeadSteps(q, k, v, *explain.attend(q, k, v), tokens=tuple("abcde"))
    (_, score, _), (_, softmax, _), (_, value, _) = followed.arithmetic(steps, 1, 4)
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"−?\d+\.\d+", score)]
    assert abs(numbers[-3] / numbers[-2] - numbers[-1]) < 0.02 and "5 smaller products" in score
    powers = np.exp(steps.scores[1])
    assert f"{powers[4]:.3g} / {powers.sum():.3g} = {plots.share(steps.weights[1, 4])}" in softmax
    assert f"{steps.output[1, 0]:.2f}".replace("-", "−") in value
    huge = followed.sent(replace(steps, scores=steps.scores + 900), 1, 0)  # whose powers no number can hold
    assert all("× 10" in row["power"] for row in huge["rows"])


# --- edits ---


@pytest.mark.parametrize(
    "before, after, chosen, expected",
    [
        ("a b c", "a b c d", [1], [1]),
        ("a b c", "x a b c", [1], [2]),
        ("a b c", "a c", [2], [1]),
        ("a b c", "a x c", [0, 2], [0, 2]),
        ("a b c", "a x c", [1], [1]),  # the masked word itself was written anew
        ("a b c", "p q", [1], []),
        ("", "a b", [0], []),
        ("a a a", "a a", [2], []),
        ("a b c", "a b c", [7, -1], []),
    ],
)
def test_an_edit_keeps_the_masks_of_the_words_that_it_leaves_alone(before, after, chosen, expected):
    assert sentence_input.carried(before, after, chosen) == expected


def test_a_candidate_goes_where_its_mask_is_and_the_last_one_stays_on_show(bert):
    text = "The cat sat on the mat."
    new, chosen = sentence_input.settled(tokens_of(bert, text), text, [1], position_of(bert, text, 1), "dog")
    assert (new, chosen) == ("The dog sat on the mat.", [1])
    new, chosen = sentence_input.settled(tokens_of(bert, text), text, [1, 5], position_of(bert, text, 5), "table")
    assert (new, chosen) == ("The cat sat on the table.", [1])
    new, chosen = sentence_input.settled(
        tokens_of(bert, "The [MASK] sat on the [MASK]."), "The [MASK] sat on the [MASK].", [], 2, "dog"
    )
    assert (new, chosen) == ("The dog sat on the [MASK].", [])
    new, chosen = sentence_input.settled(
        tokens_of(bert, "The cat sat on the [MASK]."), "The cat sat on the [MASK].", [], 6, "mat"
    )
    assert (new, chosen) == ("The cat sat on the mat.", [5])


def test_a_candidate_for_one_token_of_a_word_leaves_its_other_tokens_as_masks(bert):
    text = "The river is unhappiest tomorrow."
    group = [p for p in tokens_of(bert, text) if p.word == 3]
    assert len(group) > 1
    new, chosen = sentence_input.settled(tokens_of(bert, text), text, [3, 4], group[0].position, "cat")
    count = len(group) - 1
    assert new == "The river is cat " + " ".join(["[MASK]"] * count) + " tomorrow."
    assert [word_of(new, n) for n in chosen] == ["tomorrow"]


def position_of(model, text: str, word: int) -> int:
    return next(p.position for p in tokens_of(model, text) if p.word == word)


def word_of(text: str, number: int) -> str:
    start, end = word_spans(text)[number]
    return text[start:end]


# --- bad input ---


def test_empty_text_and_text_without_a_mask_get_a_sentence_that_says_what_to_do():
    at = check(type_in(ask(), "   "))
    assert "type a sentence" in at.info[0].value
    check(type_in(at, "The cat sat."))
    assert "click a word" in at.info[0].value.replace("\\", "")


def test_a_text_that_is_too_long_says_how_long_and_is_cut_on_request():
    long = "The cat sat on the mat. " * 20
    at = type_in(ask(), long)
    count = re.search(
        r"This text has (\d+) tokens, and the model reads at most 64", at.warning[0].value.replace("\\", "")
    )
    assert count and int(count[1]) > 64 and at.text_input(key="language_text").value == long
    check(button(at, "Cut it to what the model reads").click().run())
    assert long.startswith(at.text_input(key="language_text").value) and not at.warning


def test_symbols_that_the_model_does_not_know_are_said_and_kept():
    at = type_in(ask(), "☃☃")
    assert "none of these symbols" in at.warning[0].value and at.text_input(key="language_text").value == "☃☃"
    check(type_in(at, "The cat [MASK] ☃."))
    assert "tokens is unknown to the model" in said(at)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, sentence",
    [
        ("../../etc", "not the name of a model"),
        ("some/absent", "is not on this machine"),
        ("gpt2", "predicts the next word only"),
    ],
)
def test_a_model_that_cannot_be_had_gets_a_sentence_and_the_other_one_answers(name, sentence):
    at = ask()
    at.text_input(key="language_hub").set_value(name).run()
    if name == "some/absent":
        assert "has to be fetched" in said(at)
        at.button(key="language_fetch").click().run()
    until(at, lambda: at.warning)
    assert sentence in at.warning[0].value.replace("\\", "") and "tiny-bert answers" in at.warning[0].value.replace(
        "\\", ""
    )
    assert at.text_input(key="language_hub").value == name and "tiny-bert puts" in said(check(at))


def test_another_model_is_loaded_by_its_name_with_its_own_mask():
    at = ask(language_text="The cat sat on the [MASK].", language_words="")
    at.text_input(key="language_hub").set_value("some/roberta-tiny").run()
    until(at, lambda: "some/roberta-tiny puts" in said(at))
    chips = next(c.proto for c in at.get("bidi_component") if c.proto.component_name == "sslviz_sentence_words")
    assert "<mask>" in str(chips) or "\\u003cmask\\u003e" in str(chips)
    at.text_input(key="language_hub").set_value("").run()
    assert "tiny-bert puts" in said(check(at))


def test_without_a_language_model_one_sentence_says_what_to_do(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLVIZ_MODELS", str(folder / "empty"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "data").symlink_to(assets_dir() / "data")
    monkeypatch.setenv("SSLVIZ_ASSETS", str(tmp_path / "assets"))
    model_picker.language_models.clear()
    ui.models.clear()
    at = ask()
    assert not at.exception and "sslviz train mlm" in at.error[0].value
    model_picker.language_models.clear()
    ui.models.clear()


# --- limits and what comes later ---


@pytest.mark.slow
def test_five_hundred_masks_are_refused_by_a_limit_that_is_said():
    """A link with them held half a core for minutes after its tab had closed."""
    started = time.perf_counter()
    at = check(ask(language_text="[MASK] " * 500))
    assert "3,500 characters, and at most 2,000 are read" in at.warning[0].value
    check(ask(language_text="[MASK] " * 280))
    at = check(type_in(at, "[MASK] " * 33))
    assert f"at most {MAX_MASKS}" in at.warning[0].value and not at.dataframe
    assert time.perf_counter() - started < 60
    check(type_in(at, "[MASK] cat " * 3))
    assert not at.warning


@pytest.mark.slow
@pytest.mark.parametrize("view", ["Answer", "Layers", "Attention", "Loss", "Compare"])
def test_what_takes_long_runs_where_it_can_be_stopped(view, monkeypatch):
    """Answers that take longer than a page's script may take come from the worker, and are the same."""
    address = {"language_text": "A dog sleeps under the old house.", "language_words": "1,3", "language_view": view}
    at = check(ask(**address))
    quick, submitted = said(at), []
    monkeypatch.setattr(questions, "INLINE", 0.0)
    worker = ui.worker()
    submit = worker.submit
    monkeypatch.setattr(worker, "submit", lambda key, *a, **k: (submitted.append(key[1]), submit(key, *a, **k)))
    at = ask(**address)
    until(at, lambda: said(at) == quick)
    assert submitted and set(submitted) <= set(questions.QUESTIONS)
    assert not at.error


def test_an_answer_that_would_take_too_long_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(questions, "SPEED", 1.0)
    at = check(ask(language_text="A dog sleeps under the old barn.", language_words="1"))
    assert "longer than the 120 s that one may take" in at.info[0].value


@pytest.mark.slow
def test_a_stopped_answer_is_kept_from_nobody(monkeypatch):
    """Stop ends the computation; a button asks for it again."""
    monkeypatch.setattr(questions, "INLINE", 0.0)
    asked = questions.answer
    slow = []

    def wait(question, model, given, options):
        if not slow and "progress" in options:
            slow.append(question)
            for _ in range(300):
                time.sleep(0.1)
                options["progress"](0.5)
        return asked(question, model, given, options)

    monkeypatch.setattr(questions, "answer", wait)
    at = ask(language_text="The dog sat on the old barn.", language_view="Compare")
    button(at, "Stop").click().run()
    until(at, lambda: "Compute it" in [b.label for b in at.button])
    at.button(key="language_again").click().run()
    until(at, lambda: "likelier" in said(at) or "cost the same" in said(at))


def test_the_words_stand_before_the_model_is_there(monkeypatch):
    """A page whose model is still loading shows its sentence to click, and then the answer."""
    monkeypatch.setattr(loading, "PATIENCE", 0.0)
    loading.loader.clear()
    loaded, held = model_picker._load, threading.Event()
    monkeypatch.setattr(model_picker, "_load", lambda *given: held.wait(60) and loaded(*given))
    at = check(ask(language_text="The cat sat on the mat.", language_words="1"))
    names = [c.proto.component_name for c in at.get("bidi_component")]
    assert "sslviz_sentence_words" in names and "sslviz_candidates" not in names
    assert "Loading tiny-bert" in said(at)
    held.set()
    until(at, lambda: "tiny-bert puts" in said(at))
    check(at)


@pytest.mark.slow
def test_a_model_that_fails_to_load_says_why_and_is_tried_again(monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 0.0)
    loading.loader.clear()
    loaded, tries = model_picker._load, []

    def fail(name, progress=None):
        tries.append(name)
        if len(tries) == 1:
            time.sleep(0.5)
            raise UserError("The weights are damaged; restore them.")
        return loaded(name)

    monkeypatch.setattr(model_picker, "_load", fail)
    at = ask(language_text="The cat sat on the mat.", language_words="1")
    until(at, lambda: at.error)
    assert "The weights are damaged" in at.error[0].value
    at.run()
    until(at, lambda: "tiny-bert puts" in said(at))
    assert len(tries) == 2


@pytest.mark.slow
def test_stored_answers_show_before_the_model_is_there(folder, bert, monkeypatch):
    """What is stored beside a model is what it says, and serves until the model is loaded."""
    place = folder / "models" / "tiny-bert"
    store_answers(place)
    try:
        monkeypatch.setattr(loading, "PATIENCE", 0.0)
        loading.loader.clear()
        model_picker._stored.clear()
        loaded, held = model_picker._load, threading.Event()
        monkeypatch.setattr(model_picker, "_load", lambda *given: held.wait(60) and loaded(*given))
        for text, words in EXAMPLES.items():
            at = check(ask(language_text=text, language_words=",".join(map(str, words))))
            best = predict.fill(bert, text, words=words)[0].predictions[0]
            assert f"tiny-bert puts “{best.token}” first with" in said(at), text
        check(at.segmented_control(key="language_view").set_value("Layers").run())
        assert "Loading tiny-bert" in said(at)
        held.set()
        until(at, lambda: "leads" in said(at))
    finally:
        (place / answers.FILE).unlink()
        model_picker._stored.clear()


def test_the_bundled_models_stored_answers_are_what_it_says():
    place = assets_dir() / "models" / "bert-sslviz"
    stored, model = answers.read(place), language.load(place)
    for text, words in EXAMPLES.items():
        assert stored.find("tokens_of", (text,), {}) == tokens_of(model, text)
        found = stored.find("fill", (text,), {"words": words, "top_k": 10, "temperature": 1.0})
        for mine, its in zip(found, predict.fill(model, text, words=words), strict=True):
            assert [p.token for p in mine.predictions] == [p.token for p in its.predictions]
            np.testing.assert_allclose([p.probability for p in mine.predictions],
                                       [p.probability for p in its.predictions], rtol=1e-3)  # fmt: skip


def test_answers_of_other_weights_are_not_shown(folder, tmp_path):
    place = tmp_path / "m"
    shutil.copytree(folder / "models" / "tiny-bert", place)
    store_answers(place)
    assert answers.read(place) is not answers.NOTHING
    with (place / "model.safetensors").open("ab") as file:
        file.write(b" ")
    assert answers.read(place) is answers.NOTHING
    (place / answers.FILE).write_text("{", encoding="utf-8")
    assert answers.read(place) is answers.NOTHING


@pytest.mark.slow
def test_the_copied_address_restores_what_is_seen():
    """View, sentence, masks, temperature, layer and head."""
    address = {"language_text": "The cat sat on the mat.", "language_words": "1", "language_view": "Answer"}
    at = check(ask(**address | {"language_temperature": "0.5", "language_top_k": "5"}))
    assert at.slider(key="language_temperature").value == 0.5 and at.slider(key="language_top_k").value == 5
    at = check(ask(**address | {"language_view": "Attention", "language_head": "6"}))
    assert "layer 2, head 3" in said(at)
    at = check(ask(**address | {"language_view": "Loss", "language_seed": "7", "language_rate": "40"}))
    assert at.number_input(key="language_seed").value == 7 and at.slider(key="language_rate").value == 40
    at.number_input(key="language_seed").set_value(8).run()
    assert param(at, "language_seed") == "8"
    at = check(ask(language_text="The [MASK] sat on the old mat by the door."))  # no words: none are masked
    assert at.session_state["language_words"] == ()


def test_letters_that_touch_a_mask_belong_to_its_word(bert):
    at = check(ask(language_text="He was [MASK]s.", language_words=""))
    assert "puts" in said(at)
    best = predict.fill(bert, "He was [MASK]s.")[0].predictions[0].token
    assert f"“{best}” first" in said(at)


# --- layers and attention ---


def test_the_striking_head_is_the_one_whose_mask_looks_most_at_another_word():
    weights = np.full((2, 3, 4, 4), 0.25, np.float32)
    weights[1, 0, 2] = (0.0, 0.9, 0.1, 0.0)
    weights[0, 2, 2] = (1.0, 0.0, 0.0, 0.0)  # looks at [CLS], which does not count
    weights[0, 1, 2] = (0.0, 0.0, 1.0, 0.0)  # looks at itself, which does not count
    assert attention.striking(weights, ("[CLS]", "cat", "[MASK]", "."), (2,)) == 3
    longer = np.full((1, 2, 6, 6), 0.1, np.float32)
    longer[0, 0, 2, 1] = 1.0  # looks one place aside, which heads do in every sentence
    longer[0, 1, 2, 5] = 0.5
    assert attention.striking(longer, ("the", "cat", "[MASK]", "on", "the", "mat"), (2,)) == 1


@pytest.mark.slow
def test_a_head_is_chosen_by_number_and_the_rollout_by_name():
    at = ask(language_view="Attention")
    at.number_input(key="language_layer").set_value(2).run()
    at.number_input(key="language_nth").set_value(3).run()
    assert at.session_state["language_head"] == 6 and "In layer 2, head 3," in said(check(at))
    check(at.segmented_control(key="language_flow").set_value("Rollout").run())
    assert "In rollout through all layers," in said(at)


# --- the loss ---


@pytest.mark.slow
def test_training_is_real_private_and_undone(bert):
    at = ask(language_view="Loss", language_text="The cat sat on the mat.", language_words="5")
    at.text_area(key="language_mine").set_value("The cat sat on the table.\nA cat sat on the table.").run()
    at.select_slider(key="language_steps").set_value(80).run()
    at.select_slider(key="language_lr").set_value(1e-3).run()
    shared = model_picker._model("tiny-bert", stamp(at))
    before = {key: value.clone() for key, value in shared.state_dict().items()}
    at.button(key="language_train").click().run()
    until(at, lambda: "after 80 steps it is" in said(at))
    check(at)
    losses = at.session_state["language_practice"]["losses"]
    assert len(losses) == 80 and np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    assert all((value == before[key]).all() for key, value in shared.state_dict().items())
    assert "Your trained copy of tiny-bert answers" in said(at)
    check(at.segmented_control(key="language_view").set_value("Answer").run())
    assert "your copy of tiny-bert puts" in said(at)
    check(at.button(key="language_undo").click().run())
    assert "your copy" not in said(at) and "tiny-bert puts" in said(at)
    other = check(ask())
    assert "your copy" not in said(other)


def stamp(at: AppTest) -> int:
    path = model_picker.models()["tiny-bert"].path
    return max(file.stat().st_mtime_ns for file in path.glob("*.safetensors"))


def test_a_training_without_sentences_says_what_to_do(bert):
    with pytest.raises(UserError, match="type some, one a line"):
        loss.train(bert, [], 10, 1e-3, [], lambda stage, fraction: None)


def test_a_stopped_training_leaves_no_copy(bert):
    def stop(stage: str, fraction: float) -> None:
        if fraction > 0:
            raise ui.Stopped

    losses: list[float] = []
    with pytest.raises(ui.Stopped):
        loss.train(bert, ["The cat sat."], 10, 1e-3, losses, stop)
    assert len(losses) == 1


def test_copies_are_one_an_owner_and_bounded(monkeypatch, bert):
    monkeypatch.setattr(model_picker.Copies, "BYTES", 2 * model_picker._bytes(bert))
    copies = model_picker.Copies()
    for owner in ("ann", "bob", "bob"):
        copies.keep(owner, "tiny-bert", f"{owner}'s", bert)
    assert copies.of("ann") and copies.of("bob")
    copies.keep("cem", "tiny-bert", "cem's", bert)
    assert copies.of("ann") is None and copies.of("cem")
    copies.drop("cem")
    assert copies.of("cem") is None


def test_the_task_shows_the_losses_of_the_places_that_it_masked(bert):
    text = "The cat sat on the mat."
    at = check(ask(language_view="Loss", language_text=text, language_words=""))
    rows = adapt.masked_losses(bert, text, seed=0, rate=0.15)
    shown = at.dataframe[0].value
    assert list(shown["Original"]) == [row.original for row in rows]
    assert f"loss {sum(row.loss for row in rows) / len(rows):.2f} nats" in said(at)
    before = list(shown["Place"])
    for _ in range(5):
        button(at, "Mask again").click().run()
        if list(at.dataframe[0].value["Place"]) != before:
            return
    pytest.fail("another seed masks no other word")


# --- two sentences; other heads ---


def test_shares_add_up_to_the_whole_and_the_likelier_sentence_is_named(bert):
    reader = model_picker.Speaker("tiny", ("tiny",), bert, {})
    text, other = "The river runs through the town.", "The river town runs the through."
    names, costs, problem = compare._shares(reader, text)
    assert problem == "" and names == ["The", "river", "runs", "through", "the", "town", "."]
    total = predict.pseudo_log_likelihood(bert, text).total
    assert math.isclose(math.fsum(costs), -total, rel_tol=1e-6)
    better = "first" if total > predict.pseudo_log_likelihood(bert, other).total else "second"
    at = check(ask(language_view="Compare", language_text=text))
    at.text_input(key="language_other").set_value(other).run()
    assert f"The model finds the {better} likelier" in said(check(at))


@pytest.mark.slow
def test_a_pair_is_taken_and_a_sentence_that_cannot_be_scored_is_explained():
    at = ask(language_view="Compare")
    check(at.selectbox(key="language_pair").set_value("Agreement").run())
    assert at.text_input(key="language_text").value == compare.PAIRS["Agreement"][0]
    assert at.text_input(key="language_other").value == compare.PAIRS["Agreement"][1]
    at.text_input(key="language_other").set_value("The [MASK] sat.").run()
    assert "can't be scored" in at.info[0].value.replace("\\", "")


@pytest.mark.slow
def test_the_next_word_from_the_left_alone_and_the_next_sentence_both_ways(folder):
    at = check(ask(language_view="Next", language_text="The cat sat on the mat.", language_words="5"))
    told = said(at)
    for name in ("tiny-left", "tiny-gru"):
        causal = language.load_causal(folder / "models" / name)
        first = predict.next_word(causal, "The cat sat on the", top_k=8)[0]
        assert f"“{first.token}” ({name}, from the left, {plots.share(first.probability)})" in told
        grown = next_word.growth(causal, "The cat sat on the", "mat")
        assert f"{name} from {plots.share(grown[0])} to {plots.share(grown[-1])}" in told
    pair = ("The cat sat on the mat.", at.text_input(key="language_second").value)
    judge = language.load_next_sentence(folder / "models" / "tiny-bert")
    forth = predict.next_sentence(judge, *pair)
    assert f"gives {plots.share(forth)} that the second sentence follows" in said(at)
    check(at.button(key="language_swap").click().run())
    assert (at.text_input(key="language_text").value, at.text_input(key="language_second").value) == pair[::-1]


@pytest.mark.slow
def test_without_the_hub_trigrams_and_the_masked_model_fill_the_gap(folder, monkeypatch, bert):
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "empty"))
    text = "The men got on the ship of the sea."
    at = check(ask(language_view="Next", language_text=text, language_words="5"))
    counts = trigram.load(assets_dir() / "models" / "bert-sslviz" / trigram.FILE)
    read = [None if word == "ship" else word for word in text.lower().replace(".", " .").split()]
    left, both = counts.predict(read[:6], 5, right=False), counts.predict(read, 5)
    mine = predict.fill(bert, text, words=(5,))[0].predictions[0]
    told = said(at)
    assert f"“{left}” (Trigrams, from the left" in told and f"“{both}” (Trigrams, both sides" in told
    assert f"“{mine.token}” (tiny-bert, both sides, {plots.share(mine.probability)})" in told
    groups = next(c for c in at.get("bidi_component") if c.proto.component_name == "sslviz_candidates")
    titles = [group["title"] for group in json.loads(groups.proto.json)["packed"][0]["groups"]]
    assert titles[:2] == ["Trigrams, from the left", "Trigrams, both sides"]
    assert titles[2:] == ["tiny-left, from the left", "tiny-gru, from the left", "tiny-bert, both sides"]
    cold = told
    check(at.slider(key="language_next_temperature").set_value(0.2).run())
    assert said(at) != cold
    at = check(ask(language_view="Next", language_text="The men got on the", language_words=""))
    assert "Click a word to write the sentence on" in said(at)
    check(at.button(key="language_write").click().run())
    written = at.text_input(key="language_text").value
    assert written.startswith("The men got on the") and len(written) > len("The men got on the")
    at = check(ask(language_view="Next", language_text="cat " * 100, language_words=""))
    assert "tokens, and" in said(at)  # a text that is too long for a model is said to be


def test_without_any_left_to_right_model_one_of_the_hub_is_named(folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "empty"))
    monkeypatch.setattr(hub, "TWIN", "none")
    monkeypatch.setattr(hub, "GRU", "none")
    told = said(at := check(ask(language_view="Next", language_text="The cat sat.", language_words="1")))
    assert "This takes gpt2, which is not on this machine; this server works offline" in told
    assert "language_load_causal" not in [b.key for b in at.button]  # no button that could do nothing


def test_a_recurrent_model_reads_the_sentences_of_the_map_too(folder):
    at = check(ask(language_view="Sentences", language_reader="tiny-gru"))
    assert at.segmented_control(key="language_reader").options == ["tiny-bert", "tiny-left", "tiny-gru"]
    assert "Compute the vectors of tiny-gru" in [b.label for b in at.button]


def test_the_card_says_what_its_next_sentence_head_is_worth():
    right = {"next": 0.9, "random": 0.8, "swapped": 0.2}
    found = {"n_pairs": 100, "accuracy": 0.85, "accuracy_swapped": 0.55, "right": right}
    found["intervals"] = {kind: (share - 0.05, share + 0.05) for kind, share in right.items()}
    told = " ".join(next_sentence.worth({"results": {"next_sentence": found}}))
    assert "100 pairs" in told and "85.0 % and 55.0 %" in told and "Liu et al. 2019" in told
    assert len(list(next_sentence.worth({}))) == 1


@pytest.mark.slow
def test_a_typed_mask_is_one_gap_to_the_trigrams(folder):
    """Whatever signs are typed for it: brackets are no words of the sentence."""
    found = {}
    for text, words in (
        ("The [MASK] sat on the mat.", ""),
        ("The <mask> sat on the mat.", ""),
        ("The cat sat on the mat.", "1"),
    ):
        at = check(ask(language_view="Next", language_text=text, language_words=words))
        found[text] = re.findall(r"“(\S+)” \(Trigrams, both sides, ([^)]+)\)", said(at))
    assert len(set(map(tuple, found.values()))) == 1 and len(next(iter(found.values()))) == 1


def test_the_card_says_how_many_sentences_each_filler_wins():
    wins = {
        "n_masked": 1000,
        "n_sentences": 400,
        "top1": {"a": 0.1, "b": 0.4},
        "wins": {"a": 0.05, "b": 0.5},
        "ties": 0.45,
    }
    rows, told = following.won({"results": {"fillers": wins}})
    assert "1,000 masked words in 400 held-out sentences" in told and "nobody wins 45.0 %" in told
    assert [row["Filler"] for row in rows] == ["a", "b"] and rows[1]["Sentences won"] == "50.0 % (45.1 to 54.9)"
    assert following.won({}) == ([], "")
    card = json.loads((assets_dir() / "models" / "bert-sslviz" / "card.json").read_text(encoding="utf-8"))["results"]
    assert card["fillers"]["n_masked"] == pytest.approx(card["n_masked"], rel=0.01)
    assert card["fillers"]["top1"]["bert-sslviz"] == pytest.approx(card["top1"], abs=0.01)
    assert len(following.won({"results": card})[0]) == 5
    assert sum(card["fillers"]["wins"].values()) + card["fillers"]["ties"] == pytest.approx(1)


def test_two_sentences_are_compared_in_one_place(bert):
    text, other = "The cat sat on the mat.", "The dog sat on the mat."
    assert two_places.shared_words(text, other) == {0: 0, 2: 2, 3: 3, 4: 4, 5: 5}
    assert two_places.shared_words("The old cat sat.", "The cat sat.") == {0: 0, 2: 1, 3: 2}
    assert two_places.shared_words("Cats sit.", "Every dog runs off.") == {}
    at = check(ask(language_view="Compare", language_text=text, language_other=other, language_compared="5"))
    found = predict.two_places(bert, text, other, words=(5, 5))
    assert at.selectbox(key="language_compared_word").value == 5
    n = int(np.abs(found.first - found.second).argmax())
    assert f"“{found.tokens[n]}” {'gains' if found.second[n] > found.first[n] else 'loses'} most" in said(at)
    points = next(c for c in at.get("bidi_component") if c.proto.component_name == "sslviz_two_places")
    sent = json.loads(points.proto.json)["packed"][0]["points"]
    assert [point["token"] for point in sent] == list(found.tokens)
    np.testing.assert_allclose(
        [10 ** point["x"] for point in sent], np.maximum(found.first, two_places.LEAST), rtol=1e-6
    )
    check(at.selectbox(key="language_compared_word").set_value(2).run())
    assert at.session_state["language_compared"] == 2 and "In place of “sat”" in said(at)


def test_expectations_of_two_places_are_those_of_each_alone(bert):
    found = predict.two_places(
        bert, "The cat sat on the mat.", "A dog sleeps under the old table.", words=(1, 6), top_k=9
    )
    for text, word, row in (
        ("The cat sat on the mat.", 1, found.first),
        ("A dog sleeps under the old table.", 6, found.second),
    ):
        mask = predict.fill(bert, text, words=(word,), top_k=len(bert.tokenizer))[0]
        known = {p.token: p.probability for p in mask.predictions}
        np.testing.assert_allclose(row, [known[token] for token in found.tokens], rtol=1e-5)
        assert {p.token for p in mask.predictions[:9]} <= set(found.tokens)
    same = predict.two_places(bert, "The cat sat.", "The cat sat.", words=(1, 1))
    assert same.moved == pytest.approx(0, abs=1e-9) and 0 < found.moved <= 1
    assert "the same words" in two_places.told(same, "cat")


# --- models of the Hub ---


@pytest.mark.slow
def test_one_press_takes_a_known_model_and_the_server_remembers_others(monkeypatch):
    """Where the Hub can't be reached the reason is said, and the model that is here answers on."""
    model_picker.remembered().clear()
    at = ask(language_text="The cat sat on the [MASK].", language_words="")
    assert all(
        f"{megabytes} MB to fetch, {licence}" in said(at) for _, megabytes, licence in model_picker.KNOWN.values()
    )
    at.text_input(key="language_hub").set_value("some/roberta-tiny").run()
    until(at, lambda: "some/roberta-tiny puts" in said(at))
    other = check(ask(language_text="The cat sat on the [MASK].", language_words=""))
    other.button(key="language_known_some/roberta-tiny").click().run()  # another session
    until(other, lambda: "some/roberta-tiny puts" in said(other))
    assert other.text_input(key="language_hub").value == "some/roberta-tiny"
    name = next(iter(model_picker.KNOWN))
    at.button(key=f"language_known_{name}").click().run()
    until(at, lambda: at.warning)
    assert "HF_HUB_OFFLINE forbids" in at.warning[0].value.replace("\\", "") and "tiny-bert puts" in said(at)
    for n in range(9):
        model_picker._remember(f"a/b{n}")
    assert len(model_picker.remembered()) == model_picker.REMEMBERED and "a/b8" in model_picker.remembered()
    model_picker.remembered().clear()


@pytest.mark.slow
def test_a_hub_that_falls_silent_holds_nobody_up(monkeypatch):
    """A server on this machine takes the question and never answers: the page goes on, and then says why."""
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    load = language.load
    monkeypatch.setattr(language, "load", lambda name, progress=None: load(name, progress=progress, wait_seconds=3))
    at = ask()
    at.text_input(key="language_hub").set_value("some/silent").run()
    began = time.monotonic()
    at.button(key="language_fetch").click().run()
    assert "tiny-bert puts" in said(at) and time.monotonic() - began < 10  # while it waits
    until(at, lambda: at.warning)
    assert (
        "sent nothing of some/silent for 3 s" in at.warning[0].value.replace("\\", "")
        or "can't be reached" in at.warning[0].value
    )
    assert time.monotonic() - began < 30
    silent.close()


def test_the_command_and_the_script_on_show_give_the_answer_on_show(capsys):
    at = check(ask(language_text="The cat's mat isn't “red”.", language_words="2"))
    command, script = (code.value for code in at.code[-2:])
    assert cli.main(shlex.split(command)[1:]) == 0
    printed = json.loads(capsys.readouterr().out)
    exec(script, {})
    tokens = [p["token"] for p in printed["masks"][0]["predictions"]]
    assert repr(tokens[0]) in capsys.readouterr().out.splitlines()[0]
    assert f"puts “{tokens[0]}” first" in said(at)
