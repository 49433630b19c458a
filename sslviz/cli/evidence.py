"""`sslviz evidence`: the table of evidence of a dataset, made anew or printed as it is stored."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from sslviz.cli.output import answer, progress_line
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.evaluation.evidence import Evidence


def evidence(
    dataset: Positional[str],
    *,
    models: tuple[str, ...] = (),
    labels_per_class: tuple[int, ...] = (1, 10, 100),
    seeds: int = 5,
    baselines: bool = True,
    tuned: int = 100,
    like: str = "",
    again: bool = False,
    cards: bool = False,
    out: Path | None = None,
    format: Literal["markdown", "csv", "latex"] = "markdown",
    stored: bool = False,
    json: bool = False,
) -> None:
    """Probe every bundled model of a dataset beside all baselines, store the table of evidence, and print it.

    Args:
        dataset: a name, an .npz file or a folder of class folders.
        models: further models, such as your own of these images.
        labels_per_class: how many labels of each class, besides all of them.
        seeds: draws of labels at each of these counts.
        baselines: whether pixels, PCA, the untrained encoder and whitened patches stand beside them.
        tuned: labels of each class that encoders are fine-tuned on, a protocol of its own; 0 leaves it out.
        like: the model whose shape the untrained encoder has; by default the best bundled one.
        again: measure all rows, also those that are stored for the same weights, images and protocols.
        cards: also write the paired differences from baselines into the cards of bundled models.
        out: folder of the two files; for a known dataset the assets by default, for own images none.
        format: of what is printed, each with its protocols in a sentence.
        stored: compute nothing, print what is stored.
        json: print one JSON object.
    """
    from sslviz.data.catalog import ALIASES, DATASETS
    from sslviz.evaluation import evidence as store
    from sslviz.evaluation.tables import FORMATS

    if stored:
        found = store.load(ALIASES.get(dataset, dataset), out)
        if found is None:
            raise UserError(f"No evidence of {dataset} is stored: run `sslviz evidence {dataset}`.")
    else:
        keeps = out is not None or ALIASES.get(dataset, dataset) in DATASETS
        found = _built(
            dataset, models, labels_per_class, seeds, baselines, tuned, like, None if json else progress_line(),
            known=store.load(ALIASES.get(dataset, dataset), out) if keeps and not again else None,
            found=(lambda so_far: store.save(so_far, out)) if keeps else None,
        )  # fmt: skip
        if keeps:
            store.save(found, out)
    if cards:
        from sslviz.bundled.evidence import write_differences

        write_differences(found)
    rows = [asdict(row) for row in found.rows]
    plain = {"dataset": found.dataset, "n_train": found.n_train, "n_test": found.n_test, "protocols": found.protocols}
    plain |= {"how": found.how, "copies_across_the_split": found.copies, "origin": found.origin, "rows": rows}
    answer(plain, json, lambda: print(FORMATS[format](found), end=""))


def _built(
    dataset: str, models: tuple[str, ...], counts: tuple[int, ...], seeds: int, baselines: bool, tuned: int, like: str,
    tell: Callable[[str, str, float], None] | None, *, known: Evidence | None,
    found: Callable[[Evidence], object] | None,
) -> Evidence:  # fmt: skip
    from sslviz.bundled.evidence import COUNTS, TUNED_LABELS, build
    from sslviz.evaluation.baselines import BASELINES

    words = ["sslviz", "evidence", Path(dataset).name, *(["--models", *models] if models else [])]
    words += ["--labels-per-class", *map(str, counts)] if counts != COUNTS else []
    words += ["--seeds", str(seeds)] if seeds != 5 else []
    words += ["--tuned", str(tuned)] if tuned != TUNED_LABELS else []
    words += ["--like", like] if like else []
    words += [] if baselines else ["--no-baselines"]
    kept = tuple(BASELINES) if baselines else ()
    return build(
        dataset, models=models, seeds=seeds, counts=counts, baselines=kept, tuned=tuned, like=like,
        command=shlex.join(words), known=known, progress=tell, found=found,
    )  # fmt: skip
