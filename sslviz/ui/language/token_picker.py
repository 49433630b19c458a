"""Live components of the page of language models: a sentence as words to click, candidates as bars, tokens.

What a person has typed reaches the browser as text only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from sslviz import plots

MASKS = ("[mask]", "<mask>")  # how a mask may be typed, in lower case

_CHIPS = st.components.v2.component(
    "sslviz_chips",
    html="""<div class="chips" role="group"></div>
""",
    css="""
.chips { display: flex; flex-wrap: wrap; align-items: flex-end; row-gap: 2px; font: 1.35rem/1.35 var(--st-font);
  color: var(--st-text-color); max-height: 196px; overflow-y: auto; padding: 2px; }
.between { white-space: pre; padding-bottom: 5px; }
button { font: inherit; color: inherit; background: none; border: 2px solid transparent; border-radius: 6px;
  padding: 2px 3px; margin: 0 -4px; cursor: pointer; display: inline-flex; flex-direction: column;
  align-items: center; }
button:hover { background: var(--st-secondary-background-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
button[aria-pressed="true"] { border: 2px dashed var(--st-primary-color); margin: 0; }
button[aria-pressed="true"] .word { font-weight: 600; }
button .tag { font: 600 0.7rem/1 var(--st-font); height: 0.75rem; color: var(--st-primary-color); }
button:disabled { cursor: default; color: inherit; }
""",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".chips")
  root.setAttribute("aria-label", data.label)
  root.replaceChildren(...data.parts.map((part) => {
    if (part.number === null) {
      const between = document.createElement("span")
      between.className = "between"
      between.textContent = part.text
      return between
    }
    const button = document.createElement("button")
    button.type = "button"
    button.title = part.typed ? "typed as a mask" : part.masked ? "show it to the model again" : "mask it"
    button.setAttribute("aria-pressed", String(part.masked))
    button.setAttribute("aria-label", part.masked && !part.typed ? `${part.text}, masked` : part.text)
    button.disabled = part.typed
    const tag = document.createElement("span"), word = document.createElement("span")
    tag.className = "tag"
    tag.textContent = part.masked && !part.typed ? data.mask : ""
    word.className = "word"
    word.textContent = part.text
    button.append(tag, word)
    button.onclick = () => setTriggerValue("clicked", part.number)
    return button
  }))
}
""",
)


def sentence(
    text: str,
    spans: Sequence[tuple[int, int]],
    chosen: Sequence[int],
    mask_token: str,
    *,
    on_click: Callable[[int], None],
) -> None:
    """Show a sentence as words to click.

    Args:
        text: as typed.
        spans: first and last character of each word.
        chosen: numbers of the words that are masked; typed masks are so in any case.
        mask_token: as the model calls it.
        on_click: called with a word's number, before the page runs again.
    """
    parts, last = [], 0
    for number, (start, end) in enumerate(spans):
        if start > last:
            parts.append({"number": None, "text": text[last:start]})
        typed = text[start:end].lower() in MASKS
        shown = mask_token if typed else text[start:end]
        parts.append({"number": number, "text": shown, "masked": typed or number in chosen, "typed": typed})
        last = end
    if last < len(text):
        parts.append({"number": None, "text": text[last:]})

    def clicked() -> None:
        value = st.session_state.language_chips.get("clicked")
        if isinstance(value, int) and 0 <= value < len(spans):
            on_click(value)

    data = {"parts": parts, "mask": mask_token, "label": "The sentence; press a word to mask it"}
    _CHIPS(key="language_chips", data=data, on_clicked_change=clicked)


_BARS = st.components.v2.component(
    "sslviz_bars",
    html="""<div class="groups"></div>
""",
    css="""
.groups { display: flex; flex-wrap: wrap; gap: 10px 28px; font: 1rem/1.3 var(--st-font); color: var(--st-text-color); }
.group { flex: 1 1 270px; min-width: 0; }
.head { display: flex; justify-content: space-between; gap: 8px; padding: 0 4px 4px 4px; }
.head b { font-weight: 600; }
button { font: inherit; color: inherit; width: 100%; display: grid; grid-template-columns: var(--names) 1fr; gap: 8px;
  align-items: center; border: 0; background: none; padding: 2px 4px; border-radius: 4px; text-align: left; }
button:enabled { cursor: pointer; }
button:enabled:hover { background: var(--st-secondary-background-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
button .token { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right; }
button .line { display: flex; align-items: center; gap: 7px; min-width: 0; }
button .bar { background: var(--colour); height: 1.15em; border-radius: 2px; min-width: 2px; box-sizing: border-box;
  transition: width 0.15s; }
button .percent { font-variant-numeric: tabular-nums; white-space: nowrap; }
button.own .token { font-weight: 700; }
button.own .bar { outline: 2px solid var(--st-text-color); outline-offset: 1px; }
button.far { border-top: 1px dashed var(--st-border-color); border-radius: 0; margin-top: 3px; }
""",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".groups")
  root.style.minHeight = data.room + "px"
  root.style.setProperty("--colour", data.colour)
  const make = (tag, name, text = "") => {
    const node = document.createElement(tag)
    node.className = name
    node.textContent = text
    return node
  }
  const items = data.groups.flatMap((group) => group.items)
  const longest = Math.max(0, ...items.map((item) => item.token.length))
  root.style.setProperty("--names", Math.min(8.5, Math.max(2.5, 0.62 * longest)) + "em")
  const room = items.some((item) => item.rank) ? 10 : 4.5
  root.replaceChildren(...data.groups.map((group, g) => {
    const box = make("div", "group"), head = make("div", "head")
    box.setAttribute("role", "group")
    box.setAttribute("aria-label", group.title)
    head.append(make("b", "", group.title), make("span", "", group.note))
    box.append(head, ...group.items.map((item, i) => {
      const button = make("button", (item.own ? "own " : "") + (item.far ? "far" : ""))
      button.type = "button"
      button.disabled = !data.clickable
      button.title = data.clickable ? `put “${item.token}” into the sentence` : ""
      button.setAttribute("aria-label", `${item.token}, ${item.percent}${item.own ? ", in the text " + item.rank : ""}`)
      const line = make("span", "line"), bar = make("span", "bar")
      bar.style.width = `calc((100% - ${room}em) * ${Math.min(1, item.width)})`  // one scale for all
      line.append(bar, make("span", "percent", item.percent + (item.rank ? ", " + item.rank : "")))
      button.append(make("span", "token", item.token), line)
      button.onclick = () => setTriggerValue("clicked", [g, i])
      return button
    }))
    return box
  }))
}
""",
)


@dataclass(frozen=True)
class Bars:
    """Candidates for one place, as bars: a title, a short note, (token, probability) pairs; which one stands there.

    Attributes:
        own: the token that stands in the text, or None.
        rank: its rank, where it is known.
        probability: its probability, for the case that it is not among the candidates.
    """

    title: str
    note: str
    candidates: tuple[tuple[str, float], ...]
    own: str | None = None
    rank: int | None = None
    probability: float | None = None


def bars(
    groups: Sequence[Bars], *, key: str, on_click: Callable[[int, str], None] | None = None, room: int = 0
) -> None:
    """Show candidates side by side as ranked bars, on one scale; a click hands over its group and token.

    Args:
        groups: one a mask.
        key: unique on the page.
        on_click: called with the number of the group and the token, before the page runs again.
        room: height to reserve, in pixels.
    """
    most = max((p for group in groups for _, p in group.candidates), default=1.0)
    scale = next(limit for limit in (0.1, 0.25, 0.5, 1.0) if most <= limit + 1e-6)
    sent, tokens = [], []
    for group in groups:
        rows = [(token, p, token == group.own, False) for token, p in group.candidates]
        if group.own is not None and group.probability is not None and not any(row[2] for row in rows):
            rows.append((group.own, group.probability, True, True))
        rank = f"rank {group.rank:,}" if group.rank else ""
        items = [
            {
                "token": token,
                "percent": plots.share(p),
                "width": p / scale,
                "own": own,
                "far": far,
                "rank": rank if own else "",
            }
            for token, p, own, far in rows
        ]
        sent.append({"title": group.title, "note": group.note, "items": items})
        tokens.append([row[0] for row in rows])

    def clicked() -> None:
        value = st.session_state[key].get("clicked")
        if on_click is None or not isinstance(value, list | tuple) or len(value) != 2:
            return
        g, i = value
        if isinstance(g, int) and isinstance(i, int) and 0 <= g < len(tokens) and 0 <= i < len(tokens[g]):
            on_click(g, tokens[g][i])

    data = {"groups": sent, "clickable": on_click is not None, "room": room, "colour": plots.PETROFF[0]}
    _BARS(key=key, data=data, on_clicked_change=clicked)


_TOKENS = st.components.v2.component(
    "sslviz_tokens",
    html="""<div class="tokens" role="list"></div>
""",
    css="""
.tokens { display: flex; flex-wrap: wrap; gap: 5px; font: 0.95rem/1.25 var(--st-font); color: var(--st-text-color);
  max-height: 170px; overflow-y: auto; }
.token { border: 1px solid var(--st-border-color); border-radius: 4px; padding: 2px 6px; text-align: center; }
.token small { display: block; font-size: 0.8rem; font-variant-numeric: tabular-nums; opacity: 0.8; }
.token.mask { border: 2px dashed var(--st-primary-color); font-weight: 600; }
.token.special { background: var(--st-secondary-background-color); }
.token.unknown { border: 2px solid #e76300; }
""",
    js="""
export default function ({ data, parentElement }) {
  parentElement.querySelector(".tokens").replaceChildren(...data.tokens.map((token) => {
    const box = document.createElement("span"), id = document.createElement("small")
    box.className = "token " + token.kind
    box.setAttribute("role", "listitem")
    box.textContent = token.token
    id.textContent = token.id
    box.append(id)
    return box
  }))
}
""",
)


def tokens(sent: Sequence[tuple[str, int, str]]) -> None:
    """Show tokens with their ids.

    Args:
        sent: (token, id, kind) of each, the kind "mask", "special", "unknown" or "".
    """
    _TOKENS(key="language_tokens", data={"tokens": [{"token": t, "id": i, "kind": k} for t, i, k in sent]})
