"""Encoders side by side: same images, same probe, accuracy on test images that none of them has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from sslviz.data.images import ImageSet
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import KNNProbe, LinearProbe


def evaluate(
    encoders: Mapping[str, Any],
    train: ImageSet,
    test: ImageSet,
    *,
    probe: Literal["linear", "knn"] = "linear",
    seed: int = 0,
    callback: Callable[[dict], None] | None = None,
) -> dict[str, float]:
    """Fits a probe on each encoder's h of the training images and scores it on the test images.

    Args:
        encoders: name -> anything that `sslviz.evaluation.embedding.encode` takes.
        train: labelled images for fitting.
        test: labelled images for the score.
        probe: "linear" (`LinearProbe`) or "knn" (`KNNProbe`).
        seed: of the linear probe's validation split.
        callback: called with `encoder` (its name), `stage` and `fraction` done of the whole in [0, 1]; may raise to
            cancel.

    Returns:
        name -> accuracy in [0, 1], in the order given.

    Raises:
        UserError: unknown probe, unlabelled images, or fewer training images than classes.
    """
    if probe not in ("linear", "knn"):
        raise UserError(f"There is no probe {probe!r}: choose linear or knn.")
    if len(train) < len(train.class_names):
        raise UserError(f"{len(train)} images for {len(train.class_names)} classes: give at least one for each.")

    accuracy = {}
    for number, (name, encoder) in enumerate(encoders.items()):

        def report(stage: str, start: float, end: float, name=name, number=number) -> Callable[[float], None]:
            def progress(fraction: float) -> None:
                if callback:
                    done = (number + start + (end - start) * fraction) / len(encoders)
                    callback({"encoder": name, "stage": stage, "fraction": done})

            return progress

        h_train = encode(encoder, train.x, progress=report("encode", 0.0, 0.3))
        h_test = encode(encoder, test.x, progress=report("encode", 0.3, 0.4))
        fitting = report("fit", 0.4, 1.0)
        if probe == "linear":
            fitted = LinearProbe(seed=seed).fit(
                h_train, train.y.numpy(), callback=lambda event, fitting=fitting: fitting(event["fraction"])
            )
        else:
            fitted = KNNProbe().fit(h_train, train.y.numpy())
        accuracy[name] = float(fitted.score(h_test, test.y.numpy()))
        fitting(1.0)
    return accuracy
