"""Makes the table of evidence of a dataset: `sslviz evidence DATASET`. Every row under the same protocols."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.data.images import ImageSet, describe, load_images, to_float
from sslviz.data.sampling import largest_class_share
from sslviz.errors import InputError, UserError
from sslviz.evaluation import compute, unlabelled
from sslviz.evaluation import evidence as store
from sslviz.evaluation.baselines import BASELINES, baseline_title, make_baselines
from sslviz.evaluation.efficiency import DIFFERENCE_INTERVAL, label_draws
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.evidence import PROBES, TUNED, Evidence, Measured, Part, Reader, Row
from sslviz.evaluation.finetune import BATCH, LR, STEPS, fine_tune
from sslviz.evaluation.honesty import hashes
from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL, accuracy_interval, paired_difference
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
TUNED_LABELS = 100  # a class
UNTRAINED = "random"
AGREES = 0.001  # accuracies of one probe, fitted by two versions of its optimiser
READ = ("pixels", UNTRAINED)  # baselines whose encoder needs no images to be made again
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
    tuned: int = TUNED_LABELS,
    like: str = "",
    command: str = "",
    known: Evidence | None = None,
    progress: Tell | None = None,
    found: Callable[[Evidence], object] | None = None,
) -> Evidence:
    """Probe all bundled models of a dataset, further ones and the baselines.

    Args:
        dataset: its name, or a path of own images.
        models: names of further models.
        baselines: which of `BASELINES`.
        seeds: draws of labels at each of `counts`.
        counts: labels a class.
        tuned: labels a class that encoders are fine-tuned on; 0 leaves that out.
        like: name of the model whose shape the untrained encoder has; the best bundled one where none is named.
        command: that this answers, for the record.
        known: an earlier table, whose rows are kept where weights, images and protocols are still the same.
        progress: called with a row's name, what is done with it, and the fraction of the whole.
        found: called with the table so far after each row that was measured.

    Raises:
        UserError: no labels, labels that can't be drawn, or a model that does not fit.
    """
    started, dataset = time.monotonic(), ALIASES.get(dataset, dataset)
    train, test = load_images(dataset, "train"), load_images(dataset, "test")
    for images in (train, test):
        if not images.labelled:
            raise UserError(f"The images of {images.name} have no label, so nothing can be probed: add labels to them.")
    chosen = _models(dataset, models)
    if not chosen:
        raise UserError(f"No model of {describe(dataset).title} is here: train one, or name one with --models.")
    job = _Job(train, test, label_draws(train.y.numpy(), counts, range(seeds), class_names=train.class_names), tuned)
    opening = next((info for info in chosen if info.name == like), None)
    if like and opening is None:
        raise UserError(f"There is no model '{like}' in this table: choose one of {', '.join(i.name for i in chosen)}.")
    opening = opening or checkpoint.opens_with([info for info in chosen if info.bundled] or chosen) or chosen[0]
    made = make_baselines(checkpoint.load(opening.path), seed=0, names=baselines)
    known_as = {info.name: info for info in sorted(chosen, key=lambda info: info.card.get("parameters", 0))}
    names = [*made, *known_as]  # quick ones first
    about = Evidence(
        dataset, describe(dataset).title, train.class_names, len(train), len(test), train.source, test.source,
        tuple(range(seeds)), _protocols(counts, seeds, tuned), _how(), largest_class_share(test.y.numpy()),
        count_copies(train.x, test.x), {}, test.y.numpy().astype(np.uint8), (), _bundled(dataset, test),
    )  # fmt: skip
    kept = _reusable(about, known)
    stamps = {name: _stamp(known_as.get(name, opening), name, baseline=name not in known_as) for name in names}
    parts = [kept[name, stamp] for name, stamp in stamps.items() if (name, stamp) in kept]

    def table() -> Evidence:
        origin = {"command": command, "seconds": round(time.monotonic() - started)} | describe_origin()
        ordered = sorted(parts, key=lambda part: -part.row.measured["linear"].accuracy)
        return replace(about, parts=tuple(ordered), origin=origin)

    for number, name in enumerate(names):
        info, tell = known_as.get(name), _telling(progress, name, number, len(names))
        if (name, stamps[name]) in kept:
            tell("as it was", 1.0)
            continue
        encoder = checkpoint.load(info.path) if info else made[name]
        row = _about(info, encoder, train) if info else _baseline(name, opening)
        try:
            parts.append(job.measure(encoder, row | {"stamp": stamps[name]}, tell))
        except InputError:
            if info:
                raise
            continue  # a baseline that these images do not allow
        if found:
            found(table())
    return table()


def _bundled(dataset: str, test: ImageSet) -> np.ndarray:
    """Rows of the bundled test images among the test images, by their pixels; none where some are not there."""
    some = load_images(dataset, "test", bundled=True)
    own, other = (hashes(images.x.numpy()) for images in (test, some))
    rows = {value: row for row, value in reversed(list(enumerate(own.tolist())))}
    found = [rows.get(value, -1) for value in other.tolist()]
    return np.array([] if -1 in found else found, np.int32)


def _reusable(about: Evidence, known: Evidence | None) -> dict[tuple[str, str], Part]:
    """Rows of an earlier table that were measured on the same images under the same protocols, by name and stamp."""
    same = ["dataset", "n_train", "n_test", "seeds", "protocols"]
    same += [] if about.dataset in DATASETS else ["train_source"]
    if known is None or any(getattr(about, key) != getattr(known, key) for key in same):
        return {}
    if not np.array_equal(about.y, known.y):
        return {}
    return {(part.row.name, part.row.stamp): part for part in known.parts}


def _stamp(info: ModelInfo, name: str, *, baseline: bool) -> str:
    """Of a model's weights; of a baseline its name, and of the untrained one the shape that it has."""
    digest = hashlib.blake2b(digest_size=8)
    if not baseline:
        digest.update((info.path / checkpoint.WEIGHTS).read_bytes())
    elif name == UNTRAINED:
        digest.update((info.path / checkpoint.CONFIG).read_bytes())
    return digest.hexdigest()


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


@dataclass(frozen=True)
class _Job:
    """What is the same for all rows: images and draws of labels."""

    train: ImageSet
    test: ImageSet
    drawn: dict[tuple[int | None, int], np.ndarray]
    tuned: int

    def measure(self, encoder: Any, about: dict[str, Any], tell: Callable[[str, float], None]) -> Part:
        """All protocols of one encoder."""
        train, test = self.train, self.test
        if hasattr(encoder, "fit"):
            tell("fit on images without labels", 0.0)
            encoder.fit(train.x)
        h = encode(encoder, train.x, batch_size=64, progress=lambda share: tell("encode training images", 0.3 * share))
        h_test = encode(
            encoder, test.x, batch_size=64, progress=lambda share: tell("encode test images", 0.3 + 0.05 * share)
        )
        y, y_test = train.y.numpy(), test.y.numpy()
        tell("k-NN", 0.35)
        metric = metric_of(encoder)
        knn = KNNProbe(metric=metric).fit(h, y)
        probe = LinearProbe().fit(h, y, callback=lambda event: tell("linear probe", 0.4 + 0.3 * event["fraction"]))
        sure = probe.predict_proba(h_test)
        predicted = {"linear": probe.classes_[sure.argmax(axis=1)], "knn": knn.predict(h_test)}
        details: dict[str, dict[str, Any]] = {
            "linear": {"l2": probe.l2_},
            "knn": {"k": knn.n_neighbors, "metric": metric},
        }
        measured = {key: _measured((predicted[key] == y_test)[None], details[key]) for key in PROBES}
        right = self._few(h, h_test, tell)
        if self.tuned and isinstance(encoder, torch.nn.Module) and any(True for _ in encoder.parameters()):
            right[TUNED] = self._tuned(encoder, tell)
        measured |= {key: _measured(each, {}) for key, each in right.items()}
        row = Row(measured=measured, width=h.shape[1], unlabelled=_unlabelled(encoder, h_test, test), **about)
        y_pred = np.array([predicted[key] for key in PROBES]).astype(np.uint8)
        again = about["kind"] != "baseline" or about["name"] in READ  # others would need what they were fitted to
        reader = Reader(probe.coef_, probe.intercept_, probe.mean_, probe.scale_) if again else None
        return Part(row, y_pred, right, np.rint(255 * sure.max(axis=1)).astype(np.uint8), reader)

    def _few(self, h: np.ndarray, h_test: np.ndarray, tell: Callable[[str, float], None]) -> dict[str, np.ndarray]:
        """Whether the probes of few labels are right, (draws, M) by labels a class."""
        y, y_test = self.train.y.numpy(), self.test.y.numpy()
        few: dict[str, list[np.ndarray]] = {}
        for place, ((count, seed), rows) in enumerate(self.drawn.items()):
            tell(f"{count} labels a class", 0.7 + 0.2 * place / len(self.drawn))
            y_pred = LinearProbe(seed=seed).fit(h[rows], y[rows]).predict(h_test)
            few.setdefault(str(count), []).append(y_pred == y_test)
        return {key: np.array(each) for key, each in few.items()}

    def _tuned(self, encoder: Any, tell: Callable[[str, float], None]) -> np.ndarray:
        """Whether a fine-tuned copy is right, (1, M)."""
        y, names = self.train.y.numpy(), self.train.class_names
        ((_, rows),) = label_draws(y, (self.tuned,), (0,), class_names=names).items()
        y_pred = fine_tune(
            encoder, self.train.x[torch.from_numpy(rows)], y[rows], self.test.x,
            progress=lambda share: tell("fine-tuning", 0.9 + 0.1 * share),
        )  # fmt: skip
        found: np.ndarray = (y_pred == self.test.y.numpy())[None]
        return found


def _measured(right: np.ndarray, detail: dict[str, Any]) -> Measured:
    """Of S draws: whether each is right about each test image (S, M)."""
    draws = tuple(float(np.mean(each)) for each in right)
    accuracy = float(np.mean(draws))
    return Measured(accuracy, *accuracy_interval(accuracy, right.shape[1]), draws, detail)


def _unlabelled(encoder: Any, h_test: np.ndarray, test: ImageSet) -> dict[str, float]:
    """Measures of h of some test images and, where the encoder takes these, of views; empty for what is no method."""
    if getattr(encoder, "method", None) is None:
        return {}
    some = h_test[:MEASURED]
    found = {"rankme": round(unlabelled.rankme(some), 2), "uniformity": round(unlabelled.uniformity(some), 4)}
    if len(encoder.config.input_shape) == 3:  # it takes images of one size, and views have another
        return found
    policy = policy_for(test.name, test.shape[0])
    generator = torch.Generator().manual_seed(0)
    x = to_float(test.x[:VIEWED])
    h = np.stack([encode(encoder, augment(x, policy, generator=generator)) for _ in range(VIEWS)], axis=1)
    return found | {
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


def _protocols(counts: tuple[int, ...], seeds: int, tuned: int) -> dict[str, str]:
    linear = "multinomial logistic regression on standardised frozen h, L2 penalty chosen on held-out training labels"
    draws = f"mean of {seeds} class-balanced draws, the same for all rows" if seeds > 1 else "one class-balanced draw"
    told = {
        "linear": f"{linear}, all training labels",
        "knn": f"{KNNProbe().n_neighbors} nearest training images by the metric that suits h, all training labels",
    }
    for count in counts:
        told[str(count)] = f"{linear}, {count} label{'s' if count > 1 else ''} of each class, {draws}"
    if tuned:
        told[TUNED] = (
            f"encoder and linear layer trained by AdamW on {tuned} labels of each class, one draw, {STEPS} steps of "
            f"{BATCH} images, {LR:g} as peak learning rate, no random views, nothing chosen; baselines without weights "
            "have none, the untrained encoder's is training from scratch"
        )
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


def write_differences(found: Evidence) -> dict[str, list[str]]:
    """Write into the cards of bundled models how far they are from baselines, paired, from the predictions of a table.

    Only where table and card agree on both accuracies: the untrained encoder of another shape is another baseline.

    Args:
        found: a table of the full sets.

    Returns:
        which baselines, by model.
    """
    infos = {info.name: info for info in checkpoint.list_models("image") if info.bundled}
    told: dict[str, list[str]] = {}
    for row in found.rows:
        card = infos[row.name].card if row.name in infos else {}
        results = dict(card.get("results", {}))
        if results.get("n_test") != found.n_test or not _agree(results.get("linear_probe"), row):
            continue
        baselines = {other.name: other for other in found.rows if other.kind == "baseline"}
        own = [name for name, value in results.get("baselines", {}).items() if _agree(value, baselines.get(name))]
        results["differences"] = {
            name: paired_difference(
                found.y, found.predictions(row.name, "linear"), found.predictions(name, "linear")
            ).as_dict()
            for name in own
        }  # fmt: skip
        checkpoint.write_json(card | {"results": results}, infos[row.name].path / checkpoint.CARD)
        told[row.name] = own
    return told


def _agree(value: Any, row: Row | None) -> bool:
    """Whether a card's accuracy is a row's, but for what the optimiser leaves open."""
    return isinstance(value, float) and row is not None and abs(value - row.measured["linear"].accuracy) <= AGREES


def measure(model: str, dataset: str, report: Callable[[str, float], None]) -> dict[str, Any]:
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
    known = store.load(dataset)
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
    own = replace(found, dataset=store.OWN, parts=(part,))
    store.save(own, checkpoint.find(model))
    return {"rows": 1}
