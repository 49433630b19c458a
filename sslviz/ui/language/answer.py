"""What a language model makes of one sentence: its answer, and how it forms from layer to layer."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.examples import ASKED
from sslviz.errors import UserError
from sslviz.language.sentence import notes
from sslviz.ui.language import token_picker
from sslviz.ui.language.questions import Working, ask
from sslviz.ui.language.sentence_input import Asked, put_into_sentence

MASKS_SHOWN = 6


def need_mask(asked: Asked) -> None:
    """Stop a view with one sentence where nothing is masked.

    Raises:
        UserError: nothing is masked.
    """
    if not asked.masks and not asked.spans:
        raise UserError("There are no words in this text: type a sentence, or [MASK].")
    if not asked.masks:
        raise UserError("Nothing is masked: click a word of the sentence, or type [MASK] in its place.")


def fill_bars(asked: Asked, masks: tuple, *, note: bool = True) -> list[token_picker.Bars]:
    """Answers as bars, the word that stands in the text marked."""
    return [
        token_picker.Bars(
            title=f"In place of {asked.place(mask.position)}",
            note=f"entropy {mask.entropy:.1f} nats" if note else "",
            candidates=tuple((p.token, p.probability) for p in mask.predictions),
            own=mask.original,
            rank=mask.rank,
            probability=mask.probability,
        )
        for mask in masks
    ]


def put_candidate(asked: Asked, position: int, token: str) -> None:
    """Put a candidate into the sentence in place of one of its masks."""
    put_into_sentence(asked, position, token)


# --- the answer ---


def answer(asked: Asked) -> None:
    """Ranked candidates for each mask, a word that is asked about, one mask after another, the tokens."""
    need_mask(asked)
    grid = st.grid(4, min_column_width=215, gap="medium")
    left, right = grid.cell(column_span=3), grid.cell()
    with right:
        temperature = temperature_slider("language_temperature")
        ui.bound("language_top_k", ASKED["top_k"], between=(3, 20))
        top_k = st.slider("Candidates", 3, 20, key="language_top_k")
        ui.bound("language_about", "")
        about = st.text_input(
            "Ask about a word", key="language_about", max_chars=60, live="400ms", placeholder="berlin"
        ).strip()
    options: dict[str, Any] = {"words": asked.chosen, "temperature": temperature, "top_k": min(20, max(3, int(top_k)))}
    masks = ask(asked.speaker, "fill", asked.text, **options)
    with right, st.container(height=120, border=False):
        st.markdown(_scored(asked, about) if about else _undecided(masks[0]))
    shown = masks[:MASKS_SHOWN]
    with left:
        token_picker.bars(
            fill_bars(asked, shown),
            key="language_bars",
            on_click=lambda group, token: put_candidate(asked, shown[group].position, token),
            room=58 + 25 * options["top_k"],
        )
        hidden = f" {len(masks) - len(shown)} more masks are not drawn." if len(masks) > len(shown) else ""
        st.markdown(_told(asked, masks, temperature) + hidden)
    if len(masks) > 1:
        _in_turn(asked, masks)
    tokenizer = asked.speaker.model.tokenizer
    st.markdown(f"**What the model reads:** {len(asked.tokens)} tokens with their ids")
    for note in notes(asked.text, asked.tokens, mask_id=tokenizer.mask_token_id, unk_id=tokenizer.unk_token_id):
        st.caption(ui.escape(note))
    token_picker.tokens(
        [
            (tokenizer.mask_token, tokenizer.mask_token_id, "mask")
            if p.position in asked.masks
            else (p.token, p.id, "unknown" if p.id == tokenizer.unk_token_id else "special" if p.special else "")
            for p in asked.tokens
        ]
    )


def _told(asked: Asked, masks: tuple, temperature: float) -> str:
    """One line on the first mask, from its own figures."""
    mask = masks[0]
    best = mask.predictions[0]
    told = f"{asked.speaker.name} puts “{best.token}” first with {plots.share(best.probability)}"
    if mask.rank == 1:
        told += ", as the text has it"
        if len(mask.predictions) > 1:
            second = mask.predictions[1]
            told += f"; “{second.token}” follows with {plots.share(second.probability)}"
    elif mask.rank is not None:
        told += f"; “{mask.original}”, which the text has, comes at rank {mask.rank:,}"
        told += f" with {plots.share(mask.probability)}"
    if temperature != 1:
        told += f", at temperature {temperature:.1f}"
    return ui.escape(told) + ". Click a candidate to put it into the sentence."


def temperature_slider(key: str, *, width: Any = "stretch") -> float:
    """Draw the slider of the softmax' temperature."""
    ui.bound(key, ASKED["temperature"], between=(0.1, 3.0))
    value = st.slider(
        "Temperature", 0.1, 3.0, step=0.1, key=key, width=width,
        help="The logits are divided by it before the softmax: under 1 the first answer gains, over 1 the others.",
    )  # fmt: skip
    return min(3.0, max(0.1, float(value)))


def _undecided(mask: Any) -> str:
    """What an entropy means, in equally likely words."""
    many = f"{math.exp(mask.entropy):,.0f}"
    return f"Entropy {mask.entropy:.1f} nats: as undecided as between {many} equally likely words."


def _scored(asked: Asked, word: str) -> str:
    """Probability and rank of a word that was asked about, with its tokens."""
    try:
        score = ask(asked.speaker, "score", asked.text, word, words=asked.chosen)
    except Working as working:
        working.show()
        return ""
    except UserError as error:
        return ui.escape(str(error))
    shown = plots.share(score.probability) if score.probability >= 1e-4 else scientific(score.probability)
    told = f"“{word}” at the first mask: {shown}"
    if len(score.tokens) == 1:
        return ui.escape(f"{told}, rank {score.rank:,}.")
    parts = ", ".join(score.tokens)
    return ui.escape(f"{told} for its {len(score.tokens)} tokens together: {parts}. Each was given those before it.")


def scientific(value: float) -> str:
    """A very small or very large number that is not negative, with a power of ten."""
    if value <= 0:
        return "0"
    power = math.floor(math.log10(value))
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10**power:.1f} × 10{digits}"


def _in_turn(asked: Asked, masks: tuple) -> None:
    """Masks filled one after another, beside what each was given alone."""
    steps = ask(asked.speaker, "fill_in_turn", asked.text, words=asked.chosen)
    alone = {mask.position: mask.predictions[0] for mask in masks}
    rows = [
        {
            "Step": n + 1,
            "Mask": asked.place(step.position),
            "Filled with": step.token,
            "Probability": plots.share(step.probability),
            "Alone": f"{alone[step.position].token} ({plots.share(alone[step.position].probability)})",
            "Sentence": step.text_after,
        }
        for n, step in enumerate(steps)
    ]
    changed = sum(step.token != alone[step.position].token for step in steps)
    st.markdown("**One mask after another, the most certain first, each given those before it**")
    st.dataframe(rows, hide_index=True, alt="Masks in the order in which they are filled")
    st.markdown(
        f"{changed} of {len(steps)} masks get another word than alone."
        if changed
        else f"All {len(steps)} masks get the same word as alone."
    )


# --- the layers ---


def layers(asked: Asked) -> None:
    """What each layer would answer through the same head."""
    need_mask(asked)
    lens = ask(asked.speaker, "logit_lens", asked.text, words=asked.chosen, top_k=5)
    many = len(asked.masks) > 1
    if many:
        columns = [asked.place(position) for position in asked.masks[:5]]
        cells = [[mask.predictions[0] for mask in layer[:5]] for layer in lens]
    else:
        columns = ["first", "second", "third", "fourth", "fifth"]
        cells = [list(layer[0].predictions) for layer in lens]
    notes = [f"{layer[0].entropy:.1f} nats" + (f", rank {layer[0].rank:,}" if layer[0].rank else "") for layer in lens]
    final = lens[-1][0].predictions[0].token
    since = next(n for n in range(len(lens)) if all(layer[0].predictions[0].token == final for layer in lens[n:]))
    names = ["embeddings", *(f"layer {n}" for n in range(1, len(lens)))]
    own = lens[-1][0].original
    said = (
        f"“{final}” leads from {names[since]} on"
        if since < len(lens) - 1
        else f"“{final}” leads in the last layer only"
    )
    if own is not None and own != final:
        said += f"; “{own}”, which the text has, goes from rank {lens[0][0].rank:,} to rank {lens[-1][0].rank:,}"
    ui.show(
        plots.plot_lens(
            [[p.token for p in row] for row in cells],
            [[p.probability for p in row] for row in cells],
            rows=names,
            columns=columns,
            notes=notes,
            title="What each layer would answer, through the same head",
            height=110 + 44 * len(lens),
        ),
        key="language_lens",
        alt="Candidates of each layer, the last layer on top",
        still=True,
        caption=ui.escape(said)
        + ". At the right the entropy"
        + (" and the rank of the word in the text" if own is not None else "")
        + (", both of the first mask." if many else "."),
    )
