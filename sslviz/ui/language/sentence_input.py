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
from sslviz.errors import UserError
from sslviz.ui.language import token_picker
from sslviz.ui.language.model_picker import Speaker, answering, ask

LONGEST = 20_000  # characters that may be typed
IN_ADDRESS = 300  # characters of a sentence that the address keeps
DEFAULT = ("Paris is the capital of France.", (5,))
EXAMPLES = {
    DEFAULT[0]: DEFAULT[1],
    "The cat sat on the mat.": (5,),
    "The children went to school in the morning.": (4,),
    "She was so tired that she went straight to bed.": (9,),
    "He was hungry, so he went to the kitchen and ate an apple.": (8, 12),
    "The [MASK] chased the [MASK] up the tree.": (),
    "The keys to the cabinet are on the table.": (5,),
}


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
    if "language_words" not in state:
        _read_address()
    state.setdefault("language_text", DEFAULT[0])
    left, right = st.columns((3, 1), vertical_alignment="bottom")
    text = left.text_input(
        "A sentence; click a word to mask it, or type [MASK]",
        max_chars=LONGEST,
        key="language_text",
        on_change=_typed,
        live="400ms",
        persist_state="session",
    )
    right.selectbox(
        "Or take one of these", list(EXAMPLES), index=None, key="language_example", placeholder="Examples",
        on_change=_take_example, label_visibility="collapsed",
    )  # fmt: skip
    state.language_shown = text
    _write_address(text, state.language_words)
    if not text.strip():
        st.info("There is no text yet: type a sentence, or take one of the examples.", icon=":material/edit:")
        return None
    from sslviz.language.sentence import cut, word_spans

    spans = word_spans(text)
    chosen = tuple(sorted({n for n in state.language_words if 0 <= n < len(spans)}))
    try:
        found = ask(speaker, "tokens_of", text)
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
    token_picker.sentence(text, spans, chosen, speaker.model.tokenizer.mask_token, on_click=_click)
    return Asked(base, speaker, text, chosen, spans, found, masks)


def take(text: str, words: Sequence[int]) -> None:
    """Put a sentence and its clicked words in place of those on show."""
    st.session_state.language_text = st.session_state.language_shown = text
    st.session_state.language_words = list(words)


def _take_example() -> None:
    example = st.session_state.language_example
    if example in EXAMPLES:
        take(example, EXAMPLES[example])
    st.session_state.language_example = None


def _typed() -> None:
    """Keep the clicked words that an edit has left alone."""
    state = st.session_state
    state.language_words = carried(state.get("language_shown", ""), state.language_text, state.language_words)


def carried(before: str, after: str, chosen: Sequence[int]) -> list[int]:
    """Where clicked words of a text are after an edit: those before it and those behind it are the same words."""
    from sslviz.language.sentence import word_spans

    old, new = ([text[a:b] for a, b in word_spans(text)] for text in (before, after))
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    chosen = [n for n in chosen if 0 <= n < len(old)]
    moved = {n if n < head else n + len(new) - len(old) for n in chosen if n < head or n >= len(old) - tail}
    if not moved and len(old) == len(new) and head + tail + 1 == len(old):
        moved = set(chosen)  # the clicked word itself was written anew
    return sorted(moved)


def settled(model: Any, text: str, chosen: Sequence[int], position: int, token: str) -> tuple[str, list[int]]:
    """A text with a candidate at one of its masks, and the words that stay masked.

    The word stays under its mask where it was the last one, so that the other candidates stay on show. Of a word of
    several tokens the other tokens stay as typed masks.
    """
    from sslviz.language.sentence import put, tokens_of, word_spans

    found, spans = tokens_of(model, text), word_spans(text)
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


def put_into_sentence(model: Any, text: str, chosen: Sequence[int], position: int, token: str) -> None:
    """Put a candidate in place of the mask at a position: `settled`, shown."""
    with ui.plain_errors():
        take(*settled(model, text, chosen, position, token))


def _click(number: int) -> None:
    """Mask a word, or bring it back."""
    state = st.session_state
    state.language_words = sorted(set(state.language_words) ^ {number})


def _read_address() -> None:
    """Take the sentence and its masks from the address, once a session."""
    state, address = st.session_state, st.query_params
    state.language_words = list(DEFAULT[1])
    if "language_text" in address:
        state.language_text = re.sub(r"\s+", " ", address["language_text"])[:LONGEST]
        numbers = address.get("language_words", "")
        state.language_words = (
            [int(n) for n in numbers.split(",")] if re.fullmatch(r"\d{1,4}(,\d{1,4})*", numbers) else []
        )


def _write_address(text: str, words: Sequence[int]) -> None:
    """Keep a sentence of bounded length and its masks in the address."""
    short = len(text) <= IN_ADDRESS
    for key, value in (("language_text", text), ("language_words", ",".join(map(str, words)))):
        if not short:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != value:
            st.query_params[key] = value


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


def command(base: Speaker, asked: Asked | None) -> str:
    """The command that gives the answer on show."""
    return f"sslviz fill {shlex.quote(_masked(asked))} --model {shlex.quote(base.name)} --json"


def script(base: Speaker, asked: Asked | None) -> str:
    """A script that gives it with the package."""
    return f"""from sslviz.language.predict import fill
from sslviz.language.model import load

model = load({base.name!r})
for mask in fill(model, {_masked(asked)!r}, top_k=10):
    print([(p.token, p.probability) for p in mask.predictions])"""
