"""The game: a result with one hidden sin, the facts as a reviewer would find them, and the class that names it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.cases import SINS
from sslviz.ui.evidence import cheat

ORDER = ("penalty", "copies", "batch_norm", "lucky", "trained_along", "metric", "best_epoch", "pretrained")
OPEN = "open"
HONEST = "above the largest class"


def show(selection: ui.Selection, stored: dict[str, Any] | None) -> None:
    """Draw a case: its claim, what was seen, the choice, and once that is made the panel with the honest score."""
    there = [sin for sin in ORDER if stored and sin in stored["sins"]]
    if not stored or not there:
        st.caption(
            f"No cases of {ui.escape(selection.title)} come along: `sslviz honesty MODEL {ui.escape(selection.data)} "
            "--store` makes them; choose MNIST, Fashion-MNIST or CIFAR-10."
        )
        return
    number = ui.bound("probe_case", 1, between=(1, len(there)))
    sin = there[number - 1]
    answers: dict[tuple, str] = st.session_state.setdefault("probe_answers", {})
    named = ui.bound("probe_answer", OPEN, among=[OPEN, *SINS])
    broken = stored["sins"][sin]
    score = plots.percent(broken["inflated"])
    st.markdown(f"#### Case {number} of {len(there)}: {SINS[sin].claim.format(score=score)}")
    st.caption(
        f"{ui.escape(stored['model'])} on {ui.escape(selection.title)}, {stored['n_train']:,} labels, "
        f"{stored['n_test']:,} test images. One rule was broken. Read what was seen, and name it."
    )
    st.pills(
        "Which rule was broken?", list(SINS), format_func=lambda key: SINS[key].title, key="probe_answer_pills",
        default=None if named == OPEN else named, on_change=_answered, args=((selection.data, number),),
    )  # fmt: skip
    checks = cheat.merged(stored["checks"], broken["checks"])
    if named == OPEN:
        # the honest score stands in one of them
        cheat.draw_checks([check for check in checks if check["rule"] != HONEST], verdicts=False)
    else:
        _reveal(selection, stored, sin, named, checks)
    _turn(number, len(there))
    right = sum(answers.get((selection.data, n + 1)) == other for n, other in enumerate(there))
    tried = sum((selection.data, n + 1) in answers for n in range(len(there)))
    if tried:
        st.markdown(f"**{right} of {tried}** cases right at the first answer.")


def _answered(case: tuple) -> None:
    state = st.session_state
    state.probe_answer = state.probe_answer_pills or OPEN
    if state.probe_answer != OPEN:
        state.probe_answers.setdefault(case, state.probe_answer)  # the first answer counts


def _reveal(
    selection: ui.Selection, stored: dict[str, Any], sin: str, named: str, checks: list[dict[str, Any]]
) -> None:
    """The verdict, the panel with its digests, the honest score and the public case."""
    broken = stored["sins"][sin]
    if named == sin:
        st.success(f"Yes. {SINS[sin].title}.", icon=":material/check_circle:")
    else:
        st.warning(f"It was another one. {SINS[sin].title}.", icon=":material/search:")
    left, right = st.columns((11, 9), gap="large")
    with left:
        cheat.draw_checks(checks)
    with right:
        cheat.draw_scores(selection, broken, SINS[sin], n_test=stored["n_test"])
        cheat.tell_case(SINS[sin])


def _turn(number: int, of: int) -> None:
    """Buttons to the case before and after."""

    def go(other: int) -> None:
        st.session_state.update(probe_case=other, probe_answer=OPEN, probe_answer_pills=None)

    with st.container(horizontal=True):
        st.button(
            "Case before", icon=":material/arrow_back:", key="probe_case_before", disabled=number == 1, on_click=go,
            args=(number - 1,),
        )  # fmt: skip
        st.button(
            "Next case", icon=":material/arrow_forward:", key="probe_case_next", disabled=number == of, on_click=go,
            args=(number + 1,),
        )  # fmt: skip
