"""Questions to a language model: answered at once where that is quick, else in the background with Stop and a limit.

Imports no torch until a model is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.language.answers import StoredAnswers
from sslviz.ui.language.loading import loader, wait_for
from sslviz.ui.language.speaker import Speaker

# functions that take a model first, and the modules of `sslviz.language` that they stand in
QUESTIONS = {
    "tokens_of": "sentence",
    "fill": "predict",
    "fill_in_turn": "predict",
    "score": "predict",
    "pseudo_log_likelihood": "predict",
    "two_places": "predict",
    "next_word": "predict",
    "growth": "next_word",
    "next_sentence": "predict",
    "logit_lens": "explain",
    "attention": "explain",
    "attention_head": "explain",
    "sentence_vectors": "explain",
    "masked_losses": "adapt",
}
TELLING = ("fill_in_turn", "score", "pseudo_log_likelihood", "sentence_vectors")  # they take `progress`
INLINE = 0.5  # seconds that an answer may take in the script of a page, which nobody can stop
SPEED = 2e10  # multiply-adds a second, of one busy core
LONGEST = 120.0  # seconds that an answer may take


class Working(Exception):
    """An answer is not there yet: the model is loading, or it is being computed; `show` says so on the page.

    Attributes:
        show: draws what is known of it.
    """

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__()
        self.show = show


def ask(speaker: Speaker, question: str, *given: Any, **options: Any) -> Any:
    """Put a question, a name in `QUESTIONS`, to a model; asked again, the answer is at hand.

    Raises:
        Working: the answer comes later.
        UserError: it can't be answered, or would take too long.
    """
    if isinstance(speaker.model, StoredAnswers):
        if (found := speaker.model.find(question, given, options)) is None:
            need_model(speaker)
        return found
    kept = tuple(sorted(options.items()))
    if question == "tokens_of" or (seconds := expected(speaker, question, given, options)) <= INLINE:
        store = _large if question == "attention" else _small
        return store(question, speaker.key, given, kept, speaker.model)
    key = ("answer", question, *speaker.key, given, kept)
    now = ui.worker().progress(key)
    if now is None:
        _submit(key, speaker, question, given, options, seconds)
        now = ui.worker().progress(key)
    if now is not None and now.state == "done":
        return now.result
    if now is not None and now.state == "failed":
        raise UserError(now.error)
    raise Working(partial(_watch, key, partial(_submit, key, speaker, question, given, options, seconds)))


def need_model(speaker: Speaker) -> None:
    """Stop a view whose model is still loading.

    Raises:
        Working: it comes later.
    """
    if isinstance(speaker.model, StoredAnswers):
        raise Working(partial(wait_for, loader(), speaker.key, speaker.name))


def expected(speaker: Speaker, question: str, given: tuple, options: dict[str, Any]) -> float:
    """Seconds that an answer takes, by its multiply-adds: passes over the sentence times tokens times weights."""
    texts = [text for part in given for text in ((part,) if isinstance(part, str) else part)]
    network, tokenizer = speaker.model.model, speaker.model.tokenizer
    n = sum(len(tokenizer(text, verbose=False)["input_ids"]) for text in texts)
    inner, head = _weights(speaker.key, network)
    if question == "fill_in_turn":
        passes = places = max(1, len(options.get("words", ())) + texts[0].lower().count("mask"))
    elif question == "score":
        passes = places = len(tokenizer(given[1], verbose=False)["input_ids"])
    elif question == "pseudo_log_likelihood":
        passes = places = n
    elif question == "growth":
        passes, places = n // 2, n  # each time one word more is given
    else:
        passes, places = 1, 40 if question == "logit_lens" else 4
    return (passes * n * inner + places * head) / SPEED


@st.cache_data(max_entries=20, show_spinner=False)
def _weights(key: tuple, _network: Any) -> tuple[int, int]:
    """Weights of a network between embeddings and head, and of its head."""
    embeddings = _network.get_input_embeddings()
    head = embeddings.weight.numel() if embeddings is not None else 0
    return max(1, sum(p.numel() for p in _network.parameters()) - head), head


def _submit(key: tuple, speaker: Speaker, question: str, given: tuple, options: dict[str, Any], seconds: float) -> None:
    """Have an answer computed in the background; what this tab has running there goes first."""
    if seconds > LONGEST:
        raise UserError(
            f"This answer would take some {plots.seconds(seconds)} here, longer than the {LONGEST:.0f} s that one may "
            "take: shorten the sentence, mask fewer words, or choose a smaller model."
        )
    for running in ("language_practice", "language_judging", "language_mapping"):
        job = st.session_state.get(running)
        job = job["key"] if isinstance(job, dict) else job
        now = ui.worker().progress(job) if job else None
        if now is not None and now.state in ("waiting", "running"):
            raise UserError("This answer takes some seconds: it is computed when what you have started has ended.")

    def work(report: Callable[[str, float], None]) -> Any:
        doing = f"{speaker.name} reads the sentence"
        report(doing, 0.0)
        telling = {"progress": partial(report, doing)} if question in TELLING else {}
        return answer(question, speaker.model, given, options | telling)

    ui.worker().submit(key, ui.owner(), work, seconds=seconds, longest=LONGEST)


def _watch(key: tuple, again: Callable[[], None]) -> None:
    now = ui.watch(key)
    if now is not None and now.state == "stopped":
        st.button("Compute it", icon=":material/play_arrow:", key="language_again", on_click=again)


@st.cache_data(max_entries=300, show_spinner=False)
def _small(question: str, key: tuple, given: tuple, options: tuple, _model: Any) -> Any:
    return answer(question, _model, given, dict(options))


@st.cache_resource(max_entries=6, show_spinner=False)
def _large(question: str, key: tuple, given: tuple, options: tuple, _model: Any) -> Any:
    return answer(question, _model, given, dict(options))


def answer(question: str, model: Any, given: tuple, options: dict[str, Any]) -> Any:
    """Call the function of a question."""
    home = import_module(f"sslviz.language.{QUESTIONS[question]}")
    return getattr(home, question)(model, *given, **options)
