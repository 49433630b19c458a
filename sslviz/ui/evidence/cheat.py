"""Cheat: every rule of a probe held against what was done, rules broken as real fits, and a game of hidden ones."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled import cases
from sslviz.bundled.cases import SINS, Sin
from sslviz.evaluation.intervals import Difference, accuracy_interval
from sslviz.evaluation.results import difference_words
from sslviz.methods.registry import METHODS
from sslviz.ui import work
from sslviz.ui.evidence import game

NONE = "none"
PARTS = {"Panel": "rules and what each is worth", "Game": "which rule was broken?"}
SUBSET = 200  # images of the small test set of "lucky"
RED = "#bd1f01"
# what an honest probe says of rules that only some fits touch
MORE = {
    "the metric that suits h": "Neighbours, where they vote, are counted by the metric that suits this h.",
    "the whole test set": "All test images were counted.",
}


def show(selection: ui.Selection) -> None:
    """Draw the panel, or the game."""
    ui.bound("probe_cheat", "Panel", among=PARTS)
    st.segmented_control("Part", list(PARTS), key="probe_cheat", required=True, label_visibility="collapsed")
    stored = cases.load(selection.data)
    if st.session_state.probe_cheat == "Game":
        game.show(selection, stored)
        return
    _panel(selection, stored)


def _panel(selection: ui.Selection, stored: dict[str, Any] | None) -> None:
    own = stored if stored and stored["model"] == selection.model else None
    sin = ui.bound("probe_sin", NONE, among=[NONE, *SINS])
    st.pills(
        "Break a rule", list(SINS), format_func=lambda key: SINS[key].title, key="probe_sin_pills",
        default=None if sin == NONE else sin, on_change=_switched,
    )  # fmt: skip
    audit = _audit(selection, own)
    broken = None if sin == NONE else _broken(selection, own, sin)
    left, right = st.columns((11, 9), gap="large")
    with left:
        if audit is None:
            st.caption("The rules are checked when the honest probe is fitted.")
        else:
            draw_checks(merged(audit["checks"], broken["checks"] if broken else ()))
            if broken is None:
                low, high = audit["interval_95"]
                told = plots.percent_interval(audit["accuracy"], (low, high), audit["n_test"])
                st.markdown(f"**Honest: {told}**, linear probe on {audit['n_train']:,} labels.")
    with right:
        if sin == NONE:
            st.markdown("Switch a rule off to see what it is worth: the score that breaks it, beside the honest one.")
        else:
            if broken is not None:
                draw_scores(selection, broken, SINS[sin], n_test=audit["n_test"] if audit else 0)
            tell_case(SINS[sin])
            _run_now(selection, own, sin)
    _folded(selection, stored, sin)


def _switched() -> None:
    st.session_state.probe_sin = st.session_state.probe_sin_pills or NONE


# results: stored, or of a job -----------------------------------------------------------------------------------------


def _key(selection: ui.Selection, what: str) -> tuple:
    return ("honesty", selection.model, selection.card.get("created", ""), selection.data, what)


def _ran(selection: ui.Selection, what: str) -> dict[str, Any] | None:
    """What a job of this session has found; it stays when the worker has forgotten it."""
    kept: dict[tuple, Any] = st.session_state.setdefault("probe_honesty", {})
    key = _key(selection, what)
    now = ui.worker().progress(key)
    if now is not None and now.state == "done":
        kept[key] = now.result
    found: dict[str, Any] | None = kept.get(key)
    return found


def _ask(selection: ui.Selection, what: str) -> None:
    """Run the audit, or break a rule, in the helper process."""
    name, dataset = selection.name, selection.data

    def compute(report: Any) -> dict[str, Any]:
        if what == NONE:
            return work.call("sslviz.bundled.cheats:audit", report, name=name, dataset=dataset)
        return work.call("sslviz.bundled.cheats:break_rule", report, sin=what, name=name, dataset=dataset)

    with ui.plain_errors():
        ui.worker().submit(_key(selection, what), ui.owner(), compute, seconds=20.0)


def _audit(selection: ui.Selection, own: dict[str, Any] | None) -> dict[str, Any] | None:
    """The honest probe: stored for one model a dataset, of others when it is asked for."""
    found = own or _ran(selection, NONE)
    if found is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Check the probe of {selection.model}", icon=":material/fact_check:", key="probe_audit",
                on_click=_ask, args=(selection, NONE),
            )  # fmt: skip
            ui.watch(_key(selection, NONE))
    return found


def _broken(selection: ui.Selection, own: dict[str, Any] | None, sin: str) -> dict[str, Any] | None:
    return _ran(selection, sin) or (own["sins"].get(sin) if own else None)


def _run_now(selection: ui.Selection, own: dict[str, Any] | None, sin: str) -> None:
    """A button that really breaks the rule, where it takes seconds; else the command that does."""
    if not SINS[sin].quick:
        st.caption("This one takes minutes, so it comes along; the command below gives it again.")
        if own is None:
            st.caption(f"It comes along for one model a dataset: `{_command(selection, sin)}` breaks it for this one.")
        return
    ran = _ran(selection, sin) is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Broken just now" if ran else "Break it now",
            icon=":material/play_arrow:", key="probe_break", on_click=_ask, args=(selection, sin),
            disabled=ran,
        )  # fmt: skip
        ui.watch(_key(selection, sin))


# drawing --------------------------------------------------------------------------------------------------------------


def merged(checks: Iterable[dict[str, Any]], others: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The checks of an honest probe, those of a broken rule in their place; rules that it does not touch are held."""
    found = {check["rule"]: check for check in checks}
    found |= {rule: {"rule": rule, "held": True, "seen": seen} for rule, seen in MORE.items()}
    return list((found | {check["rule"]: check for check in others}).values())


def draw_checks(checks: list[dict[str, Any]], *, verdicts: bool = True) -> None:
    """A line a rule: held or broken, in shape, word and colour, and what was seen.

    Args:
        checks: as `honesty.Check` has them.
        verdicts: whether held and broken are said.
    """
    lines = ["| | rule | what was seen |", "|---|:--|:--|"] if verdicts else ["| what was seen |", "|:--|"]
    for check in checks:
        seen = ui.escape(check["seen"])
        if not verdicts:
            lines.append(f"| {seen} |")
            continue
        mark = ":green[:material/check_circle:] held" if check["held"] else ":red[:material/cancel:] **broken**"
        lines.append(f"| {mark} | {ui.escape(check['rule'])} | {seen} |")
    st.markdown("\n".join(lines))


def draw_scores(selection: ui.Selection, broken: dict[str, Any], sin: Sin, *, n_test: int) -> None:
    """The score that breaks a rule beside the honest one, and their paired difference."""
    colour = METHODS[selection.method].colour if selection.method in METHODS else plots.PETROFF[0]
    difference = Difference.from_dict(broken["difference"]) if broken["difference"] else None
    n = difference.n if difference else n_test
    n_broken = n if difference else SUBSET
    rows = [
        {"label": "honest", "accuracy": broken["honest"], "colour": colour,
         "interval": accuracy_interval(broken["honest"], max(1, n))},
        {"label": "rule broken", "accuracy": broken["inflated"], "colour": RED,
         "interval": accuracy_interval(broken["inflated"], n_broken)},
    ]  # fmt: skip
    ui.show(
        plots.plot_accuracy(rows, title=sin.title, height=210), key="probe_broken",
        alt=f"{sin.title}: the honest score and that of the broken rule", caption=gained(broken),
    )  # fmt: skip
    st.caption(
        f"{ui.escape(broken['words'])} n = {n:,} test images" + (f", {n_broken} of them" if n_broken != n else "")
        + f"; {plots.seconds(broken['seconds'])}. Intervals: 95 %, Wilson, of the difference paired over the same "
        "images."
    )  # fmt: skip


def gained(broken: dict[str, Any]) -> str:
    """What breaking the rule has brought, in a sentence."""
    if broken["difference"]:
        told = difference_words(Difference.from_dict(broken["difference"]), "the honest score")
        return f"The broken rule is worth: {told}."
    gain = 100 * (broken["inflated"] - broken["honest"])
    return f"The broken rule is worth {gain:+.1f} points, on other images, so that there is no paired interval."


def tell_case(sin: Sin) -> None:
    """The public case."""
    st.markdown(f"**It has happened.** {ui.escape(sin.case)} ({ui.escape(sin.source)})")


def _command(selection: ui.Selection, sin: str) -> str:
    words = ["sslviz", "honesty", str(selection.model), selection.data, "--rules", sin]
    return shlex.join(words)


def _folded(selection: ui.Selection, stored: dict[str, Any] | None, sin: str) -> None:
    command = _command(selection, sin if sin != NONE else "none")
    if stored:
        command += f"\n{stored['origin']['command']} --store"
    ui.foldouts(
        latex=r"\text{digest}(\theta_{\text{before}}) = \text{digest}(\theta_{\text{after}}), \qquad "
        r"X_{\text{train}} \cap X_{\text{test}} = \emptyset, \qquad a_{\text{shuffled}} \approx \sum_k p_k q_k",
        symbols={
            r"\theta": ("weights and buffers of the encoder", "honesty.digest"),
            "X": ("images, compared by a hash of their pixels", "honesty.disjoint"),
            "p_k, q_k": ("share of class k among predictions and among labels", "honesty.shuffled_control"),
        },
        source="sslviz.evaluation.honesty:audit",
        command=command,
        script=f'''from sslviz.bundled.cheats import audit, break_rule

tell = lambda stage, fraction: None
print(audit("{selection.model}", "{selection.data}", tell))
print(break_rule("{sin if sin != NONE else "batch_norm"}", "{selection.model}", "{selection.data}", tell))''',
        way=(
            "An encoder, labelled images, and a probe that has been fitted.",
            "Every rule is held against bytes and counts, and each can be broken by a real fit.",
            "Which rules were held, and how much breaking one is worth here.",
        ),
    )
