"""Where the heads of a language model look: all of them small, one of them as arcs and as a matrix, their rollout."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked

WAYS = ("One head", "Mean of the layer", "Mean of all", "Rollout")
TOKENS_SHOWN = 96  # attention over more can't be seen, and grows with the square


def striking(weights: np.ndarray, tokens: tuple[str, ...], positions: tuple[int, ...]) -> int:
    """The head whose masked token looks most at one other token, special ones, points and its neighbours aside.

    In a text of few words the neighbours count too.

    Args:
        weights: (layers, heads, L, L).
        tokens: L tokens.
        positions: tokens that look; all where empty.

    Returns:
        layer * heads + head.
    """
    words = np.array([any(c.isalnum() for c in token) and not token.startswith("[") for token in tokens])
    rows = list(positions) or np.flatnonzero(words).tolist() or [0]
    seen = weights[:, :, rows] * words  # (layers, heads, R, L)
    for n, row in enumerate(rows):
        seen[:, :, n, row] = 0
        beside = [i for i in (row - 1, row + 1) if 0 <= i < len(words)]
        if words.sum() - words[[row, *beside]].sum() > 1:  # heads that look one place aside do so in every sentence
            seen[:, :, n, beside] = 0
    return int(seen.max(axis=(2, 3)).argmax())


def attention(asked: Asked) -> None:
    """All heads as thumbnails, one of them as a matrix and as arcs; averages and the rollout."""
    if len(asked.tokens) > TOKENS_SHOWN:
        raise UserError(
            f"Attention is drawn for up to {TOKENS_SHOWN} tokens, and this text has {len(asked.tokens)}: shorten it."
        )
    weights, tokens = ask(asked.speaker, "attention", asked.text, words=asked.chosen)
    n_layers, n_heads = weights.shape[:2]
    state, chosen = st.session_state, choose_head(weights, tokens, asked.masks)
    ui.bound("language_flow", "One head", among=WAYS)

    def picked() -> None:
        ids = ui.picked_ids(state.language_heads)
        if ids and 0 <= ids[0] < n_layers * n_heads:
            state.language_head, state.language_flow = ids[0], "One head"

    layer, head = divmod(chosen, n_heads)
    ways = {
        "One head": (f"layer {layer + 1}, head {head + 1}", lambda: weights[layer, head]),
        "Mean of the layer": (f"layer {layer + 1}, mean of {n_heads} heads", lambda: weights[layer].mean(axis=0)),
        "Mean of all": (f"mean of {n_layers * n_heads} heads", lambda: weights.mean(axis=(0, 1))),
        "Rollout": ("rollout through all layers", lambda: _rollout(weights)),
    }
    grid = st.grid(2, min_column_width=420, gap="medium")
    left, right = grid.cell(), grid.cell()
    with right:
        way = st.segmented_control(
            "Whose attention", WAYS, key="language_flow", required=True, label_visibility="collapsed",
        )  # fmt: skip
        name, flow = ways[str(way)]
        seen, title = flow(), f"{name[:1].upper()}{name[1:]}"
        ui.show(
            plots.plot_attention_matrix(seen, tokens, title=title, height=390),
            key="language_matrix",
            alt="Attention as a matrix, rows the token that looks",
            caption=_gathered(seen, tokens),
        )
    with left:
        ui.show(
            plots.plot_heads(
                weights,
                chosen=chosen,
                title=f"{n_layers} layers of {n_heads} heads: click one",
                height=min(560, max(240, 110 + 36 * n_layers)),
            ),
            key="language_heads",
            alt="Attention of each head as a small picture, layers from top to bottom",
            on_select=picked,
            selection_mode="points",
            caption="In each picture a row is a token that looks, a column one that is looked at; brightness goes with "
            "the square root of the weight.",
        )
        with st.container(horizontal=True):
            head_fields(n_layers, n_heads, layer, head)
    ui.show(
        plots.plot_attention_arcs(seen, tokens, title=f"{title}: who looks at whom", focus=asked.masks, height=360),
        key="language_arcs",
        alt="Attention as arcs between the tokens of the sentence",
        caption=_looks(seen, tokens, asked.masks, name),
    )


def choose_head(weights: np.ndarray, tokens: tuple[str, ...], masks: tuple[int, ...]) -> int:
    """The head of the address, layer * heads + head; the most striking one where it names none."""
    count = weights.shape[0] * weights.shape[1]
    chosen = ui.bound("language_head", None, parse=int, among=(None, *range(count)))
    return striking(weights, tokens, masks) if chosen is None else chosen


def head_fields(n_layers: int, n_heads: int, layer: int, head: int) -> None:
    """Draw the fields of layer and head, which people count from 1."""
    fields = (("Layer", "language_layer", n_layers, layer), ("Head", "language_nth", n_heads, head))
    for label, key, count, value in fields:
        st.session_state[key] = value + 1
        st.number_input(label, 1, count, key=key, on_change=_stepped, args=(n_heads,), width=130)


def _stepped(n_heads: int) -> None:
    """Take layer and head from their fields."""
    state = st.session_state
    state.language_head = (int(state.language_layer) - 1) * n_heads + int(state.language_nth) - 1
    state.language_flow = "One head"


def _rollout(weights: np.ndarray) -> np.ndarray:
    from sslviz.language.explain import rollout

    return rollout(weights)


def _looks(weights: np.ndarray, tokens: tuple[str, ...], masks: tuple[int, ...], name: str) -> str:
    """What the first mask looks at most, or the strongest look of all, in words."""
    row = masks[0] if masks else int((weights - np.diag(np.diag(weights))).max(axis=1).argmax())
    best = np.argsort(-weights[row])[:2]
    seen = " and ".join(f"“{tokens[i]}” ({plots.share(weights[row, i])})" for i in best)
    drawn = "Arcs above go to later tokens, below to earlier ones; weights under 5 % are left out."
    return ui.escape(f"In {name}, “{tokens[row]}” looks most at {seen}.") + " " + drawn


def _gathered(weights: np.ndarray, tokens: tuple[str, ...]) -> str:
    """Which token is looked at most on average."""
    mean = weights.mean(axis=0)
    most = int(mean.argmax())
    return ui.escape(
        f"“{tokens[most]}” gathers most: {plots.share(mean[most])} of all attention, where an even spread would give "
        f"{plots.share(1 / len(tokens))}; {plots.share(np.diag(weights).mean())} stays with the token itself."
    )
