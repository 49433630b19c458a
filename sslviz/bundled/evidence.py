"""Makes the table of evidence of a dataset: `sslviz evidence DATASET`. Every row under the same protocols."""

import time
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import numpy as np
import torch

from sslviz.data.catalog import ALIASES
from sslviz.data.images import ImageSet, describe, load_images, to_float
from sslviz.data.sampling import largest_class_share
from sslviz.errors import InputError, UserError
from sslviz.evaluation import compute, unlabelled
from sslviz.evaluation.baselines import BASELINES, baseline_title, make_baselines
from sslviz.evaluation.efficiency import DIFFERENCE_INTERVAL, DrawDifference, draw_difference, label_draws
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.evidence import Evidence, Measured, Row
from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL, accuracy_interval
from sslviz.evaluation.probes import KNNProbe, LinearProbe
from sslviz.evaluation.protocol import metric_of
from sslviz.evaluation.sweep import count_copies
from sslviz.methods import registry
from sslviz.methods.policies import policy_for
from sslviz.methods.views import augment
from sslviz.store import checkpoint
from sslviz.store.checkpoint import ModelInfo
from sslviz.training.provenance import describe_origin

COUNTS = (1, 10, 100)  # labels a class
SEEDS = 5
MEASURED = 2000  # test images of the measures without labels
VIEWED, VIEWS = 500, 4  # of them for alignment and LiDAR, and views of each
Tell = Callable[[str, str, float], None]


def build(
    dataset: str,
    *,
    models: Iterable[str] = (),
    baselines: Iterable[str] = tuple(BASELINES),
    seeds: int = SEEDS,
    counts: tuple[int, ...] = COUNTS,
    command: str = "",
    progress: Tell | None = None,
) -> Evidence:
    """Probe all bundled models of a dataset, further ones and the baselines.

    Args:
        dataset: its name, or a path of own images.
        models: names of further models.
        baselines: which of `BASELINES`.
        seeds: draws of labels at each of `counts`.
        counts: labels a class.
        command: that this answers, for the record.
        progress: called with a row's name, what is done with it, and the fraction of the whole.

    Raises:
        UserError: no labels, labels that can't be drawn, or a model that does not fit.
    """
    started, dataset = time.monotonic(), ALIASES.get(dataset, dataset)
    train, test = load_images(dataset, "train"), load_images(dataset, "test")
    for images in (train, test):
        if not images.labelled:
            raise UserError(f"The images of {images.name} have no label, so nothing can be probed: add labels to them.")
    y, y_test = train.y.numpy(), test.y.numpy()
    chosen = _models(dataset, models)
    if not chosen:
        raise UserError(f"No model of {describe(dataset).title} is here: train one, or name one with --models.")
    drawn = label_draws(y, counts, range(seeds), class_names=train.class_names)
    opening = checkpoint.opens_with(chosen) or chosen[0]
    made = make_baselines(checkpoint.load(opening.path), seed=0, names=baselines)
    names, rows, kept = [*(info.name for info in chosen), *made], [], {}
    for number, name in enumerate(names):
        tell = _telling(progress, name, number, len(names))
        info = chosen[number] if number < len(chosen) else None
        encoder = checkpoint.load(info.path) if info else made[name]
        try:
            measured, kept[name], width, measures = _measure(encoder, train, test, drawn, tell)
        except InputError:
            if info:
                raise
            continue  # a baseline that these images do not allow
        about = _about(info, encoder, train) if info else _baseline(name, opening)
        rows.append(Row(measured=measured, width=width, unlabelled=measures, **about))
    rows.sort(key=lambda row: -row.measured["linear"].accuracy)
    order = [row.name for row in rows]
    differences = _differences(order, kept, y_test, drawn)
    origin = {"command": command, "seconds": round(time.monotonic() - started)} | describe_origin()
    return Evidence(
        dataset, describe(dataset).title, train.class_names, len(train), len(test), train.source, test.source,
        tuple(range(seeds)), _protocols(counts, seeds), _how(), tuple(rows), differences, largest_class_share(y_test),
        count_copies(train.x, test.x), origin, y_test.astype(np.uint8),
        np.array([[kept[name]["linear"], kept[name]["knn"]] for name in order]).astype(np.uint8),
    )  # fmt: skip


def _models(dataset: str, more: Iterable[str]) -> list[ModelInfo]:
    """The bundled models of a dataset, then those that are named."""
    known = {info.name: info for info in checkpoint.list_models("image")}
    chosen = [info for info in known.values() if info.bundled and info.dataset == dataset]
    for name in more:
        if name not in known:
            raise UserError(f"There is no model '{name}'; choose one of {', '.join(known)}.")
        chosen += [known[name]] if known[name] not in chosen else []
    return chosen


def _telling(progress: Tell | None, name: str, number: int, of: int) -> Callable[[str, float], None]:
    def tell(stage: str, fraction: float) -> None:
        if progress:
            progress(name, stage, (number + fraction) / of)

    return tell


def _measure(
    encoder: Any, train: ImageSet, test: ImageSet, drawn: dict[tuple[int | None, int], np.ndarray],
    tell: Callable[[str, float], None],
) -> tuple[dict[str, Measured], dict[str, np.ndarray], int, dict[str, float]]:  # fmt: skip
    """All probes of one encoder: accuracies, predictions by protocol, D, and the measures without labels."""
    if hasattr(encoder, "fit"):
        tell("fit on images without labels", 0.0)
        encoder.fit(train.x)
    h = encode(encoder, train.x, progress=lambda share: tell("encode training images", 0.3 * share))
    h_test = encode(encoder, test.x, progress=lambda share: tell("encode test images", 0.3 + 0.05 * share))
    y, y_test = train.y.numpy(), test.y.numpy()
    tell("k-NN", 0.35)
    metric = metric_of(encoder)
    knn = KNNProbe(metric=metric).fit(h, y)
    predicted: dict[str, Any] = {"knn": knn.predict(h_test)}
    details: dict[str, dict[str, Any]] = {"knn": {"k": knn.n_neighbors, "metric": metric}}
    few: dict[str, list[np.ndarray]] = {}
    for place, ((count, seed), rows) in enumerate(drawn.items()):
        tell(f"{count} labels a class", 0.5 + 0.2 * place / len(drawn))
        few.setdefault(str(count), []).append(LinearProbe(seed=seed).fit(h[rows], y[rows]).predict(h_test))
    probe = LinearProbe().fit(h, y, callback=lambda event: tell("linear probe", 0.7 + 0.3 * event["fraction"]))
    predicted["linear"], details["linear"] = probe.predict(h_test), {"l2": probe.l2_}
    measured = {key: _measured(y_pred[None], y_test, details[key]) for key, y_pred in sorted(predicted.items())[::-1]}
    measured |= {key: _measured(np.array(each), y_test, {}) for key, each in few.items()}
    predicted |= {key: np.array(each) for key, each in few.items()}
    return measured, predicted, h.shape[1], _unlabelled(encoder, h_test, test)


def _measured(y_pred: np.ndarray, y: np.ndarray, detail: dict[str, Any]) -> Measured:
    """Of predictions (S, M) of S draws."""
    draws = tuple(float(np.mean(each == y)) for each in y_pred)
    accuracy = float(np.mean(draws))
    return Measured(accuracy, *accuracy_interval(accuracy, len(y)), draws, detail)


def _unlabelled(encoder: Any, h_test: np.ndarray, test: ImageSet) -> dict[str, float]:
    """RankMe, uniformity, alignment and LiDAR of h of some test images and views of them; empty for baselines."""
    if getattr(encoder, "method", None) is None:
        return {}
    policy = policy_for(test.name, test.shape[0])
    generator = torch.Generator().manual_seed(0)
    x = to_float(test.x[:VIEWED])
    h = np.stack([encode(encoder, augment(x, policy, generator=generator)) for _ in range(VIEWS)], axis=1)
    some = h_test[:MEASURED]
    return {
        "rankme": round(unlabelled.rankme(some), 2),
        "uniformity": round(unlabelled.uniformity(some), 4),
        "alignment": round(unlabelled.alignment(h[:, 0], h[:, 1]), 4),
        "lidar": round(unlabelled.lidar(h), 2),
    }


def _about(info: ModelInfo, encoder: Any, train: ImageSet) -> dict[str, Any]:
    """What a model's card says of its training, and what that has cost."""
    card, about = info.card, registry.METHODS[info.method]
    flop = compute.training_pflop(encoder, card, train.shape, policy_for(info.dataset, train.shape[0]))
    return {
        "name": info.name, "title": f"{info.name} ({about.title})", "kind": "labels" if about.labels else "model",
        "method": info.method, "pflop": None if flop is None else float(f"{flop:.4g}"), "minutes": card.get("minutes"),
        "hardware": str(card.get("hardware", "")), "steps": card.get("steps"), "batch_size": card.get("batch_size"),
        "epochs": card.get("epochs"), "parameters": card.get("parameters"), "command": str(card.get("command", "")),
    }  # fmt: skip


def _baseline(name: str, opening: ModelInfo) -> dict[str, Any]:
    title = baseline_title(name)
    if name == "random":
        title = f"{title} (shape of {opening.name})"
    return {"name": name, "title": title, "kind": "baseline", "method": "", "pflop": 0.0, "training_seeds": 0}


def _differences(
    order: list[str], kept: dict[str, dict[str, np.ndarray]], y: np.ndarray, drawn: Iterable[tuple[int | None, int]]
) -> dict[tuple[str, str, str], DrawDifference]:
    """Of every two rows at every number of labels."""
    keys = dict.fromkeys(str(count) for count, _ in drawn)
    return {
        (a, b, key): draw_difference(y, kept[a][key], kept[b][key]) for key in keys for a, b in combinations(order, 2)
    }


def _protocols(counts: tuple[int, ...], seeds: int) -> dict[str, str]:
    linear = "multinomial logistic regression on standardised frozen h, L2 penalty chosen on held-out training labels"
    draws = f"mean of {seeds} class-balanced draws, the same for all rows" if seeds > 1 else "one class-balanced draw"
    told = {
        "linear": f"{linear}, all training labels",
        "knn": f"{KNNProbe().n_neighbors} nearest training images by the metric that suits h, all training labels",
    }
    for count in counts:
        told[str(count)] = f"{linear}, {count} label{'s' if count > 1 else ''} of each class, {draws}"
    return told


def _how() -> dict[str, str]:
    return {
        "compute": compute.HOW.format(n=compute.COUNTED),
        "interval": INTERVAL.format(unit="images"),
        "difference": PAIRED_INTERVAL.format(unit="images"),
        "difference_few": DIFFERENCE_INTERVAL.format(unit="images"),
        "baselines": "fitted, where they are, on all training images without labels; nothing is trained: compute 0",
        "unlabelled": f"RankMe and uniformity of h of {MEASURED:,} test images, alignment and LiDAR of {VIEWS} views "
        f"of {VIEWED}; they compare runs of one method on one dataset only",
    }
