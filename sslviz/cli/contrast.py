"""`sslviz contrast`: what contrastive losses make of a batch, and what the projection head throws away."""

from __future__ import annotations

from typing import Any

from tyro.conf import Positional

from sslviz.cli.inputs import check_fits, load_model
from sslviz.cli.output import answer, progress_line
from sslviz.errors import UserError


def contrast(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    batch: int = 16,
    temperature: float = 0.2,
    labels: int | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Losses of a batch of bundled test images under NT-Xent, InfoNCE across the views and InfoNCE with a queue.

    Args:
        checkpoint: a model's name or path; its method must have a projector.
        dataset: a name, an .npz file or a folder of class folders.
        batch: images in it.
        temperature: divides the cosines.
        labels: also probe h and z on so many labelled training images.
        seed: of images, views and labels.
        json: print one JSON object.
    """
    from sslviz.data.images import load_images
    from sslviz.evaluation.contrast import OBJECTIVES, loss
    from sslviz.evaluation.pairs import draw_batch, embed_pairs
    from sslviz.methods.policies import policy_for
    from sslviz.methods.registry import METHODS

    model, test = load_model(checkpoint), load_images(dataset, "test", bundled=True)
    check_fits(model, test, checkpoint)
    if not METHODS[model.method].projector:
        raise UserError(f"{checkpoint} has no projector, so there is no z to contrast: name a model that has one.")
    ids = draw_batch(test.y.numpy(), batch, seed=seed)
    cosines = embed_pairs(model, test.x[ids], policy_for(dataset, test.shape[0]), seed=seed).cosines()
    names = [name for name in OBJECTIVES if name != "queue" or cosines.queue.shape[1]]
    result: dict[str, Any] = {"model": checkpoint, "dataset": dataset, "images": len(ids), "seed": seed}
    result |= {"temperature": temperature, "nats_a_view": {name: loss(cosines, name, temperature) for name in names}}
    if labels is not None:
        result["probes"] = _probes(model, dataset, test, labels, seed, json)
    answer(result, json, lambda: _print(result))


def _probes(model: Any, dataset: str, test: Any, labels: int, seed: int, json: bool) -> dict[str, Any]:
    from sslviz.data.images import load_images
    from sslviz.evaluation.head import evaluate_head
    from sslviz.evaluation.protocol import labelled_images

    line = None if json else progress_line()
    found = evaluate_head(
        model, labelled_images(load_images(dataset, "train")), labelled_images(test), n_labels=labels, seed=seed,
        progress=(lambda stage, done: line("", stage, done)) if line else None,
    )  # fmt: skip
    z = found.scores["z"]
    return found.as_dict() | {"z": {"accuracy": z.accuracy, "interval_95": list(z.interval)}}


def _print(result: dict[str, Any]) -> None:
    print(f"{result['images']} images, seed {result['seed']}, temperature {result['temperature']:g}")
    for name, value in result["nats_a_view"].items():
        print(f"{name:12} {value:8.4f} nats a view")
    if "probes" in result:
        from sslviz.evaluation.intervals import Difference
        from sslviz.evaluation.results import difference_words

        probes = result["probes"]
        print(probes["protocol"])
        for name, found in (("h", probes), ("z", probes["z"])):
            low, high = found["interval_95"]
            print(f"{name:12} {found['accuracy']:8.1%}  ({low:.1%} to {high:.1%})")
        print(f"h: {difference_words(Difference.from_dict(probes['differences']['z']), 'z')}. {probes['interval']}.")
