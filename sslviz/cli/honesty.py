"""`sslviz honesty`: hold a probe against every rule, and break rules to see what each is worth."""

from __future__ import annotations

import shlex
from typing import Any

from tyro.conf import Positional

from sslviz.cli.inputs import check_fits, load_model
from sslviz.cli.output import answer, progress_line
from sslviz.errors import UserError


def honesty(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    rules: tuple[str, ...] = ("all",),
    store: bool = False,
    json: bool = False,
) -> None:
    """Probe a model honestly, say what was seen of every rule, and break rules as real fits beside the honest one.

    Args:
        checkpoint: a model's name.
        dataset: whose bundled images: 3,000 labelled ones to fit on and 2,000 test images.
        rules: to break: trained_along, batch_norm, best_epoch, penalty, pretrained, copies, metric, lucky; all or none.
        store: keep the answer in the assets, where the probe page shows it at once.
        json: print one JSON object.
    """
    from sslviz.bundled import cheats
    from sslviz.bundled.cases import SINS, path_of
    from sslviz.data.images import load_images
    from sslviz.files import writing
    from sslviz.store.checkpoint import write_json

    chosen = tuple(SINS) if rules == ("all",) else () if rules == ("none",) else rules
    if unknown := [rule for rule in chosen if rule not in SINS]:
        raise UserError(f"There is no rule {unknown[0]!r:.40} to break: choose of {', '.join(SINS)}, or all, or none.")
    check_fits(load_model(checkpoint), load_images(dataset, "test", bundled=True), checkpoint)
    words = ["sslviz", "honesty", checkpoint, dataset, *(["--rules", *rules] if rules != ("all",) else [])]
    line = None if json else progress_line()

    def tell(stage: str, fraction: float) -> None:
        if line:
            line(checkpoint, stage, fraction)

    found = cheats.run(checkpoint, dataset, chosen, command=shlex.join(words), report=tell)
    if store:
        path = path_of(dataset)
        with writing(path.parent):
            write_json(found, path)
    answer(found, json, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    print(f"\n{found['model']}: {found['accuracy']:.1%}, {found['n_train']:,} labels, {found['n_test']:,} test images")
    for check in found["checks"]:
        print(f"  {'held  ' if check['held'] else 'BROKEN'} {check['rule']}: {check['seen']}")
    for each in found["sins"].values():
        print(f"{each['rule']}: honest {each['honest']:.1%}, broken {each['inflated']:.1%}. {each['words']}")
        for check in each["checks"]:
            print(f"  {'held  ' if check['held'] else 'BROKEN'} {check['rule']}: {check['seen']}")
