"""Does one sentence follow the other? What the next-sentence head says, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language import token_picker
from sslviz.ui.language.model_picker import NEXT, counted, other_head
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked, take
from sslviz.ui.language.speaker import Speaker

SECOND = "It lies on the river Seine."  # beside the default
KNOWN = (
    "Liu et al. 2019 (RoBERTa, arXiv:1907.11692) trained BERT without this task and lost nothing in what came after; "
    "Lan et al. 2020 (ALBERT, arXiv:1909.11942) say why: a random sentence is told by its topic, order takes more."
)


def next_sentence(asked: Asked) -> None:
    """Whether a second sentence follows the first, and how often such an answer is right on held-out documents."""
    from sslviz.language import hub
    from sslviz.language.model import has_next_sentence

    names = (asked.base.name, hub.COUNTED)
    name = next((name for name in names if has_next_sentence(name)), NEXT)
    st.markdown("**Does one sentence follow the other?**")
    model: Any = other_head("load_next_sentence", name)
    ui.bound("language_second", SECOND)
    if name != asked.base.name:
        st.caption(f"{ui.escape(asked.base.name)} has no head for it, so {ui.escape(name)} is asked.")
    if model is None:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        second = st.text_input("A second sentence", key="language_second", max_chars=1000, live="400ms")
        st.button(
            "Swap them", icon=":material/swap_vert:", key="language_swap", on_click=_swap, args=(asked.text, second)
        )
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
    for said in worth(counted()[1] if name == hub.COUNTED else {}):
        st.caption(said)


def worth(card: dict[str, Any]) -> Iterator[str]:
    """What a card says of its next-sentence head on held-out documents, in sentences, and what is known of the task."""
    if found := card.get("results", {}).get("next_sentence"):
        right, n = found["right"], found["n_pairs"]
        shares = {kind: plots.percent_interval(right[kind], tuple(found["intervals"][kind]), n) for kind in right}
        yield (
            f"On {n:,} pairs of neighbouring sentences of held-out documents it tells the one that follows for "
            f"{shares['next']}, a random one for {shares['random']}, and the same two swapped for {shares['swapped']}: "
            f"{plots.percent(found['accuracy'])} and {plots.percent(found['accuracy_swapped'])} where a coin has 50 %."
        )
    yield KNOWN


def _swap(first: str, second: str) -> None:
    take(second, ())
    st.session_state.language_second = first
