"""`sslviz probe … --labels-per-class`: accuracy against the number of labels a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sslviz.cli.inputs import both_splits, check_fits, load_model
from sslviz.cli.output import answer, progress_line
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.evaluation.efficiency import Efficiency


def read_counts(words: Sequence[str]) -> tuple[int | None, ...]:
    """Labels a class as they stand on the command line: whole numbers of 1 or more, or "all" (None).

    Raises:
        UserError: anything else.
    """
    for word in words:
        if word != "all" and not (word.isascii() and word.isdecimal() and 0 < int(word) < 10**9):
            raise UserError(f"--labels-per-class takes numbers of 1 or more, and all, not {word!r:.40}.")
    return tuple(None if word == "all" else int(word) for word in words)


def print_efficiency(
    name: str, dataset: str, counts: tuple[int | None, ...], *, seeds: int, baselines: bool, scratch_steps: int,
    json: bool,
) -> None:  # fmt: skip
    """Fit, and print a table or one JSON object.

    Args:
        name: of the model.
        dataset: whose images.
        counts: labels a class, None for all.
        seeds: how many draws.
        baselines: whether baselines stand beside it.
        scratch_steps: of a training from scratch on each draw; 0 leaves it out.
        json: print one JSON object.
    """
    from sslviz.evaluation.baselines import BASELINES, make_baselines
    from sslviz.evaluation.efficiency import SCRATCH
    from sslviz.evaluation.protocol import labelled_images
    from sslviz.evaluation.sweep import sweep
    from sslviz.store.names import RANDOM
    from sslviz.training.scratch import FromScratch

    model, splits = load_model(name), both_splits(dataset)
    check_fits(model, splits[0], name)
    names = [key for key in BASELINES if baselines and not (key == "random" and name.startswith(RANDOM))]
    rows: dict[str, Any] = {name: model} | make_baselines(model, seed=0, names=names)
    trained, notes = {}, {}
    if scratch_steps:
        scratch = FromScratch(*splits, like=model, steps=scratch_steps)
        trained, notes = {SCRATCH: scratch}, {SCRATCH: scratch.words}
    tell = None if json else progress_line()
    draws: dict[str, Any] = {"counts": counts, "seeds": tuple(range(seeds))}
    *_, found = sweep(rows, *map(labelled_images, splits), **draws, trained=trained, notes=notes, progress=tell)
    answer({"model": name, "dataset": dataset} | found.as_dict(), json, lambda: _print(found))


def _print(found: Efficiency) -> None:
    """A row an encoder: mean accuracy, and the lowest and the highest draw."""
    from sslviz.evaluation.efficiency import DIFFERENCE_INTERVAL, INTERVAL

    print(f"{found.protocol}\n  drawn from {found.train_source}\n  tested on {found.test_source}")
    if found.copies:
        print(f"  {found.copies:,} test {found.unit} are also among the training {found.unit}: accuracies are too high")
    heads = ["all" if count is None else f"{count:,}" for count in found.counts]
    print(f"{'labels a class':24}" + "".join(f"{head:>20}" for head in heads))
    for name in found.names:
        cells = [f"{p.mean:.1%} ({100 * p.low:.1f}-{100 * p.high:.1f})" for p in found.points(name)]
        print(f"{name:24}" + "".join(f"{cell:>20}" for cell in cells))
    for name, reason in found.left_out.items():
        print(f"{name:24} left out: {reason}")
    for name, words in found.notes.items():
        print(f"{name}: {words}")
    print(f"In brackets the lowest and the highest draw. Intervals (--json): {INTERVAL.format(unit=found.unit)}.")
    for other in found.names[1:]:
        told = [
            f"{100 * difference.value:+.1f} at {head}" if difference.told else f"none can be told at {head}"
            for count, head in zip(found.counts, heads, strict=True)
            if (difference := found.difference(found.model, count, other)) is not None
        ]
        print(f"{found.model} less {other}, points: {', '.join(told)}")
    print(f"Differences: {DIFFERENCE_INTERVAL.format(unit=found.unit)}.")
