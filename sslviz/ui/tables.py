"""The tables of the home page: what is known of the models of a dataset, and which datasets are here.

Tables are Markdown: `st.dataframe` would make the first page import pandas and pyarrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sslviz import plots
from sslviz.data import catalog, images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import baseline_title
from sslviz.evaluation.intervals import INTERVAL, accuracy_interval
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import models

UNTRAINED = "random"  # the baseline that is the model's own encoder before training, so that each model has another


def table(rows: Sequence[dict[str, str]]) -> str:
    """Rows as a Markdown table, without the columns that are empty in all of them."""
    names = [name for name in rows[0] if any(row.get(name) for row in rows)]
    lines = [names, ["---"] * len(names), *([row.get(name, "") for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def model_tables(dataset: str) -> list[tuple[str, str]]:
    """The models of a dataset in one table for each protocol, since only under one protocol figures compare.

    Returns:
        (what the table holds, the table) in Markdown, those with the most models first.
    """
    groups: dict[Any, list] = {}
    for model in models():
        if model.dataset == dataset:
            protocol = (model.card or {}).get("results", {}).get("protocol") or {}
            groups.setdefault((protocol.get("n_train"), protocol.get("n_test")), []).append(model)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0] is None, -len(group[1])))
    return [(_said(*key), table(_rows(found, key[1]))) for key, found in ordered]


def _said(n_train: int | None, n_test: int | None) -> str:
    """What the numbers of a table are."""
    if n_train is None or n_test is None:
        return "Their cards do not say how they were evaluated, so that no two of these numbers can be compared."
    return (
        f"Top-1 accuracy on {n_test:,} test images of probes fitted on {n_train:,} labelled images. In brackets "
        f"intervals: {INTERVAL.format(unit='images')}."
    )


def _rows(found: list, n_test: int | None) -> list[dict[str, str]]:
    """Models by their linear probe, then the baselines that all of them were compared with."""

    def accuracy(value: Any) -> str:
        if not isinstance(value, int | float):
            return ""
        if n_test is None:
            return plots.percent(value)
        low, high = accuracy_interval(value, n_test)
        return f"{plots.percent(value)} ({100 * low:.1f}–{100 * high:.1f})"

    rows: list[dict[str, Any]] = []
    shared: dict[Any, Any] = {}
    for model in sorted(found, key=lambda m: -(m.card.get("results", {}).get("linear_probe") or 0)):
        card, results = model.card, model.card.get("results", {})
        baselines = results.get("baselines", {})
        shared |= {name: value for name, value in baselines.items() if name != UNTRAINED}
        rows.append(
            {
                "Model": escape(model.name),
                "Method": METHODS[model.method].title,
                "Linear probe": accuracy(results.get("linear_probe")),
                "Its encoder untrained": accuracy(baselines.get(UNTRAINED)),
                "k-NN": accuracy(results.get("knn")),
                "Negative ELBO": plots.nats(results["negative_elbo"]) if "negative_elbo" in results else "",
                "Trained for": plots.seconds(60 * card["minutes"]) if "minutes" in card else "",
                "From": _origin(model),
            }
        )
    for name, value in sorted(shared.items(), key=lambda item: -item[1]) if n_test else ():
        rows.append(
            {"Model": f"*{escape(baseline_title(name))}*", "Method": "*baseline*", "Linear probe": accuracy(value)}
        )
    return rows


def _origin(model: Any) -> str:
    """Where a model comes from."""
    if model.bundled:
        return "bundled"
    return "imported, as its file claims" if model.card.get("imported") else "trained here"


def left_out() -> list[str]:
    """What is said of folders of models that cannot be read, a sentence each, in Markdown."""
    return [f"{escape(path.name)} is left out: {escape(why)}" for path, why in checkpoint.unreadable_models().items()]


def data_table() -> str:
    """One row a dataset: counts and source of the images in use, and how many models of it are here."""
    rows = []
    for name, info in catalog.DATASETS.items():
        count = sum(model.dataset == name for model in models())
        row = {
            "Dataset": info.title,
            "Training": "",
            "Test": "",
            "Models here": str(count),
            "Licence": escape(info.licence),
        }
        try:
            about = images.describe(name)
            row |= {"Training": f"{about.n_train:,}", "Test": f"{about.n_test:,}", "Source": escape(about.source)}
        except UserError as error:
            row["Source"] = escape(str(error))
        rows.append(row)
    return table(rows)
