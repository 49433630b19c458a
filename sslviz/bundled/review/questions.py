"""Predict, then reveal: a question before each piece of evidence, and the answer that the figures here bear out.

Choices are ranges or names; which one is right is read off the figures, never written down. Imports no torch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sslviz.bundled.review import SUBJECTS

FEW = "few"  # key of the question that is of no subject
PROOF = "-proof"  # what follows the subject's key where the question is of its evidence


@dataclass(frozen=True)
class Question:
    """A question with its answer.

    Attributes:
        key: of the subject, with `PROOF` of its evidence, or `FEW`.
        text, choices: in words.
        right: which choice the figures bear out.
        result: the figure, in words.
    """

    key: str
    text: str
    choices: tuple[str, ...]
    right: int
    result: str


def questions_of(figures: dict[str, Any]) -> list[Question]:
    """The questions whose figures stand, in the order of the page."""
    found: list[Question] = []
    for subject in SUBJECTS:
        seen = figures.get("subjects", {}).get(subject.key)
        if seen and not seen["missing"]:
            if "apart_by" in seen["values"]:
                result = subject.told("transfer", seen["values"])
                found.append(Question(f"{subject.key}{PROOF}", *_beaten(subject.name, seen["values"]), result))
            result = subject.told("wrong", seen["values"])
            found.append(Question(subject.key, *ASKED[subject.key](seen["values"]), result))
    if len(few := figures.get("few", {})) > 1:
        found.append(_few(few, figures))
    return found


Asked = tuple[str, tuple[str, ...], int]


def _beaten(name: str, values: dict[str, Any]) -> Asked:
    """Of the paired interval of the difference, in [-1, 1]."""
    low, high = values["apart_by"]
    choices = ("The encoder, for certain", "No difference can be told", "The baseline, for certain")
    text = f"{name}: a linear probe of h, or of the best baseline on the same labels. Which finds more?"
    return text, choices, 0 if low > 0 else 2 if high < 0 else 1


def _between(value: float, limits: tuple[float, ...]) -> int:
    return bisect_right(limits, value)


def _bound(values: dict[str, Any]) -> Asked:
    choices = ("It gets better", "Worse by less than 2 nats", "Worse by 2 to 10 nats", "Worse by more than 10 nats")
    worse = values["shared_elbo"] - values["own_elbo"]
    return "The mean is taken for log σ² as well. What becomes of the bound?", choices, _between(worse, (0, 2, 10))


def _without(values: dict[str, Any]) -> Asked:
    choices = (
        "No more than chance", "Less than the untrained encoder", "More than untrained, less than with negatives",
        "As much as with negatives",
    )  # fmt: skip
    without, control, untrained = values["knns"]
    limits = sorted((1.5 / values["classes"], untrained, control))
    return "Nothing pushes images apart. What does k-NN still find in h?", choices, _between(without, tuple(limits))


def _along(values: dict[str, Any]) -> Asked:
    choices = ("It falls", "It rises by less than 1 point", "By 1 to 5 points", "By more than 5 points")
    gain = 100 * values["gain"]
    return "The encoder learns along with its probe. What happens to the score?", choices, _between(gain, (0, 1, 5))


def _leak(values: dict[str, Any]) -> Asked:
    choices = ("Fewer", "As many, within 5 points", "Up to twice as many", "More than twice as many")
    own, leak = values["own"], values["leak"]
    limits = (own - 0.05, own + 0.05, max(2 * own, own + 0.05))
    return "The words that the loss counts are left in the input. How many are found?", choices, _between(leak, limits)


def _kinds(values: dict[str, Any]) -> Asked:
    kinds: dict[str, float] = values["kinds"]
    names = {"follows": "Sentences that follow", "another": "Sentences of another text", "swapped": "Swapped sentences"}
    worst = min(kinds, key=lambda kind: kinds[kind])
    return "Which pairs are told wrong most often?", tuple(names[kind] for kind in kinds), list(kinds).index(worst)


def _shift(values: dict[str, Any]) -> Asked:
    choices = ("Nearly none", "Less than half as many", "About as many", "More")
    shifted, unshifted = values["shift"]
    limits = (0.1 * shifted, 0.5 * shifted, 1.1 * shifted)
    return "Labels are not shifted by one. How many tokens are still “found”?", choices, _between(unshifted, limits)


ASKED: dict[str, Callable[[dict[str, Any]], Asked]] = {
    "vae": _bound, "simclr": _without, "moco": _along, "mlm": _leak, "nsp": _kinds, "clm": _shift,
}  # fmt: skip


def _few(few: dict[str, float], figures: dict[str, Any]) -> Question:
    names = tuple(few)
    told = "; ".join(f"{name} {100 * share:.1f} %" for name, share in few.items())
    result = (
        f"Linear probe of one label a class, {figures['few_labels']} in all, mean of {figures['few_draws']} draws: "
    )
    return Question(
        FEW, f"Which representation wins with {figures['few_labels']} labels?", names,
        names.index(max(few, key=lambda name: few[name])), f"{result}{told}.",
    )  # fmt: skip
