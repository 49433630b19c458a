"""An own model measured under the protocols of the stored table, in a helper process; kept in the model's folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sslviz.jobs.worker import Telling

NAME = "evidence"  # of the files in the model's folder


def measure(model: str, dataset: str, report: Telling) -> dict[str, Any]:
    """Add a row for a model to what is stored of a dataset, all other rows as they were.

    Args:
        model: its name.
        dataset: whose table; the images here must be those of the table.
        report: told what is being done.

    Returns:
        rows, how many the model's own file has: 1.

    Raises:
        UserError: no table, other images than the table's, or a model that does not fit.
    """
    from sslviz.bundled.evidence import build
    from sslviz.data.images import describe
    from sslviz.errors import UserError
    from sslviz.evaluation import evidence
    from sslviz.evaluation.baselines import BASELINES
    from sslviz.store import checkpoint

    known = evidence.load(dataset)
    if known is None:
        raise UserError(f"No table of evidence is stored for {dataset}: run `sslviz evidence {dataset}`.")
    here = describe(dataset)
    if (here.n_train, here.n_test) != (known.n_train, known.n_test):
        raise UserError(
            f"The table is of {known.n_train:,} and {known.n_test:,} images, here are {here.n_train:,} and "
            f"{here.n_test:,}: run `sslviz data fetch {dataset}` first, so that the row may stand beside the others."
        )
    names = tuple(row.name for row in known.rows if row.name in BASELINES)
    found = build(
        dataset, models=(model,), baselines=names, known=known, command=f"sslviz evidence {dataset} --models {model}",
        progress=lambda name, stage, fraction: report(f"{name}: {stage}", fraction),
    )  # fmt: skip
    part = found.part(model)
    own = replace(found, dataset=NAME, parts=(part,))
    evidence.save(own, checkpoint.find(model))
    return {"rows": 1}
