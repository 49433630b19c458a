"""Two sentences compared, and two other models beside a masked one: of the next sentence and of the next word."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language import token_picker
from sslviz.ui.language.answer import fill_bars, put_candidate, temperature_slider
from sslviz.ui.language.model_picker import CAUSAL, NEXT, other_head
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import DEFAULT, Asked, take
from sslviz.ui.language.speaker import Speaker

OTHER = "Paris is the capital of banana."  # beside the default

PAIRS = {
    "Order": ("The dog chased the cat up the tree.", "The dog the cat chased up tree the."),
    "Agreement": ("The keys to the cabinet are on the table.", "The keys to the cabinet is on the table."),
    "Meaning": ("She drank a cup of hot tea.", "She drank a cup of hot sand."),
    "Bias": ("The nurse said that she was tired.", "The nurse said that he was tired."),
}
TOKENS_SCORED = 96  # one pass over the sentence a token


def compare(asked: Asked) -> None:
    """Pseudo-log-likelihoods of this sentence and of another, word by word."""
    ui.bound("language_other", OTHER if asked.text == DEFAULT[0] else asked.text)
    left, right = st.columns((3, 1), vertical_alignment="bottom")
    other = left.text_input("A second sentence", key="language_other", max_chars=1000, live="400ms")
    right.selectbox(
        "Or take a pair", list(PAIRS), index=None, placeholder="Pairs", key="language_pair", on_change=_take_pair,
        label_visibility="collapsed",
    )  # fmt: skip
    found = [_shares(asked.speaker, text) for text in (asked.text, other)]
    most = max((max(cost, default=0.0) for _, cost, _ in found), default=0.0)
    for n, (words, cost, problem) in enumerate(found):
        with st.container(height=232, border=False):
            if problem:
                st.info(ui.escape(problem), icon=":material/edit:")
                continue
            ui.show(
                plots.plot_sentence_share(
                    words,
                    cost,
                    title=f"{'First' if n == 0 else 'Second'} sentence: {plots.nats(math.fsum(cost))}",
                    most=most,
                    height=188,
                ),
                key=f"language_share_{n}",
                alt=f"What each word costs the {'first' if n == 0 else 'second'} sentence, in nats",
            )
    st.markdown(
        ui.escape(_verdict(found)) + " A bar is minus the logarithm of a word's probability given all the others."
    )


def _take_pair() -> None:
    pair = PAIRS.get(st.session_state.language_pair)
    if pair:
        take(pair[0], ())
        st.session_state.language_other = pair[1]
    st.session_state.language_pair = None


def _shares(speaker: Speaker, text: str) -> tuple[list[str], list[float], str]:
    """Words and points of a sentence in reading order, what each costs in nats, and what is wrong, or ""."""
    try:
        count = len(ask(speaker, "tokens_of", text))
        if count > TOKENS_SCORED:
            raise UserError(
                f"Sentences of up to {TOKENS_SCORED} tokens are compared, and this has {count}: shorten it."
            )
        found = ask(speaker, "pseudo_log_likelihood", text)
    except UserError as error:
        return [], [], str(error)
    words: list[str] = []
    cost: list[float] = []
    before = None
    for token, value in zip(found.tokens, found.log_probabilities, strict=True):
        if token.word is not None and token.word == before:
            words[-1] += text[token.start : token.end]
            cost[-1] -= float(value)
        else:
            words.append(text[token.start : token.end])
            cost.append(-float(value))
        before = token.word
    return words, cost, ""


def _verdict(found: list[tuple[list[str], list[float], str]]) -> str:
    """Which of two sentences the model finds likelier, and the word that makes the difference."""
    if any(problem for *_, problem in found):
        return "Two sentences that can be read are needed to compare them."
    (words, first, _), (others, second, _) = found
    a, b = math.fsum(first), math.fsum(second)
    better, gap = ("first" if a < b else "second"), abs(a - b)
    if gap < 0.005:
        return "Both sentences cost the same."
    factor = f", a factor of {math.exp(gap):,.0f}" if math.log(2) < gap < 14 else ""
    told = f"The model finds the {better} likelier by {plots.nats(gap)}{factor}. "
    if len(words) == len(others):
        n = max(range(len(words)), key=lambda i: abs(first[i] - second[i]))
        told += f"Most of it at “{words[n]}”: {first[n]:.1f} nats"
        told += f" against {second[n]:.1f}" + (f" for “{others[n]}”." if words[n] != others[n] else ".")
    else:
        told += f"Their lengths differ: {a / len(words):.1f} and {b / len(others):.1f} nats a word."
    return told


# --- next ---


def following(asked: Asked) -> None:
    """The next word from a model that reads from the left, beside BERT; and whether a sentence follows another."""
    grid = st.grid(3, min_column_width=280, gap="medium")
    left, right = grid.cell(column_span=2), grid.cell()
    with left:
        _next_word(asked)
    with right:
        _next_sentence(asked)


def _next_word(asked: Asked) -> None:
    """The same place filled from both sides and from the left alone."""
    start = asked.tokens[asked.masks[0]].start if asked.masks else len(asked.text)
    prefix = asked.text[:start].rstrip()
    st.markdown("**The same gap, read from both sides and from the left alone**")
    controls = st.container(height=96, border=False)
    halves = st.grid(2, min_column_width=260, gap="medium")
    first, second = halves.cell(), halves.cell()
    with second:
        st.markdown(
            f"**{CAUSAL}** reads “{ui.escape(prefix[-80:])}” and nothing after it" if prefix else f"**{CAUSAL}**"
        )
        causal = other_head("load_causal", CAUSAL)
    with controls:
        temperature = temperature_slider("language_next_temperature", width=300)
    options = {"temperature": temperature, "top_k": 8}
    with first:
        st.markdown(f"**{ui.escape(asked.speaker.name)}** reads the whole sentence")
        if asked.masks:
            mask = ask(asked.speaker, "fill", asked.text, words=asked.chosen, **options)[0]
            put = {"on_click": lambda _, token: put_candidate(asked, mask.position, token)}
            token_picker.bars(fill_bars(asked, (mask,)), key="language_both", room=270, **put)
        else:
            st.caption("Mask a word, so that there is a gap to read from both sides.")
    if causal is None:
        return
    with second:
        try:
            found = ask(Speaker(CAUSAL, (CAUSAL, "causal"), causal, {}), "next_word", prefix, **options)
        except UserError as error:
            st.info(ui.escape(str(error)), icon=":material/edit:")
            return
        row = token_picker.Bars("What comes next", "", tuple((p.token, p.probability) for p in found))
        put = {"on_click": lambda _, token: put_candidate(asked, asked.masks[0], token)} if asked.masks else {}
        token_picker.bars([row], key="language_left", room=270, **put)
    if asked.masks:
        st.markdown(
            ui.escape(
                f"With what comes after it the gap gets “{mask.predictions[0].token}” "
                f"({plots.share(mask.predictions[0].probability)}), without it “{found[0].token}” "
                f"({plots.share(found[0].probability)})."
            )
        )


def _next_sentence(asked: Asked) -> None:
    """Whether a second sentence follows the first."""
    from sslviz.language.model import has_next_sentence

    name = asked.base.name if has_next_sentence(asked.base.name) else NEXT
    st.markdown("**Does one sentence follow the other?**")
    model: Any = other_head("load_next_sentence", name)
    ui.bound("language_second", "It lies on the river Seine.")
    second = st.text_input(
        "A second sentence", key="language_second", max_chars=1000, live="400ms",
        disabled=model is None,
    )  # fmt: skip
    st.button(
        "Swap them", icon=":material/swap_vert:", key="language_swap", on_click=_swap, args=(asked.text, second),
        disabled=model is None,
    )  # fmt: skip
    if model is None:
        if asked.base.name != name:
            st.caption(f"{ui.escape(asked.base.name)} has no head for it.")
        return
    speaker = Speaker(name, (name, "next sentence"), model, {})
    try:
        forth, back = (ask(speaker, "next_sentence", *pair) for pair in ((asked.text, second), (second, asked.text)))
    except UserError as error:
        st.info(ui.escape(str(error)), icon=":material/edit:")
        return
    rows = (("the second follows", forth), ("swapped", back))
    token_picker.bars([token_picker.Bars("Probability by " + name, "", rows)], key="language_follows", room=110)
    st.markdown(
        f"{ui.escape(name)} gives {plots.share(forth)} that the second sentence follows the first, and "
        f"{plots.share(back)} the other way round."
    )


def _swap(first: str, second: str) -> None:
    take(second, ())
    st.session_state.language_second = first
