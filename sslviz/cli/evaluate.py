"""`sslviz probe` and `sslviz eval`: measure a model of images on labelled or test images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from sslviz.cli.efficiency import print_efficiency, read_counts
from sslviz.cli.inputs import both_splits, check_fits, load_model
from sslviz.cli.output import answer, fetching, progress_line
from sslviz.errors import UserError

if TYPE_CHECKING:
    from sslviz.evaluation.protocol import Progress
    from sslviz.evaluation.results import Evaluation, ProbeName


def probe(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    probe: Literal["linear", "knn"] = "linear",
    baselines: bool = True,
    labels: int = 0,
    seed: int = 0,
    labels_per_class: tuple[str, ...] = (),
    seeds: int = 5,
    scratch_steps: int = 0,
    json: bool = False,
) -> None:
    """Probe a frozen model: accuracy of a linear or k-NN classifier on h, beside baselines on the same labels.

    Args:
        checkpoint: a model's name or path ("random-…" is the same architecture, untrained).
        dataset: a name, an .npz file or a folder of class folders; for a language model "topics", labelled sentences.
        probe: multinomial logistic regression on standardised h, or 20 neighbours by the metric that suits h.
        baselines: also probe the untrained model, and pixels, PCA and whitened patches, or a bag of words.
        labels: fit on so many labelled images, as many of each class; 0 takes all.
        seed: of the choice of labels, the validation split, the baselines and the untrained model.
        labels_per_class: label efficiency instead: linear probes on so many labels of each class, such as 1 10 100 all.
        seeds: of these, how many class-balanced draws of labels at each count.
        scratch_steps: of these, also train the encoder anew on each draw's labels, so many steps; 0 leaves it out.
        json: print one JSON object.
    """
    tell = None if json else progress_line()
    if labels_per_class:
        if dataset == "topics" or probe != "linear":
            raise UserError("--labels-per-class is for linear probes of images: leave it out here.")
        counts = read_counts(labels_per_class)
        print_efficiency(
            checkpoint, dataset, counts, seeds=seeds, baselines=baselines, scratch_steps=scratch_steps, json=json
        )
        return
    if dataset == "topics":
        if labels:
            raise UserError("--labels is for images: leave it out here.")
        found = _evaluate_topics(checkpoint, probe, baselines, seed, tell)
    else:
        found = _evaluate_images(checkpoint, dataset, probe, baselines, labels, seed, tell)
    answer({"model": checkpoint, "dataset": dataset} | found.as_dict(), json, lambda: _print_evaluation(found))


def _print_evaluation(found: Evaluation) -> None:
    """An evaluation for people: protocol, accuracies, what they mean, and the difference from the best baseline."""
    from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL
    from sslviz.evaluation.results import difference_words

    print(f"{found.protocol}\n  fitted on {found.train_source}\n  tested on {found.test_source}")
    for name, score in found.scores.items():
        low, high = score.interval
        print(f"{name:24} {score.accuracy:6.1%}  ({low:.1%} to {high:.1%})")
    print(f"{'largest class':24} {found.largest_class_share:6.1%}  of the test {found.unit}")
    for name, reason in found.left_out.items():
        print(f"{name:24} left out: {reason}")
    print(f"Intervals: {INTERVAL.format(unit=found.unit)}.")
    if best := found.best_baseline:
        words = difference_words(found.difference(best.name), best.name)
        print(f"Against the best baseline: {words}. Interval: {PAIRED_INTERVAL.format(unit=found.unit)}.")


def evaluate(checkpoint: Positional[str], dataset: Positional[str], *, seed: int = 0, json: bool = False) -> None:
    """Evaluate a model on the test images by its method's own measure: of a VAE recon, kl and negative ELBO in nats.

    Args:
        checkpoint: a model's name or path.
        dataset: a name, an .npz file or a folder of class folders.
        seed: of what is random in the measure.
        json: print one JSON object.
    """
    from sslviz.methods.registry import info

    model, (_, test) = load_model(checkpoint), both_splits(dataset)
    check_fits(model, test, checkpoint)
    about = info(model.method)
    if not about.evaluation:
        raise UserError(
            f"{checkpoint} is of {about.title}, which has no measure of its own; evaluate it with "
            f"`sslviz probe {checkpoint} {dataset}`."
        )
    result = {"model": checkpoint, "dataset": dataset, "source": test.source, "n_test": len(test), "seed": seed}
    result["measure"] = about.evaluation
    found = model.evaluate(test.x, seed=seed)
    text = ", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in found.items())
    answer(result | found, json, lambda: print(f"{about.evaluation}: {text} ({test.source})"))


def _evaluate_images(
    name: str, dataset: str, probe: ProbeName, baselines: bool, labels: int, seed: int, tell: Progress | None
) -> Evaluation:
    """Probe a model of images beside all baselines; an untrained one has no other as its baseline."""
    from sslviz.evaluation.baselines import BASELINES, make_baselines
    from sslviz.evaluation.protocol import evaluate, labelled_images
    from sslviz.store.names import RANDOM

    model, splits = load_model(name), both_splits(dataset)
    check_fits(model, splits[0], name)
    names = [key for key in BASELINES if baselines and not (key == "random" and name.startswith(RANDOM))]
    encoders = {name: model} | make_baselines(model, seed=seed, names=names)
    train, test = map(labelled_images, splits)
    return evaluate(encoders, train, test, n_labels=labels or None, probe=probe, seed=seed, progress=tell)


def _evaluate_topics(name: str, probe: ProbeName, baselines: bool, seed: int, tell: Progress | None) -> Evaluation:
    """Probe a language model on the labelled sentences, beside all baselines."""
    from sslviz.language import model as language
    from sslviz.language import topics
    from sslviz.store.names import RANDOM

    known = name.removeprefix(RANDOM)
    model = language.load_any(known, progress=tell and fetching(known))
    if name != known:
        model = topics.untrained(model, seed=seed)
    names = tuple(key for key in topics.BASELINES if baselines and not (key == "random" and name != known))
    return topics.evaluate_topics(model, name=name, probe=probe, baselines=names, seed=seed, progress=tell)
