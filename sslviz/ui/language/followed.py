"""One token followed through one head: query, key, score, softmax and value, as arcs, as cells and as arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.component import component
from sslviz.ui.language.answer import scientific
from sslviz.ui.language.attention import TOKENS_SHOWN, choose_head, head_fields
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked

LEAST = 0.02  # weights under this get no arc
TERMS = 3  # products of a score that are written out

_FOLLOWED = component(__file__, "followed")


def one_token(asked: Asked) -> None:
    """One token through one head, step by step."""
    if len(asked.tokens) > TOKENS_SHOWN:
        raise UserError(
            f"A head is drawn for up to {TOKENS_SHOWN} tokens, and this text has {len(asked.tokens)}: shorten it."
        )
    weights, tokens = ask(asked.speaker, "attention", asked.text, words=asked.chosen)
    n_layers, n_heads = weights.shape[:2]
    chosen = choose_head(weights, tokens, asked.masks)
    layer, head = divmod(chosen, n_heads)
    words = [p.position for p in asked.tokens if p.word is not None]
    first = (*asked.masks, *words, 0)[0]
    token = ui.bound("language_token", None, parse=int, among=(None, *range(len(tokens))))
    token = first if token is None else token
    with st.container(horizontal=True, vertical_alignment="bottom"):
        head_fields(n_layers, n_heads, layer, head)
        st.markdown(
            ui.escape(f"“{tokens[token]}” in layer {layer + 1}, head {head + 1}. Press another token to follow it.")
        )
    steps = ask(asked.speaker, "attention_head", asked.text, words=asked.chosen, layer=layer, head=head)

    def clicked() -> None:
        value = st.session_state.language_followed.get("clicked")
        if isinstance(value, int) and 0 <= value < len(tokens):
            st.session_state.language_token = value

    _FOLLOWED(key="language_followed", data=sent(steps, token, layer), on_clicked_change=clicked)
    st.markdown(ui.escape(_told(steps, token)))


def sent(steps: Any, token: int, layer: int) -> dict[str, Any]:
    """What the browser is given of one token's way through a head.

    Args:
        steps: `explain.HeadSteps`.
        token: position of the one that is followed.
        layer: counted from 0.

    Returns:
        JSON values: the vectors rounded, each token's row, and what is said at each of the five steps.
    """
    d, row = steps.q.shape[1], steps.weights[token]
    powers = np.exp(steps.scores[token].astype(np.float64).clip(-700, 700))
    most = {"query": steps.q, "key": steps.k, "value": steps.v, "output": steps.output}
    rows = [
        {
            "token": name,
            "key": _rounded(steps.k[i]),
            "value": _rounded(steps.v[i]),
            "score": _number(steps.scores[token, i]),
            "power": _power(powers[i]),
            "weight": float(row[i]),
            "share": plots.share(row[i]),
            "arithmetic": arithmetic(steps, token, i),
        }
        for i, name in enumerate(steps.tokens)
    ]
    return {
        "d": d,
        "followed": token,
        "query": _rounded(steps.q[token]),
        "output": _rounded(steps.output[token]),
        "rows": rows,
        "most": {key: float(np.abs(found).max()) or 1.0 for key, found in most.items()} | {"weight": float(row.max())},
        "least": LEAST,
        "colour": plots.PETROFF[0],
        "said": _said(steps, token, layer),
    }


def arithmetic(steps: Any, token: int, other: int) -> list[tuple[str, str, int]]:
    """How a score, a weight and a part of the output come about, in numbers: (name, text, step from which it shows)."""
    q, k, v, d = steps.q[token], steps.k[other], steps.v[other], steps.q.shape[1]
    products, score = q * k, steps.scores[token, other]
    largest = np.argsort(-np.abs(products))[:TERMS]
    terms = " + ".join(f"{_number(q[i])} · {_number(k[i])}" for i in largest)
    left = d - len(largest)
    powers = np.exp(steps.scores[token].astype(np.float64).clip(-700, 700))
    weight, name = steps.weights[token, other], steps.tokens[other]
    return [
        (
            f"Score of “{name}”:",
            f"({terms} + {left} smaller products) / √{d} = {_number(products.sum())} / {_number(math.sqrt(d))} = "
            f"{_number(score)}",
            2,
        ),
        (
            "Softmax:",
            f"e to the {_number(score)} / the sum over {len(steps.tokens)} tokens = {_power(powers[other])} / "
            f"{_power(powers.sum())} = {plots.share(weight)}",
            3,
        ),
        (
            "Value:",
            f"{plots.share(weight)} · {_vector(v)} = {_vector(weight * v)}, its part of the output "
            f"{_vector(steps.output[token])}",
            4,
        ),
    ]


def _said(steps: Any, token: int, layer: int) -> list[str]:
    """One sentence or two for each step, from the numbers on show."""
    d, n, name = steps.q.shape[1], len(steps.tokens), steps.tokens[token]
    scores, row = steps.scores[token], steps.weights[token]
    high, low, best = int(scores.argmax()), int(scores.argmin()), int(row.argmax())
    parts = np.argsort(-row)[:2]
    rest = f" and {plots.share(1 - row[parts].sum())} from the {n - 2} others" if n > 2 else ""
    return [
        f"“{name}” asks: layer {layer + 1} turns its state into a query q of {d} numbers. Orange is above zero, blue "
        "below, stronger where it is larger.",
        f"Each of the {n} tokens offers a key k of {d} numbers, made from its own state.",
        f"The score of a token is the product of q with its key over √{d}: highest for “{steps.tokens[high]}” "
        f"({_number(scores[high])}), lowest for “{steps.tokens[low]}” ({_number(scores[low])}).",
        f"The softmax makes weights of the scores, which sum to 1: “{steps.tokens[best]}” gets "
        f"{plots.share(row[best])}, where an even spread would give {plots.share(1 / n)}.",
        "The output is the sum of the values, each by its weight: "
        + " and ".join(f"{plots.share(row[i])} from “{steps.tokens[i]}”" for i in parts)
        + f"{rest}.",
    ]


def _told(steps: Any, token: int) -> str:
    """What this token takes from this head."""
    row = steps.weights[token]
    best = int(row.argmax())
    share = plots.share(row[best])
    own = "itself" if best == token else f"“{steps.tokens[best]}”"
    lengths = np.linalg.norm(row[:, None] * steps.v, axis=1)
    far = int(lengths.argmax())
    told = f"“{steps.tokens[token]}” looks most at {own} ({share})"
    if far != best:
        return told + f", but “{steps.tokens[far]}” adds most to the output: its value is longer."
    return told + ", which adds most to the output too."


def _rounded(values: np.ndarray) -> list[float]:
    """A vector as it is sent."""
    return values.astype(np.float64).round(3).tolist()


def _number(value: float) -> str:
    """A number with two decimals and a real minus."""
    text = f"{value:.2f}"
    return ("0.00" if text == "-0.00" else text).replace("-", "−")


def _power(value: float) -> str:
    return f"{value:.3g}" if 0.01 <= value < 1000 else scientific(value)


def _vector(values: np.ndarray) -> str:
    """The first numbers of a vector."""
    return f"({', '.join(_number(x) for x in values[:TERMS])}, …)"
