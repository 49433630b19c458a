"""`sslviz probe` and `sslviz eval`: measure a model of images on labelled or test images."""

import time
from typing import Any, Literal

from tyro.conf import Positional

from sslviz.cli.inputs import both_splits, check_fits, load_model
from sslviz.cli.output import answer, fetching, status
from sslviz.errors import UserError


def probe(
    checkpoint: Positional[str],
    dataset: Positional[str],
    *,
    probe: Literal["linear", "knn"] = "linear",
    baselines: bool = True,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Probe a frozen model: accuracy of a linear or k-NN classifier on h, beside baselines.

    Args:
        checkpoint: a model's name or path ("random-…" is the untrained twin).
        dataset: a name, an .npz file or a folder of class folders; for a language model "topics", labelled sentences.
        probe: multinomial logistic regression on standardised h, or 20 cosine neighbours.
        baselines: also probe the untrained twin, and pixels, PCA and whitened patches, or a bag of words.
        seed: of the validation split, the baselines and the untrained twin.
        json: print one JSON object.
    """
    from sslviz.evaluation.intervals import accuracy_interval
    from sslviz.evaluation.protocol import evaluate

    started = time.perf_counter()
    if dataset == "topics":
        sets, accuracies = _topics(checkpoint, probe=probe, baselines=baselines, seed=seed, json=json)
    else:
        model, sets = load_model(checkpoint), both_splits(dataset)
        check_fits(model, sets[0], checkpoint)
        encoders = {checkpoint: model} | (_baselines(checkpoint, sets[0], seed) if baselines else {})
        accuracies = evaluate(encoders, *sets, probe=probe, seed=seed, callback=None if json else status())
    accuracy = accuracies.pop(checkpoint)
    result = {
        "model": checkpoint, "dataset": dataset, "source": sets[0].source, "test_source": sets[1].source,
        "n_train": len(sets[0]), "n_test": len(sets[1]), "probe": probe, "accuracy": accuracy,
        "interval_95": list(accuracy_interval(accuracy, len(sets[1]))), "baselines": accuracies,
        "seconds": round(time.perf_counter() - started, 1), "seed": seed,
    }  # fmt: skip

    def show() -> None:
        low, high = result["interval_95"]
        print(f"{result['source']}; {len(sets[1]):,} {'sentences' if dataset == 'topics' else 'images'} to test on, "
              f"{probe} probe")  # fmt: skip
        print(f"{checkpoint:24} {accuracy:6.1%}  (95 % interval {low:.1%} to {high:.1%})")
        for name, value in accuracies.items():
            print(f"{name:24} {value:6.1%}")

    answer(result, json, show)


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
            f"{checkpoint} is of {about.title}, which has no measure of its own; judge it with "
            f"`sslviz probe {checkpoint} {dataset}`."
        )
    result = {"model": checkpoint, "dataset": dataset, "source": test.source, "n_test": len(test), "seed": seed}
    found = model.evaluate(test.x, seed=seed)
    text = ", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in found.items())
    answer(result | found, json, lambda: print(f"{about.evaluation}: {text} ({test.source})"))


def _topics(
    name: str, *, probe: Any, baselines: bool, seed: int, json: bool
) -> tuple[tuple[Any, Any], dict[str, float]]:
    """The labelled sentences, and accuracies by name: of a language model ("random-" and its name: its twin) first."""
    from sslviz.bundled import topics
    from sslviz.language import model as language
    from sslviz.store.names import RANDOM

    twin, known = name.startswith(RANDOM), name.removeprefix(RANDOM)
    model = language.load(known, progress=None if json else fetching(known))
    if twin:
        model = topics.untrained(model, seed=seed)
    tell = None if json else status()
    found = topics.evaluate(
        model, probe=probe, baselines=baselines, seed=seed,
        report=tell and (lambda stage, share: tell({"fraction": share, "encoder": name, "stage": stage})),
    )  # fmt: skip
    if twin:
        found.pop("random", None)
    return (topics.load_topics("train"), topics.load_topics("test")), {name: found.pop("model")} | found


def _baselines(checkpoint: str, images: Any, seed: int) -> dict[str, Any]:
    from sslviz.evaluation.baselines import fit_baselines
    from sslviz.store.checkpoint import load
    from sslviz.store.names import RANDOM

    twin = {} if checkpoint.startswith(RANDOM) else {"random": load(f"{RANDOM}{checkpoint}", seed=seed)}
    return twin | fit_baselines(images.x, seed=seed)
