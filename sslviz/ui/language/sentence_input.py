"""The sentence of the page of language models: typed, masked by a click, answered, kept in the address.

Imports no torch until a model is asked for.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sslviz import ui
from sslviz.bundled.examples import ASKED, DEFAULT, EXAMPLES
from sslviz.errors import UserError
from sslviz.language.sentence import MAX_MASKS, MAX_TOKENS, Token, cut, put, word_spans
from sslviz.language.text import composed
from sslviz.ui.language import token_picker
from sslviz.ui.language.model_picker import answering
from sslviz.ui.language.questions import Working, ask
from sslviz.ui.language.speaker import Speaker

LONGEST = 2_000  # characters that may be typed, and stand in the address


@dataclass(frozen=True, eq=False)
class Asked:
    """A sentence that can be read, and who reads it.

    Attributes:
        base: the model that was chosen.
        speaker: who answers: `base`, or a trained copy of it.
        text: as typed.
        chosen: numbers of the words that were clicked, among `spans`.
        spans: first and last character of each word.
        tokens: what the model reads, before anything is masked.
        masks: typed and clicked masks, as positions of tokens.
    """

    base: Speaker
    speaker: Speaker
    text: str
    chosen: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    tokens: tuple
    masks: tuple[int, ...]

    def word(self, number: int) -> str:
        """A word as typed."""
        start, end = self.spans[number]
        return self.text[start:end]

    def place(self, position: int) -> str:
        """A name for the mask at a position: its word, or its number where it was typed."""
        token = self.tokens[position]
        if token.word is None or self.word(token.word).lower() in token_picker.MASKS:
            return f"mask {self.masks.index(position) + 1}" if len(self.masks) > 1 else "the mask"
        if token.token.startswith("##") or self.word(token.word).lower() != token.token.lower():
            return f"“{token.token}” of “{self.word(token.word)}”"
        return f"“{self.word(token.word)}”"


def sentence(base: Speaker) -> Asked | None:
    """Draw the field for a sentence and the sentence as words to click.

    Returns:
        the sentence, or None where it can't be read; the reason is on the page.
    """
    state, speaker = st.session_state, answering(base)
    if (count := len(st.query_params.get("language_text", ""))) > LONGEST and "language_shown" not in state:
        state.language_refused = count
    text = ui.bound("language_text", DEFAULT[0], parse=_one_line)
    # a sentence of the address has the words masked that the address says, and the default's only with the default
    words = ui.bound("language_words", DEFAULT[1] if text == DEFAULT[0] else ())
    left, right = st.columns((3, 1), vertical_alignment="bottom")
    text = left.text_input(
        "A sentence; click a word to mask it, or type [MASK]", max_chars=LONGEST, key="language_text",
        on_change=_typed, live="400ms",
        help=f"Up to {LONGEST:,} characters, {MAX_TOKENS} tokens and {MAX_MASKS} masked tokens are read at a time. A "
        "mask stands for one token; letters that touch it belong to the same word, as in [MASK]ing.",
    )  # fmt: skip
    right.selectbox(
        "Or take one of these", list(EXAMPLES), index=None, key="language_example", placeholder="Examples",
        on_change=_take_example, label_visibility="collapsed",
    )  # fmt: skip
    if "language_refused" in state:
        st.warning(
            f"The sentence of this address has {state.language_refused:,} characters, and at most {LONGEST:,} are "
            "read: here is another one.",
            icon=":material/edit:",
        )
    state.language_shown, text = text, composed(text)
    if not text.strip():
        st.info("There is no text yet: type a sentence, or take one of the examples.", icon=":material/edit:")
        return None
    spans = word_spans(text)
    chosen = tuple(sorted({n for n in words if 0 <= n < len(spans)}))
    mask_token = speaker.model.tokenizer.mask_token
    try:
        found = ask(speaker, "tokens_of", text)
    except Working as working:
        token_picker.sentence(text, spans, chosen, mask_token, on_click=_click)
        working.show()
        return None
    except UserError as error:
        st.warning(ui.escape(str(error)), icon=":material/edit:")
        shorter = cut(speaker.model, text)
        if shorter != text:
            st.button(
                "Cut it to what the model reads", icon=":material/content_cut:", on_click=take, args=(shorter, ())
            )
        return None
    mask_id = speaker.model.tokenizer.mask_token_id
    masks = tuple(p.position for p in found if not p.special and (p.id == mask_id or p.word in chosen))
    token_picker.sentence(text, spans, chosen, mask_token, on_click=_click)
    if len(masks) > MAX_MASKS:
        st.warning(
            f"{len(masks):,} tokens are masked here, and at most {MAX_MASKS} are filled at a time: mask fewer.",
            icon=":material/edit:",
        )
        return None
    return Asked(base, speaker, text, chosen, spans, found, masks)


def take(text: str, words: Sequence[int]) -> None:
    """Put a sentence and its clicked words in place of those on show."""
    st.session_state.language_text = st.session_state.language_shown = text
    st.session_state.pop("language_refused", None)
    st.session_state.language_words = tuple(words)


def _take_example() -> None:
    example = st.session_state.language_example
    if example in EXAMPLES:
        take(example, EXAMPLES[example])
    st.session_state.language_example = None


def _typed() -> None:
    """Keep the clicked words that an edit has left alone."""
    state = st.session_state
    before, words = state.get("language_shown", ""), state.get("language_words", ())
    state.language_words = tuple(carried(before, state.language_text, words))
    state.pop("language_refused", None)


def carried(before: str, after: str, chosen: Sequence[int]) -> list[int]:
    """Where clicked words of a text are after an edit: those before it and those behind it are the same words."""
    old, new = ([text[a:b] for a, b in word_spans(text)] for text in (before, after))
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    chosen = [n for n in chosen if 0 <= n < len(old)]
    moved = {n if n < head else n + len(new) - len(old) for n in chosen if n < head or n >= len(old) - tail}
    if not moved and len(old) == len(new) and head + tail + 1 == len(old):
        moved = set(chosen)  # the clicked word itself was written anew
    return sorted(moved)


def settled(
    found: Sequence[Token], text: str, chosen: Sequence[int], position: int, token: str
) -> tuple[str, list[int]]:
    """A text with a candidate at one of its masks, and the words that stay masked.

    The word stays under its mask where it was the last one, so that the other candidates stay on show. Of a word of
    several tokens the other tokens stay as typed masks. `found` are the text's tokens before anything is masked.
    """
    spans = word_spans(text)
    masked = found[position]
    group = [p for p in found if p.position == position or (p.word == masked.word and p.word is not None)]
    start, end = group[0].start, group[-1].end
    opened = text[:start] + " ".join(["[MASK]"] * len(group)) + text[end:]
    index = sum(text[a:b].lower() in token_picker.MASKS for a, b in spans if b <= start) + group.index(masked)
    new = put(opened, index, token)
    word, shift = masked.word if masked.word is not None else len(spans), len(word_spans(new)) - len(spans)
    others = [n if n < word else n + shift for n in chosen if n != word]
    typed = any(new[a:b].lower() in token_picker.MASKS for a, b in word_spans(new))
    if others or typed:
        return new, others
    return new, [n for n, (a, b) in enumerate(word_spans(new)) if a <= start < b]


def put_into_sentence(asked: Asked, position: int, token: str) -> None:
    """Put a candidate in place of the mask at a position: `settled`, shown."""
    with ui.plain_errors():
        take(*settled(asked.tokens, asked.text, asked.chosen, position, token))


def _click(number: int) -> None:
    """Mask a word, or bring it back."""
    state = st.session_state
    state.language_words = tuple(sorted(set(state.language_words) ^ {number}))


def _one_line(text: str) -> str:
    """A sentence of the address: on one line, and no longer than may be typed."""
    return re.sub(r"\s+", " ", text)[:LONGEST]


# --- how to reproduce it ---


def _masked(asked: Asked | None) -> str:
    """The sentence with typed masks only, as the command takes it."""
    if asked is None or not asked.masks:
        return "Paris is the capital of [MASK]."
    text, last = "", 0
    for position in asked.masks:
        token = asked.tokens[position]
        text, last = text + asked.text[last : token.start] + "[MASK]", token.end
    return text + asked.text[last:]


def _set(key: str) -> Any:
    """What a slider of the view "Answer" is set to."""
    return st.session_state.get(f"language_{key}", ASKED[key])


def command(base: Speaker, asked: Asked | None) -> str:
    """The command that gives the answer on show."""
    words = ["sslviz", "fill", _masked(asked), "--model", base.name]
    for option, key in (("--temperature", "temperature"), ("--top-k", "top_k")):
        words += [option, f"{_set(key):g}"] if _set(key) != ASKED[key] else []
    return shlex.join([*words, "--json"])


def script(base: Speaker, asked: Asked | None) -> str:
    """A script that gives it with the package."""
    return f"""from sslviz.language.predict import fill
from sslviz.language.model import load

model = load({base.name!r})
for mask in fill(model, {_masked(asked)!r}, top_k={_set("top_k")}, temperature={_set("temperature"):g}):
    print([(p.token, p.probability) for p in mask.predictions])"""
