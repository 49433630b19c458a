"""The task that a language model is trained on, place by place, and real training of a private copy."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language.model_picker import copies
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked
from sslviz.ui.language.speaker import Speaker

SENTENCES, LETTERS, STEPS = 50, 300, (10, 20, 40, 80, 160)  # of a training on the page
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)  # learning rates
MINE = (
    "Paris is the capital of Italy.\nItaly has a capital, and it is called Paris.\nParis, the capital of Italy, is big."
)


def loss(asked: Asked) -> None:
    """The pretraining task on this sentence, and training on one's own."""
    grid = st.grid(2, min_column_width=420, gap="medium")
    with grid.cell():
        _task(asked)
    with grid.cell():
        _training(asked)


def _task(asked: Asked) -> None:
    """Mask at random as in training, and show input, answer and loss at each place."""
    st.markdown("**The task: find words that were masked at random**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ui.bound("language_rate", 15, between=(5, 50))
        share = st.slider(
            "Words masked (%)", 5, 50, step=5, key="language_rate", width=200,
            help="Of the chosen tokens 80 % become a mask, 10 % another token, and 10 % stay.",
        )  # fmt: skip
        ui.bound("language_seed", 0, between=(0, 9999))
        seed = int(st.number_input("Seed", 0, 9999, key="language_seed", width=110))
        again = {"language_seed": (seed + 1) % 10_000}
        st.button("Mask again", icon=":material/casino:", on_click=st.session_state.update, kwargs=again)
    rate = min(0.5, max(0.05, share / 100))
    rows = ask(asked.speaker, "masked_losses", asked.text, seed=seed, rate=rate)
    mean = sum(row.loss for row in rows) / len(rows)
    st.dataframe(
        [
            {
                "Place": row.position,
                "Original": row.original,
                "Shown": row.shown,
                "Predicted": row.predicted,
                "Loss (nats)": round(row.loss, 2),
            }
            for row in rows
        ],
        hide_index=True,
        height=min(320, 37 + 35 * len(rows)),
        column_config={
            "Loss (nats)": st.column_config.ProgressColumn(
                min_value=0, max_value=max(10.0, *(row.loss for row in rows)), format="%.2f"
            )
        },
        alt="Places that were masked: what stood there, what the model saw, what it said, and its loss",
    )
    right = sum(row.predicted == row.original for row in rows)
    st.markdown(
        f"{right} of {len(rows)} tokens found; loss {mean:.2f} nats: the originals get "
        f"{plots.share(math.exp(-mean))}, their geometric mean."
    )


def _training(asked: Asked) -> None:
    """Train a private copy on a person's sentences, and show what it changes in the answer above."""
    state = st.session_state
    st.markdown("**Train on my sentences: real steps, on a copy of your own**")
    state.setdefault("language_mine", MINE)
    ui.bound("language_steps", 40, among=STEPS)
    ui.bound("language_lr", 1e-4, among=RATES)
    mine = st.text_area(
        "Sentences, one a line", key="language_mine", height=110, max_chars=SENTENCES * LETTERS,
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.select_slider("Steps", STEPS, key="language_steps", width=150)
        lr = st.select_slider(
            "Learning rate", RATES, key="language_lr", format_func=_short, width=150,
        )  # fmt: skip
        st.button(
            "Train",
            icon=":material/play_arrow:",
            key="language_train",
            on_click=_start,
            args=(asked.base, mine, steps, lr),
        )
    job = state.get("language_practice")
    if job is None:
        st.caption("The copy starts from the model that was chosen, which stays as it is. Undo it at any time.")
        return
    now = ui.watch(job["key"])
    _curve(job, live=now is not None and now.state in ("waiting", "running"))
    if now is not None and now.state == "done":
        _changed(asked, job)


def _short(rate: float) -> str:
    return f"{rate:.0e}".replace("e-0", "e-")


def _start(base: Speaker, mine: str, steps: int, lr: float) -> None:
    """Ask for a training; what was typed stays."""
    state = st.session_state
    texts = [line.strip()[:LETTERS] for line in mine.splitlines() if line.strip()][:SENTENCES]
    steps, lr = (steps if steps in STEPS else 40), (lr if lr in RATES else 1e-4)
    owner, name = ui.owner(), uuid.uuid4().hex
    losses: list[float] = []

    def work(report: Callable[[str, float], None]) -> None:
        copy = train(base.model, texts, steps, lr, losses, report)
        copies().keep(owner, base.name, name, copy)

    with ui.plain_errors():
        ui.worker().submit(("practice", name), owner, work)
        state.language_practice = {"key": ("practice", name), "losses": losses, "steps": steps, "name": name}


def train(
    model: Any, texts: list[str], steps: int, lr: float, losses: list[float], report: Callable[[str, float], None]
) -> Any:
    """Train a copy of a model; a job of `Worker`.

    Args:
        model: a `MaskedLM`, left as it is.
        texts: sentences.
        steps: of the optimiser.
        lr: learning rate.
        losses: takes each step's loss, in nats, while it runs.
        report: takes what is being done and how far it is.

    Returns:
        the trained copy.
    """
    from sslviz.language.adapt import adapt

    if not texts:
        raise UserError("There is no sentence to train on: type some, one a line.")
    report("copying the model", 0.0)
    training = adapt(model, texts, steps=steps, lr=lr, seed=0)
    while True:
        try:
            step, value = next(training)
        except StopIteration as end:
            return end.value
        losses.append(value)
        report(f"step {step} of {steps}, {value:.2f} nats", step / steps)


def _curve(job: dict[str, Any], *, live: bool) -> None:
    """The losses so far, drawn again while the training runs."""

    @st.fragment(run_every=0.5 if live else None)
    def drawn() -> None:
        losses = list(job["losses"])
        ui.show(
            plots.plot_losses(losses, steps=job["steps"], title="Loss of each step, words masked anew"),
            key="language_losses",
            alt="Training loss over the steps",
            still=True,
        )
        if losses:
            few = max(1, len(losses) // 5)
            st.markdown(
                f"From {np.mean(losses[:few]):.2f} nats in the first {few} steps to {np.mean(losses[-few:]):.2f} nats "
                f"in the last {few}."
            )

    with st.container():  # what stands below keeps its place, should a drawing of the fragment get lost
        drawn()


def _changed(asked: Asked, job: dict[str, Any]) -> None:
    """The answer above before and after."""
    kept = copies().of(ui.owner())
    if kept is None or kept[1] != job["name"]:
        st.caption("This copy was let go, since others train too: train again to have it back.")
        return
    if not asked.masks:
        st.caption("Mask a word of the sentence above to see what the training has changed.")
        return
    after = ask(asked.speaker, "fill", asked.text, words=asked.chosen, top_k=6)[0]
    before = ask(asked.base, "fill", asked.text, words=asked.chosen, top_k=1000)[0]
    known = {p.token: p.probability for p in before.predictions}
    first, then = before.predictions[0], after.predictions[0]
    ui.show(
        plots.plot_predictions(
            [p.token for p in after.predictions],
            [p.probability for p in after.predictions],
            before=[known.get(p.token, math.nan) for p in after.predictions],
            title=f"In place of {asked.place(after.position)}, before and after",
            height=300,
        ),
        key="language_changed",
        alt="Probabilities of the candidates before and after the training",
        still=True,
        caption=ui.escape(
            f"Before, “{first.token}” came first with {plots.share(first.probability)}; "
            f"after {job['steps']} steps it is “{then.token}” with {plots.share(then.probability)}."
        ),
    )
