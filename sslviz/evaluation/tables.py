"""The table of evidence as CSV, LaTeX and Markdown, each with its protocols in a sentence. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from sslviz.evaluation.evidence import Evidence, Measured, Row

HEADS = {
    "linear": "linear",
    "knn": "k-NN",
    "tuned": "fine-tuned",
}  # of protocols; the others are numbers of labels a class


def _protocols(found: Evidence) -> list[str]:
    return [key for key in found.protocols if any(key in row.measured for row in found.rows)]


def sentence(found: Evidence) -> str:
    """All protocols of a table, what its intervals cover, and how compute was counted: one paragraph."""
    parts = [f"{HEADS.get(key, f'{key} labels a class')}: {found.protocols[key]}." for key in _protocols(found)]
    return (
        f"{found.title}, {found.n_train:,} training and {found.n_test:,} test images, accuracy in per cent. "
        f"{' '.join(parts)} Intervals: {found.how['interval']}. Compute: {found.how['compute']}. "
        f"Made by `{found.origin['command']}`, revision {found.origin['git_revision']}, {found.origin['created']}."
    )


def to_csv(found: Evidence) -> str:
    """A line a row with every number in full, the protocols in a first line that begins with #."""
    out = io.StringIO()
    out.write(f"# {sentence(found)}\n")
    writer = csv.writer(out, lineterminator="\n")
    keys = _protocols(found)
    columns = [f"{key}_{part}" for key in keys for part in ("accuracy", "low", "high")]
    writer.writerow(
        ["encoder", "kind", "method", "width", *columns, "n_test", "training_seeds", "pflop", "minutes", "hardware"]
    )
    for row in found.rows:
        cells: list[object] = []
        for key in keys:
            m = row.measured.get(key)
            cells += [m.accuracy, m.low, m.high] if m else ["", "", ""]
        last = [found.n_test, row.training_seeds, _or_empty(row.pflop), _or_empty(row.minutes), row.hardware]
        writer.writerow([row.name, row.kind, row.method, row.width, *cells, *last])
    return out.getvalue()


def _or_empty(value: float | None) -> object:
    return "" if value is None else value


def to_markdown(found: Evidence) -> str:
    """A table for a README, its protocols below."""
    keys = _protocols(found)
    heads = ["encoder", *(HEADS.get(key, f"{key} a class") for key in keys), "PFLOP", "minutes"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in found.rows:
        cells = [_percent(row.measured[key], "–") if key in row.measured else "" for key in keys]
        lines.append(f"| {' | '.join([_pipe(row.title), *cells, _pflop(row), _minutes(row)])} |")
    return "\n".join([*lines, "", sentence(found), ""])


def to_latex(found: Evidence) -> str:
    """A `tabular` for a paper (booktabs), its protocols as the caption."""
    keys = _protocols(found)
    heads = ["encoder", *(HEADS.get(key, f"{key} a class") for key in keys), "PFLOP"]
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, heads)) + r" \\", r"\midrule"]
    for row in found.rows:
        cells = [_tex(_percent(row.measured[key], "--")) if key in row.measured else "" for key in keys]
        lines.append(" & ".join([_tex(row.title), *cells, _tex(_pflop(row))]) + r" \\")
    caption = _tex(sentence(found).replace("`", ""))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}", ""]
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Evidence], str]] = {"csv": to_csv, "latex": to_latex, "markdown": to_markdown}


def _percent(m: Measured, dash: str) -> str:
    return f"{100 * m.accuracy:.1f} ({100 * m.low:.1f}{dash}{100 * m.high:.1f})"


def _pflop(row: Row) -> str:
    return "unknown" if row.pflop is None else f"{row.pflop:.3g}"


def _minutes(row: Row) -> str:
    return "" if row.minutes is None else f"{row.minutes:.1f} on {_pipe(row.hardware)}"


def _pipe(text: str) -> str:
    return text.replace("|", r"\|")


def _tex(text: str) -> str:
    """A text with what LaTeX would read as its own written out."""
    marks = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$"}
    return "".join(marks.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)
