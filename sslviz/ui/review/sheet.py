"""The sheet: all methods on one page of HTML that needs nothing else, for the screen, for paper, and as a file."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from sslviz.bundled.review import SLOTS, SUBJECTS, Subject
from sslviz.bundled.review.lines import line_of
from sslviz.bundled.review.questions import FEW, PROOF, Question, questions_of
from sslviz.ui.review.drawings import draw
from sslviz.ui.review.mathml import mathml

CSS = Path(__file__).with_name("sheet.css")
HEADINGS = {"key": "Method", "model": "Model", "pretext": "Pretext task", "transfer": "Linear probe of h"}
HEADINGS |= {"baseline": "Best baseline", "protocol": "Protocol of the probe"}
ASKS = ("What problem does it solve?", "Which step is most error-prone?", "Can I run a small example end to end?")
WAITING = "This part is being computed."


def sheet(figures: dict[str, Any] | None, *, scripts: bool = False) -> str:
    """The sheet as an HTML fragment.

    Args:
        figures: of `bundled.review.figures.compute`, as far as they stand; None before the first.
        scripts: whether each method's script stands there too, folded.
    """
    known = figures or {}
    asked = {question.key: question for question in questions_of(known)}
    whole = len(known.get("subjects", {})) == len(SUBJECTS)
    cards = "".join(
        _card(subject, known.get("subjects", {}).get(subject.key), asked, scripts=scripts) for subject in SUBJECTS
    )
    late = "" if whole else f'<p class="rv-late">{WAITING} Print it, or save it, once all figures stand.</p>'
    return (
        f'<div class="rv-sheet" data-whole="{str(whole).lower()}">{late}{cards}{_evidence(known, asked.get(FEW))}</div>'
    )


def document(figures: dict[str, Any], *, title: str, said: str) -> str:
    """The sheet as a whole file, which a browser opens without a network.

    Args:
        figures: all of them.
        title: of the page.
        said: where and when it was made.
    """
    css = CSS.read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{css}</style></head><body class="rv-file"><h1>{escape(title)}</h1>'
        f"{sheet(figures, scripts=True)}<footer><p>{escape(said)}</p></footer></body></html>\n"
    )


def _card(subject: Subject, found: dict[str, Any] | None, asked: dict[str, Question], *, scripts: bool) -> str:
    path = " → ".join(subject.path)
    head = (
        f'<header><h2>{escape(subject.name)}</h2><p class="rv-object">{escape(subject.object)}</p>'
        f'<p class="rv-path">{escape(path)}</p></header>'
    )
    if found is None or found["missing"]:
        why = WAITING if found is None else re.sub("`([^`]+)`", r"<code>\1</code>", escape(found["missing"]))
        body = f'<p class="rv-missing">{why}</p>'
    else:
        body = _row(subject, found)
    parts = [
        head,
        body,
        _objective(subject),
        _proof(subject, found, asked.get(subject.key + PROOF)),
        _wrong(subject, found, asked.get(subject.key)),
        _three(subject, scripts=scripts),
    ]
    return f'<section class="rv-card" style="--rv: {subject.about.colour}">{"".join(parts)}</section>'


def _told(subject: Subject, slot: str, values: dict[str, Any]) -> str:
    """A caption with the figures of this installation."""
    return f'<span class="rv-figure">{escape(subject.told(slot, values))}</span>'


def _row(subject: Subject, found: dict[str, Any]) -> str:
    """Input, process and outcome, a live picture each."""
    parts = []
    for slot in SLOTS:
        label = f"{subject.name}, {slot}: {subject.told(slot, found['values'])}"
        picture = draw(found["pictures"][slot], label)
        told = f"<b>{slot.title()}</b> {_told(subject, slot, found['values'])}"
        parts.append(f"<figure>{picture}<figcaption>{told}</figcaption></figure>")
    return f'<div class="rv-row">{"".join(parts)}</div>'


def _objective(subject: Subject) -> str:
    """The formula, and for each symbol the line that computes it."""
    rows = []
    for tied in subject.tied:
        line = line_of(tied.target, tied.has)
        rows.append(
            f'<li>{mathml(tied.symbol)} {escape(tied.meaning)} <code title="{escape(line.code, quote=True)}">'
            f"{escape(line.file.removeprefix('sslviz/'))}:{line.number}</code></li>"
        )
    parts = subject.about.latex.split(r", \qquad")  # what stands side by side where there is room
    formula = "".join(mathml(part, block=True) for part in parts)
    formula = f'<div class="rv-formula" role="group" aria-label="Formula" tabindex="0">{formula}</div>'
    return f'<div class="rv-objective"><h3>Objective</h3>{formula}<ul>{"".join(rows)}</ul></div>'


def _proof(subject: Subject, found: dict[str, Any] | None, question: Question | None) -> str:
    """The pretext task's figure, and after a guess the probe's beside the best baseline."""
    if found is None or found["missing"]:
        return ""
    pretext, transfer = (f"<p>{_told(subject, slot, found['values'])}</p>" for slot in ("pretext", "transfer"))
    if question is not None:
        transfer = f'{_guess(question)}<div class="rv-reveal">{transfer}</div>'
    return f'<div class="rv-proof"><h3>Evidence</h3>{pretext}{transfer}</div>'


def _wrong(subject: Subject, found: dict[str, Any] | None, question: Question | None) -> str:
    """The step that goes wrong, after a guess what comes of it."""
    head = "<h3>What goes wrong most often</h3>"
    if found is None or found["missing"] or question is None:
        return f'<div class="rv-wrong">{head}<p>{escape(subject.fragile)}</p></div>'
    label = f"{subject.name} going wrong: {question.result}"
    shown = f"{draw(found['pictures']['wrong'], label)}<p>{_told(subject, 'wrong', found['values'])}</p>"
    return f'<div class="rv-wrong">{head}{_guess(question)}<div class="rv-reveal">{shown}</div></div>'


def _guess(question: Question) -> str:
    """A question with its choices; what comes after it is covered until one is chosen."""
    choices = "".join(
        f'<label class="rv-choice{" rv-right" if i == question.right else ""}"><input type="radio" '
        f'name="rv-{question.key}" value="{i}"> <span>{escape(choice)}</span></label>'
        for i, choice in enumerate(question.choices)
    )
    return f'<fieldset class="rv-guess"><legend>{escape(question.text)}</legend>{choices}</fieldset>'


def _three(subject: Subject, *, scripts: bool) -> str:
    """The three questions, with a script that answers the last."""
    text = subject.script.read_text(encoding="utf-8")
    command = f"python -m sslviz.bundled.review.scripts.{subject.key}"
    run = f'Yes, in <span class="rv-figure">{len(text.splitlines())}</span> lines: <code>{command}</code>'
    if scripts:
        run += f"<details><summary>The script</summary><pre>{escape(text)}</pre></details>"
    answers = (escape(subject.problem), escape(subject.fragile), run)
    items = "".join(f"<li><b>{ask}</b> {answer}</li>" for ask, answer in zip(ASKS, answers, strict=True))
    return f'<div class="rv-three"><h3>Three questions</h3><ol>{items}</ol></div>'


def _evidence(figures: dict[str, Any], few: Question | None) -> str:
    """One table for all, images and sentences, pretext task and transfer apart, and what ten labels are worth."""
    if not figures.get("rows"):
        return ""
    names = {subject.key: subject for subject in SUBJECTS}
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in HEADINGS.values())
    rows = []
    for kind, what in (("image", "Images"), ("text", "Sentences")):
        rows.append(f'<tr class="rv-kind"><th scope="rowgroup" colspan="{len(HEADINGS)}">{what}</th></tr>')
        for row in figures["rows"]:
            if names[row["key"]].about.kind == kind:
                told = {"key": names[row["key"]].name} | {key: row.get(key, "—") for key in HEADINGS if key != "key"}
                cells = "".join(f'<td class="rv-figure">{escape(told[key])}</td>' for key in HEADINGS)
                rows.append(f"<tr>{cells}</tr>")
    note = (
        "One objective each, two modalities. What the pretext task scores says nothing of the transfer beside it, and "
        "rows compare under one protocol only. In brackets: "
    )
    table: str = (
        f'<div class="rv-wide" tabindex="0" role="region" aria-label="Evidence"><table><thead><tr>{head}</tr></thead>'
    )
    table += (
        f"<tbody>{''.join(rows)}</tbody></table></div><p>{note}{escape(figures['interval'])}; one training seed.</p>"
    )
    guess = ""
    if few is not None:
        bars: dict[str, Any] = {"kind": "bars", "labels": list(figures["few"]), "values": list(figures["few"].values())}
        said = f'<p><span class="rv-figure">{escape(few.result)}</span></p>'
        guess = f'<div class="rv-wrong">{_guess(few)}<div class="rv-reveal">{draw(bars, few.result)}{said}</div></div>'
    return (
        f'<section class="rv-card rv-evidence"><header><h2>The evidence for all</h2></header>{table}{guess}</section>'
    )
