"""One gap and several ways to fill it, from both sides and from the left, and the next word."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language.answers import END
from sslviz.ui.language import token_picker
from sslviz.ui.language.answer import put_candidate, temperature_slider
from sslviz.ui.language.growing import growing
from sslviz.ui.language.loading import Loader, wait_for, when_loaded
from sslviz.ui.language.model_picker import causal_names, counted, other_head
from sslviz.ui.language.next_sentence import next_sentence
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import LONGEST, Asked, take
from sslviz.ui.language.speaker import Speaker

SHOWN, WRITTEN = 8, 5  # candidates of each filler, and words written on at a press

LEFT, BOTH = "Trigrams, from the left", "Trigrams, both sides"


@st.cache_resource(show_spinner=False)
def _counts() -> Loader:
    """The trigrams of this server."""
    return Loader()


def following(asked: Asked) -> None:
    """The next word, or a gap, by all that can fill it here; and whether a sentence follows another."""
    gap = bool(asked.masks)
    start = asked.tokens[asked.masks[0]].start if gap else len(asked.text)
    prefix = asked.text[:start].rstrip()
    st.markdown("**One gap, several fillers**" if gap else "**What comes next, from the left alone**")
    temperature = temperature_slider("language_next_temperature", width=300)
    place, counts, found = st.container(), _trigrams(), _Found(asked, prefix)
    if counts is not None:
        p = counts.distribution(*_read(asked, prefix, right=False), right=False)
        found.add(LEFT, _best(counts.vocabulary, p, temperature), left=True)
        if gap:
            p = counts.distribution(*_read(asked, prefix, right=True))
            found.add(BOTH, _best(counts.vocabulary, p, temperature))
    models = {name: model for name in causal_names() if (model := other_head("load_causal", name)) is not None}
    for name, model in models.items():
        speaker = Speaker(name, (name, "causal"), model, {})
        try:
            words = ask(speaker, "next_word", prefix, top_k=SHOWN, temperature=temperature)
            found.add(f"{name}, from the left", tuple((p.token, p.probability) for p in words), left=True)
        except UserError as error:
            st.info(ui.escape(str(error)), icon=":material/edit:")
    if gap:
        mask = ask(asked.speaker, "fill", asked.text, words=asked.chosen, top_k=SHOWN, temperature=temperature)[0]
        title = f"{asked.speaker.name}, both sides"
        found.add(title, tuple((p.token, p.probability) for p in mask.predictions), own=mask.original)
    elif prefix and (filled := _at_the_end(asked, prefix, temperature)):
        found.add(f"{asked.speaker.name}, a mask and a full stop behind it", filled)
    if not gap and models:
        _offer_to_write(asked, next(iter(models.items())), temperature)
    with place:  # above what is said of models that are not here
        found.draw()
        st.markdown(ui.escape(found.told()))
    growing(asked, models, counts)
    rows, said = won(counted()[1])
    if rows:
        st.dataframe(rows, hide_index=True, alt="Masked words found first and sentences won, for each filler")
        st.caption(said)
    next_sentence(asked)


def _offer_to_write(asked: Asked, causal: tuple[str, Any], temperature: float) -> None:
    """Draw a button that writes the text on with words drawn from a model."""
    name, model = causal

    def write() -> None:
        from sslviz.language.predict import write_on

        with ui.plain_errors():
            text = write_on(model, asked.text, words=WRITTEN, temperature=temperature, seed=len(asked.text))
            if len(text) <= LONGEST:
                take(text, ())

    st.button(
        f"Write on with {name}, {WRITTEN} words", icon=":material/edit_note:", key="language_write", on_click=write,
        help="Each word is drawn from the model's distribution at this temperature, given all words before it.",
    )  # fmt: skip


def _at_the_end(asked: Asked, prefix: str, temperature: float) -> tuple[tuple[str, float], ...]:
    """What a masked model puts behind a text when it sees a full stop follow; nothing where it can't be asked."""
    if prefix[-1:] in ".!?":
        return ()
    try:
        mask = ask(asked.speaker, "fill", f"{prefix} [MASK].", top_k=SHOWN, temperature=temperature)[-1]
    except UserError:
        return ()
    return tuple((p.token, p.probability) for p in mask.predictions)


class _Found:
    """What each filler puts into the gap, in the order in which they are added."""

    def __init__(self, asked: Asked, prefix: str) -> None:
        self.asked, self.prefix = asked, prefix
        self.rows: list[tuple[token_picker.Bars, bool]] = []
        word = asked.tokens[asked.masks[0]].word if asked.masks else None
        own = asked.word(word).lower() if word is not None else None
        self.own = None if own in token_picker.MASKS else own

    def add(
        self, title: str, candidates: tuple[tuple[str, float], ...], *, left: bool = False, own: str | None = None
    ) -> None:
        """Add a filler's candidates, the best first; `left` says that it reads nothing behind the gap."""
        self.rows.append((token_picker.Bars(title, "", candidates, own=own or self.own), left))

    def draw(self) -> None:
        """Draw all side by side on one scale; a click puts a word into the gap, or goes on with the sentence."""
        if not self.rows:
            return
        bars = [row for row, _ in self.rows]
        token_picker.bars(bars, key="language_fillers", room=290, on_click=lambda _, token: self._put(token))

    def _put(self, token: str) -> None:
        if self.asked.masks:
            put_candidate(self.asked, self.asked.masks[0], token)
            return
        if token == END:
            return
        joined = self.asked.text.rstrip() + ("" if token.startswith("##") else " ") + token.removeprefix("##")
        if len(joined) <= LONGEST:
            take(joined, ())

    def told(self) -> str:
        """Who puts what first, in a sentence or two."""
        if not self.rows:
            return "Mask a word of the sentence, so that there is a gap to fill."
        if not self.asked.masks:
            return f"Read so far: “{self.prefix[-80:]}”. Click a word to write the sentence on with it."
        best = [(row.title, *row.candidates[0]) for row, _ in self.rows]
        told = f"First come {'; '.join(f'“{token}” ({title}, {plots.share(p)})' for title, token, p in best)}."
        if self.own is not None:
            right = [title for title, token, _ in best if token.lower() == self.own]
            told += f" The text has “{self.own}”, which {' and '.join(right) or 'none'} put first."
        seen = self.prefix[-60:] or "nothing"
        return told + (f" From the left they read “{seen}” only." if any(left for _, left in self.rows) else "")


def _trigrams() -> Any:
    """The counts of the bundled model's text, or None while they are read or where there are none."""
    from sslviz.language import trigram

    path = counted()[0] / trigram.FILE
    if not path.is_file():
        return None
    key = ("trigrams", str(path), path.stat().st_mtime_ns)
    counts = when_loaded(_counts(), key, lambda: trigram.load(path))
    if counts is None:
        wait_for(_counts(), key, "the trigrams")
    return counts


def _read(asked: Asked, prefix: str, *, right: bool) -> tuple[list[str | None], int]:
    """The words as trigrams read them, None in the gaps, and which gap is asked for."""
    from sslviz.language.trigram import with_gaps

    if not right:
        words, _ = with_gaps(prefix, [])
        return [*words, None], len(words)
    text, spans, last = "", [], 0
    for start, end in sorted({_place(asked, position) for position in asked.masks}):
        text += asked.text[last:start]
        spans.append((len(text), len(text) + 1))
        text, last = text + "x", end  # one word, whatever was typed for a mask
    words, gaps = with_gaps(text + asked.text[last:], spans)
    return words, gaps[0][0]


def _place(asked: Asked, position: int) -> tuple[int, int]:
    """The characters of a masked word, or of the token where it is of no word."""
    token = asked.tokens[position]
    return asked.spans[token.word] if token.word is not None else (token.start, token.end)


def _best(vocabulary: tuple[str, ...], p: np.ndarray, temperature: float) -> tuple[tuple[str, float], ...]:
    """The most probable words, tempered as the models' are."""
    best = np.argsort(-p, kind="stable")[:SHOWN]
    tempered = p ** (1 / temperature)
    tempered /= max(float(tempered.sum()), np.finfo(np.float64).tiny)
    return tuple((vocabulary[i], float(tempered[i])) for i in best)


def won(card: dict[str, Any]) -> tuple[list[dict[str, str]], str]:
    """What a card says of the held-out words that each filler finds and the sentences that it wins.

    Returns:
        a row for each filler, and what the figures are of; nothing where the card says nothing.
    """
    found = card.get("results", {}).get("fillers")
    if not found:
        return [], ""
    n, words = found["n_sentences"], found["n_masked"]
    rows = [
        {
            "Filler": name,
            "Masked words found first": _interval(share, words),
            "Sentences won": _interval(found["wins"][name], n),
        }
        for name, share in found["top1"].items()
    ]
    return rows, (
        f"On {words:,} masked words in {n:,} held-out sentences, one seed of the masks, trigrams from pruned counts. A "
        "sentence is won by whoever finds more of its words than each other; nobody wins "
        f"{plots.percent(found['ties'])}. Intervals: 95 %, Wilson, over words or sentences."
    )


def _interval(share: float, n: int) -> str:
    low, high = accuracy_interval(share, n)
    return f"{plots.percent(share)} ({100 * low:.1f} to {100 * high:.1f})"
